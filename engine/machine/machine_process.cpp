// What processes do besides touching memory: fork, exit, munmap, MADV_PAGEOUT, swapoff.
#include <algorithm>

#include "engine/machine/machine.h"

namespace swaptrail::engine {

// False: not finished.
bool Machine::act(Process& process, const Action& action) {
  ++result_.steps;
  tick(256);
  switch (action.kind) {
    case ActionKind::kFork:
      fork(process, action.nr_pages);
      return true;
    case ActionKind::kExit:
      exit(process);
      return true;
    case ActionKind::kUnmap:
      unmap_range(process, action.first_page, action.nr_pages);
      return true;
    case ActionKind::kPageout:
      if (features_.pageout_advice) begin_pageout(process, action.first_page, action.nr_pages);
      return true;
    case ActionKind::kSwapoff:
      return swapoff_piece(process, options_.areas[action.area].area.type);
    case ActionKind::kCount:
      break;
  }
  return true;
}

// dup_mmap: the child gets the same pages and slots; for both they are read-only.
void Machine::fork(Process& process, uint64_t accesses) {
  if (processes_.size() >= kMaxProcesses) return;
  ProcessPlan plan = process.plan;
  plan.accesses = accesses;
  plan.populate = false;
  plan.seed = splitmix64(process.state);
  add_process(plan);
  Process& child = *processes_.back();
  child.table = process.table.fork(plan.anon_pages);
  for (uint64_t page = 0; page < plan.anon_pages; ++page) {
    const Pte pte = child.table[page];
    if (pte.kind() == PteKind::kSwap) {
      ++count_of(pte.entry());
    } else if (pte.present()) {
      map(child, page, pte.frame(), false);
      child.table[page].dirty = pte.dirty;
    }
  }
}

void Machine::unmap_range(Process& process, uint64_t first, uint64_t count) {
  const uint64_t end = std::min(first + count, process.table.pages());
  for (uint64_t page = first; page < end; ++page) {
    zap(process, page);
    process.table[page].gone = 1;
  }
}

void Machine::exit(Process& process) {
  for (uint64_t page = 0; page < process.table.pages(); ++page) zap(process, page);
  process.alive = false;
  process.table = PageTable();
  --alive_;
}

// zap_pte_range, one entry.
void Machine::zap(Process& process, uint64_t page) {
  const Pte pte = process.table[page];
  if (pte.present()) unmap_page(process, page);
  if (pte.kind() != PteKind::kSwap) return;
  process.table[page] = empty_pte();
  const uint64_t entry = pte.entry();
  put_count(entry);  // free_swap_and_cache
  const uint32_t frame = cache_.find(entry);
  if (frame == kNoFrame) return;
  const uint32_t head = frames_[frame].head;
  if (frames_[head].locked || frames_[head].folio.mapped != 0) return;
  try_free_swap(head);
  maybe_free(head);
}

void Machine::unmap_page(Process& process, uint64_t page) {
  const Pte pte = process.table[page];
  const uint32_t head = frames_[pte.frame()].head;
  Frame& frame = frames_[head];
  process.table[page] = empty_pte();
  --frame.folio.mapped;
  const bool shared = frame.shared_page != kNoFrame;
  if (pte.dirty && (shared || frame.folio.swapcache)) frame.folio.dirty = true;
  if (frame.folio.nr_pages == 1) {
    mappings_.remove(frame, process.index);
  } else {
    if (frame.folio.mapped != 0) frame.folio.partially_mapped = true;
    forget_mapping(process, head);
  }
  // free_swap_cache
  if (frame.folio.mapped == 0 && !frame.locked) try_free_swap(head);
  maybe_free(head);
}

// The process may have unmapped its last page of a large folio.
void Machine::forget_mapping(Process& process, uint32_t head) {
  Frame& frame = frames_[head];
  for (uint32_t at = frame.mappings; at != kNoFrame; at = mappings_.at(at).next) {
    const MappingNode& node = mappings_.at(at);
    if (node.process != process.index) continue;
    for (uint32_t i = 0; i < frame.folio.nr_pages; ++i) {
      const Pte& pte = process.table[static_cast<uint64_t>(node.first_page + i)];
      if (pte.present() && pte.frame() == head + i) return;
    }
    return mappings_.remove(frame, process.index);
  }
}

// ---- swapoff (mm/swapfile.c: try_to_unuse) -----------------------------------------------------

// False: refused, as by the kernel if the pages would have no room.
bool Machine::start_swapoff(uint32_t type) {
  AreaRun& area = *areas_[type];
  uint64_t others = 0;
  for (const auto& other : areas_) {
    if (other == nullptr || other.get() == &area || other->going_off) continue;
    others += other->store.pages() - 1 - other->used;
  }
  if (area.going_off || others < area.used + options_.limit_pages) return false;
  area.going_off = true;
  for (uint32_t cpu = 0; cpu < options_.cpus; ++cpu) flush_returned(cpu);
  const absl::Status status = slots_.retire(type);
  if (!status.ok()) status_ = status;
  return true;
}

// One page of one process, so that others continue in between. False: there is more.
bool Machine::swapoff_piece(Process& process, uint32_t type) {
  if (!process.acting && !start_swapoff(type)) return true;
  process.acting = true;
  AreaRun& area = *areas_[type];
  if (area.used == 0) {
    area.off = true;
    process.acting = false;
    return true;
  }
  if (process.unuse_process == processes_.size()) {
    if (!unuse_shared(process, type) || !drop_unused(process, type)) return false;
    process.unuse_process = 0;  // some may have come by fork meanwhile
    return false;
  }
  const Process& owner = *processes_[process.unuse_process];
  const uint64_t pages = owner.alive ? owner.plan.anon_pages : 0;
  while (process.unuse_page < pages) {
    const Pte& pte = owner.table[process.unuse_page];
    const bool ours = pte.kind() == PteKind::kSwap && pte.type == type;
    if (ours && !unuse(process, *processes_[process.unuse_process], process.unuse_page)) {
      return false;
    }
    ++process.unuse_page;
    if (ours) return false;
  }
  process.unuse_page = 0;
  ++process.unuse_process;
  return false;
}

// unuse_pte: the page comes back into the process. False: not yet.
bool Machine::unuse(Process& process, Process& owner, uint64_t page) {
  const uint64_t entry = owner.table[page].entry();
  const uint32_t frame = bring_back(process, entry);
  if (frame == kNoFrame) return false;
  const uint32_t head = frames_[frame].head;
  check(frame, owner.table.token(page));
  if (observed_) log_.refaulted(head, now_);
  frames_[head].folio.anon = true;
  // No hook reports this mapping.
  const bool read_in = frames_[head].read_in, mapped = frames_[frame].mapped;
  map(owner, page, frame, false);
  frames_[head].read_in = read_in;
  frames_[frame].mapped = mapped;
  put_count(entry);
  try_free_swap(head);
  return true;
}

// Brings the page of a slot that must be given up into the swap cache, not under writeback.
uint32_t Machine::bring_back(Process& process, uint64_t entry) {
  const uint32_t frame = cache_.find(entry);
  if (frame == kNoFrame) return has_room(process, 1) ? read_into_cache(entry, false) : kNoFrame;
  const Frame& head = frames_[frames_[frame].head];
  if (head.locked) {
    block_on(process, frames_[frame].head);
    return kNoFrame;
  }
  if (!head.folio.writeback) return frame;
  wait_for_writeback();
  return kNoFrame;
}

// shmem_unuse. False: not yet.
bool Machine::unuse_shared(Process& process, uint32_t type) {
  for (uint32_t index = 0; index < shared_.size(); ++index) {
    const uint64_t entry = shared_[index].entry;
    if (entry == 0 || entry_type(entry) != type) continue;
    if (!bring_in_shared(process, index)) return false;
  }
  return true;
}

// Drops what only the swap cache still holds. False: not yet.
bool Machine::drop_unused(Process& process, uint32_t type) {
  const Store& store = areas_[type]->store;
  for (uint64_t offset = 1; offset < store.pages(); ++offset) {
    if (!store.cached(offset)) continue;
    const uint32_t frame = bring_back(process, make_entry(type, offset));
    if (frame == kNoFrame) return false;
    const uint32_t head = frames_[frame].head;
    try_free_swap(head);
    maybe_free(head);
  }
  return true;
}

}  // namespace swaptrail::engine
