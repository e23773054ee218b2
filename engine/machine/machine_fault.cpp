// Accesses, and the faults that they cause (mm/memory.c).
#include <algorithm>
#include <cstring>

#include "engine/machine/machine.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kRoomForCopy = 2;  // pages that a fault may take besides readahead

}  // namespace

bool Machine::access(Process& process, const Access& access) {
  const uint64_t page = access.page;
  if (features_.multi_gen_lru) process.young_tables[page / kPagesPerTable] = true;
  Pte& pte = process.table[page];
  if (pte.present() && (!access.write || pte.writable)) {
    pte.young = 1;
    if (access.write) store(process, page, pte.frame());
    return true;
  }
  if (pte.gone) return true;  // the process knows, and does not touch it
  if (page >= process.plan.anon_pages) return access_shared(process, access);
  if (pte.present()) return write_fault(process, page);
  if (pte.kind() == PteKind::kSwap) return swap_fault(process, page, access.write);
  return first_touch(process, page, access.write);
}

// The process writes: the page gets new content or, sometimes, zeros.
void Machine::store(Process& process, uint64_t page, uint32_t frame) {
  const bool zero =
      process.plan.zero_percent != 0 && below(random_, 100) < process.plan.zero_percent;
  const uint64_t token = zero ? 0 : ++tokens_;
  fill(frames_.content(frame), token);
  process.table[page].dirty = 1;
  const bool own = page < process.plan.anon_pages;
  (own ? process.table.token(page) : shared_[page - process.plan.anon_pages].token) = token;
}

void Machine::check(uint32_t frame, uint64_t token) {
  ++result_.contents_checked;
  if (!is_filled(frames_.content(frame), token)) ++result_.contents_wrong;
}

void Machine::map(Process& process, uint64_t page, uint32_t frame, bool writable) {
  const uint32_t head = frames_[frame].head;
  process.table[page] = present_pte(frame, writable);
  frames_[head].read_in = false;
  frames_[frame].mapped = frames_[head].folio.anon;
  ++frames_[head].folio.mapped;
  if (mappings_.has(frames_[head], process.index)) return;
  mappings_.add(frames_[head], process.index,
                static_cast<int64_t>(page) - static_cast<int64_t>(frame - head));
}

// folio_lock in a fault: it holds a reference while it waits, which reclaim will notice.
bool Machine::block_on(Process& process, uint32_t head) {
  ++frames_[head].folio.extra_references;
  process.waits_for = head;
  return false;
}

void Machine::unblock(Process& process) {
  const uint32_t head = process.waits_for;
  process.waits_for = kNoFrame;
  --frames_[head].folio.extra_references;
  maybe_free(head);
}

// ---- frames ------------------------------------------------------------------------------------

uint32_t Machine::new_frame(uint32_t order) {
  const uint32_t frame = frames_.allocate(order);
  if (frame == kNoFrame) return frame;
  const uint32_t count = uint32_t{1} << order;
  resident_ += count;
  for (uint32_t i = 0; i < count; ++i) {
    frames_.content(frame + i) = Block{};
    lru_.renew(frame + i);
  }
  return frame;
}

void Machine::free_folio(uint32_t head) {
  const Frame& frame = frames_[head];
  lru_.remove(head);
  resident_ -= frame.folio.nr_pages;
  frames_.release(head, frame.folio.nr_pages);
}

// The last reference may be gone. Returns true if it was.
bool Machine::maybe_free(uint32_t head) {
  const Frame& frame = frames_[head];
  const Folio& folio = frame.folio;
  const bool used = folio.mapped != 0 || folio.swapcache || folio.extra_references != 0 ||
                    folio.writeback || frame.isolated || frame.shared_page != kNoFrame;
  if (used || frame.head != head) return false;
  if (observed_) log_.left(head, now_);
  free_folio(head);
  return true;
}

// ---- own memory --------------------------------------------------------------------------------

// do_anonymous_page. A read maps the kernel's page of zeros, which is not counted.
bool Machine::first_touch(Process& process, uint64_t page, bool write) {
  const bool seen = process.table[page].zero;
  if (!write) {
    result_.counters.first_touches += !seen;
    process.table[page].zero = 1;
    return true;
  }
  const uint32_t order = order_for(process, page);
  const uint64_t count = uint64_t{1} << order;
  if (!has_room(process, count)) return false;
  uint32_t frame = order == 0 ? kNoFrame : new_frame(order);
  const uint64_t first = page & ~(count - 1);
  const bool large = frame != kNoFrame;
  if (!large) frame = new_frame(0);
  for (uint64_t i = 0; large && i < count; ++i) {
    map(process, first + i, frame + static_cast<uint32_t>(i), true);
    process.table.token(first + i) = 0;
  }
  if (!large) map(process, page, frame, true);
  result_.counters.first_touches += large ? count : !seen;
  frames_[frame].folio.anon = true;
  frames_[frame].folio.active = features_.touched_is_active;
  store(process, page, process.table[page].frame());
  lru_.add_faulted(frame);
  ++result_.steps;
  return true;
}

// The order of the folio for a first touch: large only if nothing is mapped there yet.
uint32_t Machine::order_for(const Process& process, uint64_t page) const {
  const uint32_t order = process.plan.folio_order;
  const uint64_t count = uint64_t{1} << order;
  const uint64_t first = page & ~(count - 1);
  if (order == 0 || first + count > process.plan.anon_pages) return 0;
  if (count * 4 > options_.limit_pages) return 0;
  for (uint64_t at = first; at < first + count; ++at) {
    const Pte& pte = process.table[at];
    if (pte.kind() != PteKind::kNone || pte.gone) return 0;
  }
  return order;
}

// No other process maps the page or refers to its slot.
bool Machine::is_exclusive(const Folio& folio, uint32_t frame) {
  if (folio.nr_pages == 1) {
    if (folio.mapped != 1) return false;
  } else if (mappings_.at(frames_[FrameTable::of(folio)].mappings).next != kNoFrame) {
    return false;
  }
  if (!folio.swapcache) return true;
  return count_of(folio.entry + (frame - FrameTable::of(folio))) == 0;
}

// do_wp_page: a write to a page that is mapped read-only.
bool Machine::write_fault(Process& process, uint64_t page) {
  const uint32_t frame = process.table[page].frame();
  const uint32_t head = frames_[frame].head;
  if (frames_[head].locked) return block_on(process, head);
  if (!is_exclusive(frames_[head].folio, frame)) {
    if (!has_room(process, kRoomForCopy)) return false;
    copy_on_write(process, page);
  } else {
    // Up to 5.18 the slot is freed (reuse_swap_page); since then an exclusive page keeps it.
    if (!features_.rmap_rechecks_mapped) try_free_swap(head);
    process.table[page].writable = 1;
  }
  process.table[page].young = 1;
  store(process, page, process.table[page].frame());
  ++result_.steps;
  return true;
}

void Machine::copy_on_write(Process& process, uint64_t page) {
  const Pte old = process.table[page];
  const uint32_t copy = new_frame(0);
  frames_.content(copy) = frames_.content(old.frame());
  frames_[copy].folio.anon = true;
  frames_[copy].folio.active = features_.touched_is_active;
  ++result_.counters.copies;
  unmap_page(process, page);
  map(process, page, copy, true);
  lru_.add_faulted(copy);
}

// ---- do_swap_page ------------------------------------------------------------------------------

bool Machine::swap_fault(Process& process, uint64_t page, bool write) {
  const uint64_t entry = process.table[page].entry();
  area_of(entry).store.prefetch(entry_offset(entry));
  process.table.prefetch_token(page);
  if (process.fault_ns == 0 || process.fault_entry != entry) {
    tick(128);
    process.fault_ns = now_;
    process.fault_entry = entry;
  }
  uint32_t frame = cache_.find(entry);
  int32_t result = 0;
  if (frame == kNoFrame) {
    if (!has_room(process, kRoomForCopy + readahead_room())) return false;
    frame = read_for(process, page, entry, result);
  } else if (frames_[frames_[frame].head].locked) {
    return block_on(process, frames_[frame].head);
  } else {
    if (write && !has_room(process, kRoomForCopy)) return false;
    hit_readahead(process, page, frame);
    if (observed_) log_.refaulted(frames_[frame].head, now_);
  }
  const bool major = result == SWAPTRAIL_FAULT_MAJOR || process.tried_page == page + 1;
  // It waits for the device without the lock of its address space, and begins anew.
  const bool synchronous = area_of(entry).options.device == Device::kSynchronous;
  const bool waits =
      result == SWAPTRAIL_FAULT_MAJOR && !synchronous && process.tried_page != page + 1;
  if (waits) {
    report_pass(process, page, entry, SWAPTRAIL_FAULT_MAJOR | SWAPTRAIL_FAULT_RETRY, 0);
    process.tried_page = page + 1;
    return false;
  }
  take_back(process, entry);
  map_swapped(process, page, frame, entry, write);
  report_pass(process, page, entry, result, 1);
  process.tried_page = 0;
  process.passes = 0;
  ++result_.swap_faults;
  ++(major ? result_.counters.major_faults : result_.counters.minor_faults);
  ++result_.steps;
  return true;
}

// One pass of do_swap_page returns.
void Machine::report_pass(Process& process, uint64_t page, uint64_t entry, int32_t result,
                          uint16_t ptes) {
  const bool tried = process.tried_page == page + 1;
  swaptrail_event& event = begin_event(SWAPTRAIL_SWAP_IN);
  event.reader_cgroup = kCgroup;
  event.entry = entry;
  event.nr_pages = 1;
  event.result = result;
  if (tried) event.state = SWAPTRAIL_STATE_TRIED;
  if (!tried && features_.zero_map) event.state = SWAPTRAIL_STATE_VMA_LOCK;
  event.u.map.address = address_of(process, page);
  event.u.map.value = now_ - process.fault_ns;
  event.u.map.owner = process.tgid;
  event.u.map.ptes = ptes;
  std::memcpy(event.u.map.comm, process.comm.data(), SWAPTRAIL_COMM_LEN);
  ++result_.fault_passes;
  if (!tried) process.passes = 0;
  ++process.passes;
  if (ptes != 0) {
    report_back(process, entry, tried || (result & SWAPTRAIL_FAULT_MAJOR) != 0);
  }
  process.fault_ns = 0;
  send(event);
}

// The page of this slot is in memory again, and its stay in swap is over.
void Machine::take_back(Process& process, uint64_t entry) {
  process.brings_back = away_.erase(entry) != 0;
}

void Machine::report_back(const Process& process, uint64_t entry, bool major) {
  if (!process.brings_back || !observed_) return;
  result_.returns.push_back(
      {entry, now_, ReturnHow::kSwappedIn, process.tgid, process.passes, major});
}

// Reads the page of the entry from wherever it is; neighbours too, if the device is not
// synchronous.
uint32_t Machine::read_for(Process& process, uint64_t page, uint64_t entry, int32_t& result) {
  result = SWAPTRAIL_FAULT_MAJOR;
  const bool synchronous =
      features_.knows_synchronous && area_of(entry).options.device == Device::kSynchronous;
  if (synchronous && features_.swapin_bypasses_cache && count_of(entry) == 1) {
    const uint32_t frame = new_frame(0);
    frames_[frame].folio.anon = false;
    if (const auto shadow = cache_.shadow(entry)) lru_.refault(frame, *shadow);
    read_slot(frame, entry);
    lru_.add_faulted(frame);
    return frame;
  }
  if (!synchronous && options_.page_cluster != 0) {
    features_.vma_readahead ? read_ahead(process, page) : read_ahead_slots(entry);
  }
  const uint32_t frame = cache_.find(entry);
  return frame != kNoFrame ? frame : read_into_cache(entry, false);
}

void Machine::map_swapped(Process& process, uint64_t page, uint32_t frame, uint64_t entry,
                          bool write) {
  const uint32_t head = frames_[frame].head;
  Folio& folio = frames_[head].folio;
  check(frame, process.table.token(page));
  folio.anon = true;
  frames_[head].written = false;
  map(process, page, frame, false);
  if (features_.swapped_in_is_active) lru_.activate_page(head);
  put_count(entry);
  const bool exclusive = is_exclusive(folio, frame);
  const bool spare = features_.knows_synchronous && !features_.swapin_bypasses_cache &&
                     area_of(entry).options.device == Device::kSynchronous;
  // should_try_to_free_swap
  if (folio.swapcache && (swap_full() || spare || (write && exclusive))) try_free_swap(head);
  if (!write) return;
  if (exclusive) {
    process.table[page].writable = 1;
  } else {
    copy_on_write(process, page);
  }
  store(process, page, process.table[page].frame());
}

// ---- shared memory (mm/shmem.c: shmem_fault, shmem_swapin_folio) ------------------------------

bool Machine::access_shared(Process& process, const Access& access) {
  const uint32_t index = static_cast<uint32_t>(access.page - process.plan.anon_pages);
  if (shared_[index].frame == kNoFrame && !bring_in_shared(process, index)) return false;
  const uint32_t frame = shared_[index].frame;
  if (frames_[frame].locked) return block_on(process, frame);
  map(process, access.page, frame, true);
  if (access.write) store(process, access.page, frame);
  ++result_.steps;
  return true;
}

// Brings a page of the object into memory, new or from swap. False: not yet.
bool Machine::bring_in_shared(Process& process, uint32_t index) {
  const uint64_t entry = shared_[index].entry;
  const uint64_t begin_ns = now_;
  bool read = false;
  uint32_t frame = entry == 0 ? kNoFrame : cache_.find(entry);
  if (frame == kNoFrame && !has_room(process, kRoomForCopy)) return false;
  if (frame != kNoFrame && frames_[frame].locked) return block_on(process, frame);
  if (frame != kNoFrame && frames_[frame].folio.writeback) return wait_for_writeback();
  if (entry == 0) {
    frame = new_frame(0);
    shared_[index].token = 0;
    frames_[frame].folio.anon = false;
    lru_.add_faulted(frame);
  } else {
    read = frame == kNoFrame;
    if (read) frame = read_into_cache(entry, false);
    check(frame, shared_[index].token);
    if (observed_) log_.refaulted(frame, now_);
  }
  shared_[index].frame = frame;
  shared_[index].entry = 0;
  frames_[frame].shared_page = index;
  frames_[frame].read_in = false;
  if (entry != 0) {
    if (!process.acting) take_back(process, entry);
    drop_from_cache(frame);
    put_count(entry);
    if (!process.acting) report_shared(process, index, entry, read, begin_ns);
  }
  frames_[frame].folio.dirty = true;
  return true;
}

// shmem_swapin_folio returns.
void Machine::report_shared(Process& process, uint32_t index, uint64_t entry, bool read,
                            uint64_t begin_ns) {
  constexpr uint32_t kDevice = 24;
  swaptrail_event& event = begin_event(SWAPTRAIL_SHMEM_SWAP_IN);
  event.reader_cgroup = kCgroup;
  event.entry = entry;
  event.nr_pages = 1;
  event.result = read ? int32_t{SWAPTRAIL_FAULT_MAJOR} : 0;
  event.state = SWAPTRAIL_STATE_IN_FAULT;
  event.u.map.address = kSharedInode + index / kPagesPerTable;
  event.u.map.value = now_ - begin_ns;
  event.u.map.owner = kDevice;
  event.u.map.ptes = 1;
  std::memcpy(event.u.map.comm, process.comm.data(), SWAPTRAIL_COMM_LEN);
  process.passes = 1;
  report_back(process, entry, read);
  send(event);
}

// Always false: try again.
bool Machine::wait_for_writeback() {
  if (!flights_.empty() && (options_.cpus == 1 || alive_ == 1)) {
    now_ = std::max(now_, flights_.next_ns());
  }
  tick(512);
  if (now_ >= flights_.next_ns()) complete_due();
  return false;
}

}  // namespace swaptrail::engine
