#include "engine/lru.h"

namespace swaptrail::engine {

Lru::Lru(FrameTable& frames, bool generations)
    : frames_(frames), generations_(generations), links_(frames.size()) {}

void Lru::insert(uint32_t frame, uint32_t list, bool at_tail) {
  Link& link = links_[frame];
  List& ends = lists_[list];
  link.list = static_cast<uint8_t>(list);
  link.pages = frames_[frame].folio.nr_pages;
  sizes_[list] += link.pages;
  link.previous = at_tail ? ends.tail : kNoFrame;
  link.next = at_tail ? kNoFrame : ends.head;
  (link.previous == kNoFrame ? ends.head : links_[link.previous].next) = frame;
  (link.next == kNoFrame ? ends.tail : links_[link.next].previous) = frame;
}

void Lru::remove(uint32_t frame) {
  Link& link = links_[frame];
  if (link.list == kNone) return;
  List& ends = lists_[link.list];
  (link.previous == kNoFrame ? ends.head : links_[link.previous].next) = link.next;
  (link.next == kNoFrame ? ends.tail : links_[link.next].previous) = link.previous;
  sizes_[link.list] -= link.pages;
  link.list = kNone;
}

// lru_gen_add_folio (include/linux/mm_inline.h).
uint64_t Lru::generation_for(const Folio& folio) const {
  if (folio.active) return newest_;
  const bool pending = folio.reclaim && (folio.dirty || folio.writeback);
  if ((folio.anon && !folio.swapcache) || pending) return newest_ - 1;
  return oldest_ + kMinGenerations >= newest_ ? oldest_ : oldest_ + 1;
}

void Lru::add(uint32_t frame, bool faulted) {
  Folio& folio = frames_[frame].folio;
  if (!generations_) return insert(frame, folio.active ? kActive : kInactive, false);
  if (faulted) folio.active = true;
  const uint64_t sequence = generation_for(folio);
  folio.active = false;  // with generations, PG_active is only a request
  links_[frame].sequence = sequence;
  insert(frame, sequence % kGenerations, false);
}

void Lru::rotate(uint32_t frame) {
  if (!has(frame)) return;
  remove(frame);
  frames_[frame].folio.active = false;
  links_[frame].sequence = oldest_;
  insert(frame, generations_ ? oldest_ % kGenerations : kInactive, true);
}

uint32_t Lru::deactivate() {
  const uint32_t frame = lists_[kActive].tail;
  if (frame == kNoFrame) return kNoFrame;
  remove(frame);
  frames_[frame].folio.active = false;
  insert(frame, kInactive, false);
  return frame;
}

void Lru::isolate(uint32_t max, std::vector<uint32_t>& out, uint32_t& scanned) {
  if (generations_) return isolate_oldest(max, out, scanned);
  isolate_inactive(max, out, scanned);
}

void Lru::isolate_inactive(uint32_t max, std::vector<uint32_t>& out, uint32_t& scanned) {
  uint32_t taken = 0;
  while (taken < max && lists_[kInactive].tail != kNoFrame) {
    const uint32_t frame = lists_[kInactive].tail;
    remove(frame);
    taken += links_[frame].pages;
    out.push_back(frame);
  }
  scanned += taken;
}

// True if it stays out of this round: it is younger by now, or under writeback (sort_folio).
bool Lru::sort(uint32_t frame) {
  Link& link = links_[frame];
  const bool younger = link.sequence > oldest_;
  if (!younger && !frames_[frame].folio.writeback) return false;
  if (!younger) {
    link.sequence = oldest_ + 1;
    frames_[frame].folio.reclaim = true;
  }
  const uint64_t sequence = link.sequence;
  remove(frame);
  insert(frame, sequence % kGenerations, false);
  return true;
}

void Lru::retire_empty() {
  while (lists_[oldest_ % kGenerations].tail == kNoFrame && oldest_ + kMinGenerations <= newest_) {
    ++oldest_;
  }
}

void Lru::isolate_oldest(uint32_t max, std::vector<uint32_t>& out, uint32_t& scanned) {
  retire_empty();
  uint32_t taken = 0;
  uint64_t looked = 0;
  const uint64_t most = size();
  while (taken < max && looked < most) {
    const uint32_t frame = lists_[oldest_ % kGenerations].tail;
    if (frame == kNoFrame) break;
    looked += links_[frame].pages;
    if (sort(frame)) continue;
    remove(frame);
    taken += links_[frame].pages;
    out.push_back(frame);
  }
  scanned += static_cast<uint32_t>(looked);
  retire_empty();
}

}  // namespace swaptrail::engine
