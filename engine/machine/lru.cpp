#include "engine/machine/lru.h"

#include <algorithm>

namespace swaptrail::engine {
namespace {

constexpr size_t kFaultBatch = 15;             // PAGEVEC_SIZE
constexpr size_t kFaultBatchGenerations = 31;  // since 6.10; all of ours with generations are later
constexpr uint64_t kSwappiness = 60;
constexpr uint64_t kMostSwappiness = 200;

}  // namespace

Lru::Lru(FrameTable& frames, const Features& features)
    : frames_(frames), features_(features), links_(frames.size()) {}

uint64_t& Lru::size_of(const Link& link) {
  return sizes_[features_.multi_gen_lru ? link.sequence % kMostGenerations : link.list];
}

void Lru::insert(uint32_t frame, uint32_t list, bool at_tail) {
  Link& link = links_[frame];
  List& ends = lists_[list];
  link.list = static_cast<uint8_t>(list);
  link.pages = frames_[frame].folio.nr_pages;
  size_of(link) += link.pages;
  link.previous = at_tail ? ends.tail : kNoFrame;
  link.next = at_tail ? kNoFrame : ends.head;
  (link.previous == kNoFrame ? ends.head : links_[link.previous].next) = frame;
  (link.next == kNoFrame ? ends.tail : links_[link.next].previous) = frame;
}

void Lru::remove(uint32_t frame) {
  Link& link = links_[frame];
  if (link.list == kPending) std::erase(pending_, frame);
  if (has(frame)) {
    List& ends = lists_[link.list];
    (link.previous == kNoFrame ? ends.head : links_[link.previous].next) = link.next;
    (link.next == kNoFrame ? ends.tail : links_[link.next].previous) = link.previous;
    size_of(link) -= link.pages;
  }
  link.list = kNone;
}

void Lru::add(uint32_t frame) {
  Folio& folio = frames_[frame].folio;
  if (!features_.multi_gen_lru) return insert(frame, folio.active ? kActive : kInactive, false);
  Link& link = links_[frame];
  link.sequence = generation_for(folio);
  // With generations PG_active is only a request.
  if (folio.active && !features_.promotes_referenced) {
    folio.referenced = false;
    link.references = 0;
  }
  folio.active = false;
  insert(frame, link.sequence % kMostGenerations, false);
}

void Lru::add_faulted(uint32_t frame) {
  Folio& folio = frames_[frame].folio;
  Link& link = links_[frame];
  if (features_.multi_gen_lru && (!features_.promotes_referenced || link.workingset)) {
    folio.active = true;
  } else if (features_.multi_gen_lru && !folio.referenced) {
    mark_accessed(folio, link);
  }
  link.list = kPending;
  pending_.push_back(frame);
  const size_t most = features_.multi_gen_lru ? kFaultBatchGenerations : kFaultBatch;
  if (pending_.size() >= most) drain();
}

void Lru::drain() {
  for (uint32_t frame : pending_) {
    links_[frame].list = kNone;
    add(frame);
  }
  pending_.clear();
}

void Lru::put_back(uint32_t frame) {
  const Folio& folio = frames_[frame].folio;
  if (!features_.multi_gen_lru && folio.active) age_ += folio.nr_pages;
  add(frame);
}

void Lru::rotate(uint32_t frame) {
  if (!has(frame)) return;
  remove(frame);
  frames_[frame].folio.active = false;
  if (features_.multi_gen_lru) links_[frame].sequence = oldest_;
  insert(frame, features_.multi_gen_lru ? oldest_ % kMostGenerations : kInactive, true);
}

uint32_t Lru::isolate(uint32_t most, std::vector<uint32_t>& out) {
  drain();
  return features_.multi_gen_lru ? isolate_oldest(most, out) : isolate_inactive(most, out);
}

void Lru::activate_page(uint32_t frame) {
  Folio& folio = frames_[frame].folio;
  if (folio.active) return;
  folio.active = true;
  if (!has(frame)) return;
  remove(frame);
  insert(frame, kActive, false);
}

// ---- two lists ---------------------------------------------------------------------------------

uint32_t Lru::deactivate() {
  const uint32_t frame = lists_[kActive].tail;
  if (frame == kNoFrame) return kNoFrame;
  remove(frame);
  frames_[frame].folio.active = false;
  insert(frame, kInactive, false);
  return frame;
}

uint32_t Lru::isolate_inactive(uint32_t most, std::vector<uint32_t>& out) {
  uint32_t taken = 0;
  while (taken < std::min(most, kBatch) && lists_[kInactive].tail != kNoFrame) {
    const uint32_t frame = lists_[kInactive].tail;
    remove(frame);
    taken += links_[frame].pages;
    out.push_back(frame);
  }
  return taken;
}

void Lru::note_cost(uint64_t pages) {
  cost_ += pages;
  if (cost_ > size() / 4) cost_ /= 2;
}

// get_scan_count: there are no files, so their cost is 0, but they still get a part of the pressure.
uint64_t Lru::scan_share(uint64_t pages) const {
  const uint64_t total = 3 * cost_;
  const uint64_t anon = kSwappiness * (total + 1) / (2 * cost_ + 1);
  const uint64_t file = (kMostSwappiness - kSwappiness) * (total + 1) / (cost_ + 1);
  return pages * anon / (anon + file);
}

}  // namespace swaptrail::engine
