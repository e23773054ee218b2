#include "engine/generations/linux_4_19.h"

#include <utility>

#include "trace/check.h"
#include "trace/decode.h"

namespace swaptrail::engine::linux_4_19 {
namespace {

constexpr int kNotPossible = -22;  // -EINVAL
constexpr int kNoMemory = -12;     // -ENOMEM
constexpr int kExists = -17;       // -EEXIST
constexpr address_space_operations swap_aops = {swap_writepage};

// The engine keeps entries as the kernels of today do, with the type one bit higher.
uint64_t as_entry(swp_entry_t entry) { return make_entry(swp_type(entry), swp_offset(entry)); }

void account(reclaim_stat& stat, const PassEnd& end) {
  stat.nr_activate += end.exit == Exit::kActivated;
  stat.nr_ref_keep += end.exit == Exit::kKept && end.why == Why::kReferenced;
  stat.nr_unmap_fail += end.why == Why::kStillMapped;
  stat.nr_writeback += end.exit != Exit::kInFlight && end.why == Why::kWriteback;
}

}  // namespace

const Features& features() {
  static const Features set = features_named("4.19").value();
  return set;
}

std::vector<address_space> kvcalloc(uint64_t n) {
  return std::vector<address_space>(n <= kMostSpaces ? n : 0);
}

int init_swap_address_space(SwapperSpaces& spaces, unsigned type, uint64_t nr_pages) {
  if (type >= spaces.swapper_spaces.size()) return kNotPossible;
  const uint64_t nr = DIV_ROUND_UP(nr_pages, SWAP_ADDRESS_SPACE_PAGES);
  std::vector<address_space> made = kvcalloc(nr);
  if (made.size() != nr) return kNoMemory;
  for (address_space& space : made) {
    xa_init_flags(space, XA_FLAGS_LOCK_IRQ);
    atomic_set(space.i_mmap_writable, 0);
    space.a_ops = &swap_aops;
    mapping_set_no_writeback_tags(space);
  }
  spaces.nr_swapper_spaces[type] = static_cast<unsigned>(nr);
  spaces.swapper_spaces[type] = std::move(made);
  spaces.i_pages.add_area(type, nr_pages);
  return 0;
}

address_space* swap_address_space(SwapperSpaces& spaces, swp_entry_t entry) {
  if (swp_type(entry) >= spaces.swapper_spaces.size()) return nullptr;
  std::vector<address_space>& of_type = spaces.swapper_spaces[swp_type(entry)];
  const uint64_t index = swp_offset(entry) >> SWAP_ADDRESS_SPACE_SHIFT;
  return index < of_type.size() ? &of_type[index] : nullptr;
}

void xa_lock_irq(address_space& space) {
  SWAPTRAIL_CHECK(!std::exchange(space.xa_is_locked, true));
}

void xa_unlock_irq(address_space& space) {
  SWAPTRAIL_CHECK(std::exchange(space.xa_is_locked, false));
}

void set_page_private(Folio& page, swp_entry_t entry) { page.entry = as_entry(entry); }

int radix_tree_insert(SwapperSpaces& spaces, swp_entry_t entry, uint32_t frame) {
  const address_space* const space = swap_address_space(spaces, entry);
  SWAPTRAIL_CHECK(space != nullptr && space->xa_is_locked);
  if (spaces.i_pages.find(as_entry(entry)) != kNoFrame) return kExists;
  spaces.i_pages.add(as_entry(entry), 1, frame);
  return 0;
}

int __add_to_swap_cache(SwapperSpaces& spaces, Folio& page, swp_entry_t entry) {
  address_space* const space = swap_address_space(spaces, entry);
  SWAPTRAIL_CHECK(space != nullptr);
  const uint64_t before = page.entry;
  const uint32_t frame = FrameTable::of(page);
  int error = 0;
  xa_lock_irq(*space);
  set_page_private(page, entry);
  uint32_t i = 0;
  for (; i < page.nr_pages; ++i) {
    error = radix_tree_insert(spaces, {entry.val + i}, frame + i);
    if (error != 0) break;
  }
  if (error == 0) {
    space->nrpages += page.nr_pages;
    page.swapcache = true;
    __mod_node_page_state(page_pgdat(spaces, page), NR_FILE_PAGES, page.nr_pages);
    ADD_CACHE_INFO(spaces.add_total, page.nr_pages);
  } else {
    spaces.i_pages.remove(as_entry(entry), i, std::nullopt);
    page.entry = before;
  }
  xa_unlock_irq(*space);
  return error;
}

swp_entry_t get_swap_page(SlotAllocator& slots, uint32_t cpu) {
  const std::optional<uint64_t> entry = slots.allocate(cpu, 1);
  return entry ? swp_entry(entry_type(*entry), entry_offset(*entry)) : swp_entry_t{};
}

int add_to_swap(Folio& page, Machine& machine) {
  const ScanControl control;
  return !take_step(ShrinkStep::kSlot, {features(), control, page, machine.world()}).has_value();
}

bool try_to_free_swap(Folio& page, Machine& machine) {
  const ScanControl control;
  return free_unused_slot({features(), control, page, machine.world()});
}

int frontswap_store(Folio& page, Machine& machine) {
  return machine.world().zswap_stores(page) ? 0 : -1;
}

bool try_to_unmap(Folio& page, Machine& machine) {
  const ScanControl control;
  return !take_step(ShrinkStep::kUnmap, {features(), control, page, machine.world()}).has_value();
}

void set_page_writeback(Folio& page) { page.writeback = true; }

void end_page_writeback(Folio& page, Machine& machine) { machine.end_write(page, false); }

void unlock_page(const Folio& page, Machine& machine) { machine.unlock(page); }

void end_swap_bio_write(Folio& page, bool failed, Machine& machine) {
  machine.end_write(page, failed);
}

int __swap_writepage(Folio& page, Machine& machine) {
  const ScanControl control;
  write_to_device({features(), control, page, machine.world()});
  return 0;
}

int swap_writepage(Folio& page, Machine& machine) {
  if (try_to_free_swap(page, machine)) {
    unlock_page(page, machine);
    return 0;
  }
  if (frontswap_store(page, machine) == 0) {
    set_page_writeback(page);
    unlock_page(page, machine);
    end_page_writeback(page, machine);
    return 0;
  }
  return __swap_writepage(page, machine);
}

uint64_t shrink_page_list(std::vector<Folio*>& page_list, const ScanControl& sc, reclaim_stat& stat,
                          Machine& machine) {
  uint64_t nr_reclaimed = 0;
  std::vector<Folio*> ret_pages;
  for (Folio* const page : page_list) {
    const PassEnd end = shrink_folio(features(), sc, *page, machine.world());
    account(stat, end);
    if (end.exit == Exit::kFreed) {
      machine.free_removed(*page);
      ++nr_reclaimed;
      continue;
    }
    if (end.why != Why::kLocked) machine.unlock(*page);
    ret_pages.push_back(page);
  }
  page_list = std::move(ret_pages);
  return nr_reclaimed;
}

}  // namespace swaptrail::engine::linux_4_19
