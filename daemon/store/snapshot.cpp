#include "daemon/store/snapshot.h"

#include <algorithm>
#include <utility>

namespace swaptrail::store {

Snapshot::Snapshot(std::shared_ptr<SegmentRing> ring) : ring_(std::move(ring)) {
  parts_.reserve(ring_->live.size());
  // Fails only if the writer went once round the whole store meanwhile.
  while (!pin_all()) continue;
  std::ranges::reverse(parts_);
}

Snapshot::Snapshot(Snapshot&& other) noexcept
    : ring_(std::move(other.ring_)), parts_(std::exchange(other.parts_, {})) {}

Snapshot& Snapshot::operator=(Snapshot&& other) noexcept {
  if (this == &other) return *this;
  unpin();
  ring_ = std::move(other.ring_);
  parts_ = std::exchange(other.parts_, {});
  return *this;
}

// From the newest down to the first retired one: that leaves no gap. False: the newest is gone.
bool Snapshot::pin_all() {
  const uint64_t newest = ring_->newest.load(std::memory_order_acquire);
  const uint64_t places = ring_->live.size();
  for (uint64_t ordinal = newest; ordinal > 0 && newest - ordinal < places; --ordinal) {
    Segment* segment = ring_->live[ordinal % places].load(std::memory_order_acquire);
    if (segment == nullptr || !segment->pin(ordinal)) break;
    const bool sealed = segment->sealed();  // read before the count, which is then final
    parts_.push_back({.segment = segment,
                      .first_sequence = segment->first_sequence(),
                      .count = segment->count(),
                      .sealed = sealed});
  }
  return newest == 0 || !parts_.empty();
}

void Snapshot::unpin() {
  for (const Part& part : parts_) part.segment->unpin();
  parts_.clear();
}

StoredLifecycle Snapshot::stored(uint64_t sequence, const RecordView& record,
                                 size_t most_notes) const {
  // The notes first: a page that they mention is then also marked as gone.
  NoteChain notes = ring_->notes.chain(record.last_note(), most_notes);
  StoredLifecycle out = record.stored(sequence);
  out.notes = std::move(notes);
  return out;
}

void Snapshot::release_oldest() {
  parts_.front().segment->unpin();
  parts_.erase(parts_.begin());
}

uint64_t Snapshot::next_sequence() const {
  return parts_.empty() ? 1 : parts_.back().first_sequence + parts_.back().count;
}

uint64_t Snapshot::oldest_closed_ns() const {
  if (lifecycles() == 0) return 0;
  return parts_.front().segment->record(0).hot().closed_ns;
}

}  // namespace swaptrail::store
