// The contents of the store at one moment, for any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "daemon/base/huge_pages.h"
#include "daemon/store/notes.h"
#include "daemon/store/segment.h"

namespace swaptrail::store {

// Shared by the store and its snapshots: it lives as long as the last of them.
struct SegmentRing {
  SegmentRing(size_t places, size_t most_notes, size_t segment_memory_bytes)
      : live(places), notes(most_notes), memory(segment_memory_bytes) {}

  std::vector<std::atomic<Segment*>> live;  // by ordinal; may still hold one that was retired
  std::atomic<uint64_t> newest{0};          // ordinal
  Notes notes;
  base::HugePages memory;                       // of the segments, in the order of `owned`
  std::vector<std::unique_ptr<Segment>> owned;  // the pipeline thread's
};

// A sequence of lifecycles without gaps that stays readable, whatever the writer does. Taking one
// costs a counter for each segment. Returns of a lifecycle may still be added to it.
//
// Keep it only as long as a query needs it: its segments can't be reused meanwhile, and when too
// many are held the store has no room for new lifecycles (StoreStatus::unstored).
class Snapshot {
 public:
  struct Part {
    Segment* segment;
    uint64_t first_sequence;
    uint32_t count;  // records that it had
    bool sealed;     // its summary may be read
  };

  Snapshot() = default;
  explicit Snapshot(std::shared_ptr<SegmentRing> ring);
  ~Snapshot() { unpin(); }
  Snapshot(Snapshot&& other) noexcept;
  Snapshot& operator=(Snapshot&& other) noexcept;

  std::span<const Part> parts() const { return parts_; }  // the oldest first
  uint64_t lifecycles() const { return next_sequence() - oldest_sequence(); }
  // The sequence of its first lifecycle; next_sequence() if it is empty.
  uint64_t oldest_sequence() const { return parts_.empty() ? 1 : parts_.front().first_sequence; }
  // The sequence that the next lifecycle would have had.
  uint64_t next_sequence() const;
  uint64_t oldest_closed_ns() const;  // 0 if it is empty
  // A record of one of parts(), with at most `most_notes` of its notes.
  StoredLifecycle stored(uint64_t sequence, const RecordView& record, size_t most_notes) const;
  // As long as ring() is held.
  const Notes* notes() const { return ring_ ? &ring_->notes : nullptr; }
  std::shared_ptr<const SegmentRing> ring() const { return ring_; }
  // Gives back the first of parts().
  void release_oldest();

 private:
  bool pin_all();
  void unpin();

  std::shared_ptr<SegmentRing> ring_;
  std::vector<Part> parts_;
};

// Called from time to time during a long query: true = nobody wants its answer any more. What the
// query then returns is incomplete, and not to be used. Empty = never.
using Stop = std::function<bool()>;

// Counts the records that a query has looked at, and calls Stop from time to time.
class Patience {
 public:
  explicit Patience(const Stop& stop) : stop_(stop) {}
  // Call it once for each record: true if the query must end.
  bool is_over() { return ++looked_ % kLooks == 0 && stop_ && stop_(); }

 private:
  static constexpr uint32_t kLooks = 4096;  // well below a millisecond
  const Stop& stop_;
  uint32_t looked_ = 0;
};

// Calls visit(sequence, RecordView) for those from `from` on downwards (upwards), but skips
// segments that wanted(SegmentSummary) rejects; stops when visit returns false.
template <typename Wanted, typename Visit>
void visit_newest_first(const Snapshot& snapshot, uint64_t from, const Wanted& wanted,
                        const Visit& visit) {
  const auto parts = snapshot.parts();
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (part->first_sequence > from || (part->sealed && !wanted(part->segment->summary())))
      continue;
    uint64_t left = std::min<uint64_t>(part->count, from - part->first_sequence + 1);
    while (left-- > 0) {
      const RecordView record = part->segment->record(static_cast<uint32_t>(left));
      if (!visit(part->first_sequence + left, record)) return;
    }
  }
}
template <typename Wanted, typename Visit>
void visit_oldest_first(const Snapshot& snapshot, uint64_t from, const Wanted& wanted,
                        const Visit& visit) {
  for (const Snapshot::Part& part : snapshot.parts()) {
    if (part.first_sequence + part.count <= from) continue;
    if (part.sealed && !wanted(part.segment->summary())) continue;
    uint64_t at = from > part.first_sequence ? from - part.first_sequence : 0;
    for (; at < part.count; ++at) {
      const RecordView record = part.segment->record(static_cast<uint32_t>(at));
      if (!visit(part.first_sequence + at, record)) return;
    }
  }
}
// Visits all, and releases each segment that is done: the oldest first, as the writer needs them,
// so that a long query does not take its room. Inside a segment the newest come first. visit(the
// segment's first sequence, RecordView); stops when it returns false.
template <typename Wanted, typename Visit>
void visit_and_release(Snapshot snapshot, const Wanted& wanted, const Visit& visit) {
  for (; !snapshot.parts().empty(); snapshot.release_oldest()) {
    const Snapshot::Part& part = snapshot.parts().front();
    if (part.sealed && !wanted(part.segment->summary())) continue;
    for (uint32_t left = part.count; left-- > 0;) {
      if (!visit(part.first_sequence, part.segment->record(left))) return;
    }
  }
}

}  // namespace swaptrail::store
