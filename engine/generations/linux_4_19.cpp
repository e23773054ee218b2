#include "engine/generations/linux_4_19.h"

#include <utility>

#include "trace/decode.h"

namespace swaptrail::engine::linux_4_19 {
namespace {

constexpr int kNotPossible = -22;  // -EINVAL
constexpr int kExists = -17;       // -EEXIST

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

int init_swap_address_space(SwapperSpaces& spaces, unsigned type, uint64_t nr_pages) {
  if (type >= spaces.swapper_spaces.size()) return kNotPossible;
  const uint64_t nr = (nr_pages + SWAP_ADDRESS_SPACE_PAGES - 1) / SWAP_ADDRESS_SPACE_PAGES;
  spaces.swapper_spaces[type].assign(nr, address_space{});
  spaces.nr_swapper_spaces[type] = static_cast<unsigned>(nr);
  spaces.i_pages.add_area(type, nr_pages);
  return 0;
}

address_space* swap_address_space(SwapperSpaces& spaces, swp_entry_t entry) {
  if (swp_type(entry) >= spaces.swapper_spaces.size()) return nullptr;
  std::vector<address_space>& of_type = spaces.swapper_spaces[swp_type(entry)];
  const uint64_t index = swp_offset(entry) >> SWAP_ADDRESS_SPACE_SHIFT;
  return index < of_type.size() ? &of_type[index] : nullptr;
}

int __add_to_swap_cache(SwapperSpaces& spaces, Folio& page, swp_entry_t entry) {
  const uint64_t first = as_entry(entry);
  for (uint32_t i = 0; i < page.nr_pages; ++i)
    if (spaces.i_pages.find(first + i) != kNoFrame) return kExists;
  spaces.i_pages.add(first, page.nr_pages, FrameTable::of(page));
  swap_address_space(spaces, entry)->nrpages += page.nr_pages;
  page.entry = first;  // set_page_private
  page.swapcache = true;
  return 0;
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
  const ScanControl control;
  return store_compressed({features(), control, page, machine.world()}) ? 0 : -1;
}

int __swap_writepage(Folio& page, Machine& machine) {
  const ScanControl control;
  write_to_device({features(), control, page, machine.world()});
  return 0;
}

int swap_writepage(Folio& page, Machine& machine) {
  if (try_to_free_swap(page, machine)) return 0;
  if (frontswap_store(page, machine) == 0) return 0;
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
