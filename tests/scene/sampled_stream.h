// The stream as the programs make it if only some pages leave records: bpf/sample.bpf.h once more, for events that were made for
// all of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "bpf/event.h"
#include "trace/decode.h"

namespace swaptrail {

class SampledStream {
 public:
  SampledStream(uint32_t shift, uint64_t salt) : shift_(shift), salt_(salt) {}

  void set_shift(uint32_t shift) { shift_ = shift; }

  // The event with its mark, or nothing if it leaves no record.
  std::optional<swaptrail_event> take(swaptrail_event event) {
    const uint8_t mark = mark_for(event);
    if (mark == 0) return std::nullopt;
    event.state |= static_cast<uint16_t>((mark - 1) << SWAPTRAIL_STATE_SAMPLE_SHIFT);
    return event;
  }

  // The folios that were chosen, and when they got their slots.
  const std::set<std::pair<uint64_t, uint64_t>>& chosen() const { return chosen_; }

 private:
  uint8_t frame_mark(uint64_t folio) const {
    const uint64_t hash = (folio ^ salt_) * 0x9e3779b97f4a7c15u;
    return shift_ != 0 && hash >> (64 - shift_) != 0 ? 0 : static_cast<uint8_t>(1 + shift_);
  }
  uint8_t slot_mark(uint64_t entry) const {
    const auto found = marks_.find(entry);
    return found == marks_.end() ? 0 : found->second;
  }
  // Of something that began then, and may have freed the slot meanwhile.
  uint8_t mark_at(uint64_t entry, uint64_t begin_ns) const {
    const auto found = cleared_.find(entry);
    const bool since = found != cleared_.end() && found->second.first >= begin_ns;
    return since ? found->second.second : slot_mark(entry);
  }
  uint8_t removed(const swaptrail_event& event) {
    if (skipped_[event.tid] == event.folio) return 0;
    const uint8_t now = slot_mark(event.entry);
    return now != 0 ? now : mark_at(event.entry, event.batch_ns);
  }
  void mark_slots(const swaptrail_event& event, uint8_t mark) {
    for (uint32_t page = 0; page < pages_of(event); ++page) marks_[event.entry + page] = mark;
  }
  uint8_t clear_slots(const swaptrail_event& event) {
    uint8_t highest = 0;
    for (uint32_t page = 0; page < pages_of(event); ++page) {
      const uint64_t entry = event.entry + page;
      highest = std::max(highest, slot_mark(entry));
      cleared_[entry] = {event.time_ns, slot_mark(entry)};
      marks_.erase(entry);
    }
    return highest;
  }

  uint8_t mark_for(const swaptrail_event& event) {
    switch (event.kind) {
      case SWAPTRAIL_RECLAIM_BEGIN:
        skipped_.erase(event.tid);
        return 1;
      case SWAPTRAIL_RECLAIM_END:
        return 1;
      case SWAPTRAIL_SLOT_ALLOCATED:
        return allocated(event);
      case SWAPTRAIL_SLOT_FREED:
        return clear_slots(event) != 0;
      case SWAPTRAIL_SWAP_IN:
      case SWAPTRAIL_SHMEM_SWAP_IN:
        return mark_at(event.entry, event.time_ns - event.u.map.value);
      case SWAPTRAIL_REMOVED:
        return removed(event);
      case SWAPTRAIL_WRITE_END:
        return writing_[event.tid].first == event.folio ? writing_[event.tid].second
                                                        : mark_of(event);
      case SWAPTRAIL_WRITE_BEGIN:
        writing_[event.tid] = {event.folio, written(event)};
        return writing_[event.tid].second;
      default:
        return mark_of(event);
    }
  }
  uint8_t mark_of(const swaptrail_event& event) const {
    return event.entry != 0 ? slot_mark(event.entry) : frame_mark(event.folio);
  }
  uint8_t allocated(const swaptrail_event& event) {
    const uint8_t mark = frame_mark(event.folio);
    if (event.batch_ns != 0) skipped_[event.tid] = mark == 0 ? event.folio : 0;
    if (mark == 0) return 0;
    chosen_.insert({event.folio, event.time_ns});
    if (event.result == 0) mark_slots(event, mark);
    return mark;
  }
  // Up to Linux 6.14 shmem gets its slot here.
  uint8_t written(const swaptrail_event& event) {
    const bool of_file = !(event.state & SWAPTRAIL_STATE_ANON) && event.u.page.inode != 0;
    const bool skips = skipped_[event.tid] == event.folio;
    if (of_file && !skips && slot_mark(event.entry) == 0) {
      const uint8_t mark = frame_mark(event.folio);
      if (mark != 0) mark_slots(event, mark);
    }
    return skips ? 0 : slot_mark(event.entry);
  }

  uint32_t shift_;
  const uint64_t salt_;
  std::map<uint64_t, uint8_t> marks_;                         // by slot
  std::map<uint64_t, std::pair<uint64_t, uint8_t>> cleared_;  // by slot: when last, and the mark
  std::map<uint32_t, std::pair<uint64_t, uint8_t>> writing_;  // by thread: the folio, and its mark
  std::map<uint32_t, uint64_t> skipped_;                      // by thread: the folio
  std::set<std::pair<uint64_t, uint64_t>> chosen_;
};

}  // namespace swaptrail
