// Slots, their counts, and the swap cache (mm/swapfile.c, mm/swap_state.c).
#include <algorithm>

#include "engine/machine/machine.h"

namespace swaptrail::engine {

bool Machine::swap_full() const {
  const SlotUsage usage = slots_.usage();
  return (usage.slots - usage.in_use) * 2 < usage.slots;
}

// Some page table entry, or a shmem object, refers to one of its slots (folio_swapped).
bool Machine::any_count(const Folio& folio) {
  for (uint32_t i = 0; i < folio.nr_pages; ++i) {
    if (count_of(folio.entry + i) != 0) return true;
  }
  return false;
}

// swap_free: one user fewer.
void Machine::put_count(uint64_t entry) {
  if (--count_of(entry) != 0) return;
  if (!area_of(entry).store.cached(entry_offset(entry))) release_slots(entry, 1);
}

// Nobody needs them any more. Some kernels collect 64 slots before they are really free.
void Machine::release_slots(uint64_t entry, uint32_t nr_pages) {
  AreaRun& area = area_of(entry);
  for (uint32_t i = 0; i < nr_pages; ++i) {
    cache_.forget(entry + i);
    area.store.forget(entry_offset(entry) + i);
  }
  const bool collected = slot_rules(features_.allocator).return_cache && nr_pages == 1 &&
                         !area.going_off && !slot_is_taken_back_;
  if (!collected) return free_slots(entry, nr_pages);
  std::vector<uint64_t>& returned = cpus_[cpu_].returned;
  returned.push_back(entry);
  if (returned.size() >= kReturnBatch) flush_returned(cpu_);
}

void Machine::flush_returned(uint32_t cpu) {
  std::vector<uint64_t>& returned = cpus_[cpu].returned;
  std::sort(returned.begin(), returned.end());
  for (uint64_t entry : returned) free_slots(entry, 1);
  returned.clear();
}

void Machine::free_slots(uint64_t entry, uint32_t nr_pages) {
  AreaRun& area = area_of(entry);
  area.used -= nr_pages;
  swaptrail_event& event = begin_event(SWAPTRAIL_SLOT_FREED);
  event.entry = entry;
  event.nr_pages = static_cast<uint16_t>(nr_pages);
  const bool by_swapoff = area.going_off && current_ != nullptr && current_->acting;
  if (by_swapoff) event.state = SWAPTRAIL_STATE_SWAPOFF;
  name_batch(event);
  for (uint32_t page = 0; page < nr_pages && observed_; ++page) {
    if (away_.erase(entry + page) == 0) continue;
    result_.returns.push_back({entry + page, now_,
                               by_swapoff ? ReturnHow::kSwapoff : ReturnHow::kSlotFreed, 0, 0,
                               false});
  }
  send(event);
  if (slot_is_taken_back_) return;  // the allocator asked for it, so it knows
  const absl::Status status = slots_.free(cpu_, entry, nr_pages);
  if (!status.ok()) status_ = status;
}

// folio_free_swap: out of the cache, if nobody needs the slots. The caller has the lock.
bool Machine::try_free_swap(uint32_t head) {
  const Folio& folio = frames_[head].folio;
  if (!folio.swapcache || folio.writeback || any_count(folio)) return false;
  drop_from_cache(head);
  return true;
}

void Machine::drop_from_cache(uint32_t head) {
  Folio& folio = frames_[head].folio;
  report(SWAPTRAIL_CACHE_DELETED, folio, 0, 0);
  if (observed_) log_.left(head, now_);
  folio.swapcache = false;
  leave_cache(folio, false);
  folio.entry = 0;
  folio.dirty = true;
}

// __try_to_reclaim_swap: the allocator wants the slot back if only the cache holds it.
bool Machine::reclaim_slot(uint64_t entry) {
  const uint32_t frame = cache_.find(entry);
  if (frame == kNoFrame) return false;
  const Frame& head = frames_[frames_[frame].head];
  if (head.locked || head.folio.nr_pages != 1) return false;
  slot_is_taken_back_ = true;
  const bool dropped = try_free_swap(frame);
  slot_is_taken_back_ = false;
  if (dropped) maybe_free(frame);
  return dropped;
}

// ---- reading -----------------------------------------------------------------------------------

// swap_read_folio: fills the frame, and compares it with what was written.
void Machine::read_slot(uint32_t frame, uint64_t entry) {
  Store& store = area_of(entry).store;
  Folio& folio = frames_[frame].folio;
  swaptrail_event& event = begin_folio_event(SWAPTRAIL_SWAP_READ, folio, false);
  event.entry = entry;
  send(event);
  const Home home = store.read(entry_offset(entry), frames_.content(frame));
  ++result_.swapped_in_pages;
  if (home == Home::kNowhere ||
      !store.is_what_went_out(entry_offset(entry), frames_.content(frame))) {
    ++result_.contents_wrong;
  }
  if (home != Home::kZswap) return;
  // An exclusive load: the folio is the only copy now (mm/zswap.c: zswap_load).
  if (folio.swapcache && !features_.fake_zswap_writeback) {
    store.forget_zswap(entry_offset(entry));
    folio.dirty = true;
  }
  swaptrail_event& loaded = begin_folio_event(SWAPTRAIL_ZSWAP_LOADED, folio, false);
  loaded.entry = entry;
  send(loaded);
}

uint32_t Machine::read_into_cache(uint64_t entry, bool readahead) {
  const uint32_t frame = new_frame(0);
  Folio& folio = frames_[frame].folio;
  folio.anon = false;  // until a page table maps it
  if (const auto shadow = cache_.shadow(entry)) lru_.refault(frame, *shadow);
  folio.swapcache = true;
  folio.entry = entry;
  frames_[frame].readahead = readahead;
  result_.counters.readahead += readahead;
  frames_[frame].from_swap = frames_[frame].read_in = true;
  cache_.add(entry, 1, frame);
  area_of(entry).store.set_cached(entry_offset(entry), true);
  read_slot(frame, entry);
  lru_.add_faulted(frame);
  return frame;
}

}  // namespace swaptrail::engine
