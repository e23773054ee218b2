#include "engine/generations/linux_4_4.h"

#include <span>
#include <utility>

namespace swaptrail::engine::linux_4_4 {
namespace {

constexpr address_space_operations swap_aops = {swap_writepage};
constexpr address_space swapper_space = {&swap_aops};

// keep_locked and activate_locked: the page stays. Always false.
bool leave(Folio& page, Machine& machine) {
  machine.unlock(page);
  return false;
}

bool activate(Folio& page, Machine& machine) {
  page.active = true;
  return leave(page, machine);
}

// What is behind the write of a dirty page. False: it stays.
bool is_written(Folio& page, const address_space* mapping, const scan_control& sc,
                Machine& machine) {
  switch (pageout(page, mapping, sc, machine)) {
    case PAGE_KEEP:
      return leave(page, machine);
    case PAGE_ACTIVATE:
      return activate(page, machine);
    case PAGE_SUCCESS:
      // Under writeback: a later call finds it clean. Fast devices are done by now.
      if (PageWriteback(page) || PageDirty(page) || !machine.world().relock(page)) return false;
      return !PageDirty(page) && !PageWriteback(page) ? true : leave(page, machine);
    case PAGE_CLEAN:
      return true;
  }
  return true;
}

// One turn of the loop of shrink_page_list, for a page that is locked and old. True: it was freed.
bool shrink_page(Folio& page, const scan_control& sc, Machine& machine) {
  const address_space* mapping = page_mapping(page);
  if (PageAnon(page) && !PageSwapCache(page)) {
    if (!(sc.gfp & kGfpIo)) return leave(page, machine);
    if (add_to_swap(page, machine) == 0) return activate(page, machine);
    mapping = page_mapping(page);  // adding to swap updated it
  }
  if (page_mapped(page) && mapping != nullptr &&
      try_to_unmap(page, TTU_UNMAP | TTU_BATCH_FLUSH, machine) != SWAP_SUCCESS)
    return activate(page, machine);
  if (PageDirty(page)) {
    const bool may_enter_fs = sc.gfp & (kGfpFs | kGfpIo);
    if (!may_enter_fs || !sc.may_writepage) return leave(page, machine);
    try_to_unmap_flush_dirty(machine);
    if (!is_written(page, mapping, sc, machine)) return false;
  }
  if (mapping == nullptr || !__remove_mapping(mapping, page, machine)) return leave(page, machine);
  __clear_page_locked(page, machine);
  machine.free_removed(page);
  return true;
}

}  // namespace

const Features& features() {
  static const Features set = features_named("4.4").value();
  return set;
}

const address_space* page_mapping(const Folio& page) {
  return PageSwapCache(page) ? &swapper_space : nullptr;
}

int add_to_swap(Folio& page, Machine& machine) {
  const ScanControl control;
  return !take_step(ShrinkStep::kSlot, {features(), control, page, machine.world()}).has_value();
}

int try_to_unmap(Folio& page, uint32_t, Machine& machine) {
  const ScanControl control;
  const bool all =
      !take_step(ShrinkStep::kUnmap, {features(), control, page, machine.world()}).has_value();
  return all ? SWAP_SUCCESS : SWAP_AGAIN;
}

void try_to_unmap_flush_dirty(Machine& machine) { machine.flush_dirty_entries(); }

void inc_zone_page_state(zone* zone, zone_stat_item item) {
  if (zone != nullptr) ++zone->vm_stat[item];
}

bool clear_page_dirty_for_io(Folio& page) { return std::exchange(page.dirty, false); }

int swap_writepage(Folio& page, const ScanControl& sc, Machine& machine) {
  return write_to_swap({features(), sc, page, machine.world()});
}

pageout_t pageout(Folio& page, const address_space* mapping, const scan_control& sc,
                  Machine& machine) {
  if (machine.world().extra_reference(page)) return PAGE_KEEP;  // is_page_cache_freeable
  if (mapping == nullptr) return PAGE_KEEP;
  if (!clear_page_dirty_for_io(page)) return PAGE_CLEAN;
  SetPageReclaim(page);
  const int result = mapping->a_ops->writepage(page, sc, machine);
  if (result == kWritepageActivate) {
    ClearPageReclaim(page);
    return PAGE_ACTIVATE;
  }
  if (!PageWriteback(page)) ClearPageReclaim(page);
  trace_mm_vmscan_writepage(sc, page, trace_reclaim_flags(page));
  inc_zone_page_state(sc.zone, NR_VMSCAN_WRITE);
  return PAGE_SUCCESS;
}

bool __remove_mapping(const address_space*, Folio& page, Machine& machine) {
  const ScanControl control;
  const auto end = take_step(ShrinkStep::kRemove, {features(), control, page, machine.world()});
  return end.has_value() && end->exit == Exit::kFreed;
}

void __clear_page_locked(Folio& page, Machine& machine) { machine.unlock(page); }

uint64_t shrink_page_list(std::vector<Folio*>& page_list, const scan_control& sc,
                          Machine& machine) {
  uint64_t nr_reclaimed = 0;
  std::vector<Folio*> ret_pages;
  std::span<Folio* const> rest(page_list);
  while (!list_empty(rest)) {
    Folio* const page = rest.front();
    rest = rest.subspan(1);
    const ShrinkCall call{features(), sc, *page, machine.world()};
    bool taken = true;
    // trylock_page, page_evictable, PageWriteback, page_check_references
    for (const ShrinkStep step : {ShrinkStep::kLock, ShrinkStep::kEvictable, ShrinkStep::kWriteback,
                                  ShrinkStep::kReferences}) {
      const auto end = take_step(step, call);
      if (!end.has_value()) continue;
      if (end->why != Why::kLocked) machine.unlock(*page);
      taken = false;
      break;
    }
    if (taken && shrink_page(*page, sc, machine))
      ++nr_reclaimed;
    else
      ret_pages.push_back(page);
  }
  page_list = std::move(ret_pages);
  return nr_reclaimed;
}

}  // namespace swaptrail::engine::linux_4_4
