#include "engine/lockstep/rules.h"

#include <array>

namespace swaptrail::engine {
namespace {

constexpr std::string_view kShrink = "mm/vmscan.c: shrink_folio_list";
constexpr std::string_view kRemove = "mm/vmscan.c: __remove_mapping";
constexpr std::string_view kAllocate = "mm/swapfile.c: folio_alloc_swap";
constexpr std::string_view kWritepage = "mm/page_io.c: swap_writeout";
constexpr std::string_view kUnmap = "mm/rmap.c: try_to_unmap_one";
constexpr std::string_view kFault = "mm/memory.c: do_swap_page";
constexpr std::string_view kEvents = "bpf/event.h";
constexpr std::string_view kModel = "trace/";

constexpr std::array<RuleText, static_cast<size_t>(Rule::kCount)> kRules = {{
    {"sequence_gap", kEvents, "events of this CPU are missing, and no loss reports them"},
    {"sequence_repeated", kEvents, "an event of this CPU came twice"},
    {"time_backwards", kEvents, "it is older than the event before it"},
    {"bad_event", kEvents, "it is not a record of this ABI"},
    {"batch_not_begun", kShrink, "its batch of reclaim was not seen to begin"},
    {"batch_not_ended", kShrink, "its thread's batch of reclaim was not seen to end"},
    {"batch_reclaimed_less", kShrink, "more pages were seen to be freed than the batch reclaimed"},
    {"batch_of_other_thread", kShrink, "it names another batch than the one that its thread runs"},
    {"batch_unscanned", kShrink, "it reclaimed more pages than it looked at"},
    {"batch_twice", kShrink, "a batch began or ended again"},
    {"slot_in_use", kAllocate, "a slot that was not free was allocated"},
    {"slot_out_of_range", kAllocate, "there is no such slot in the area"},
    {"slot_misaligned", kAllocate, "the slots of a large folio are not aligned to its size"},
    {"slot_twice", kShrink, "a folio that has a slot got another one"},
    {"slot_freed_twice", "mm/swapfile.c: swap_entries_free", "a slot that was free was freed"},
    {"slot_freed_while_cached", "mm/swapfile.c: swap_entries_free",
     "a slot was freed whose folio is in the swap cache"},
    {"entry_changed", "mm/swap_state.c: __swap_cache_add_folio",
     "a folio in the swap cache has another entry than before"},
    {"entry_of_unknown_area", "mm/swapfile.c: swap_info", "there is no swap area of that type"},
    {"unmap_beyond_folio", kUnmap, "page table entries were replaced that its folio does not have"},
    {"mapping_misplaced", kUnmap, "a page came back at another address than it was unmapped from"},
    {"stranger_faults", kUnmap, "a page came back to a process that it was not unmapped from"},
    {"write_before_slot", kShrink, "written without a slot"},
    {"write_while_mapped", kShrink, "written although page tables still map it"},
    {"write_twice", kWritepage, "written while a write of it is under way"},
    {"zero_with_io", kWritepage, "recorded as zero-filled, and yet written"},
    {"backend_wrong", kWritepage, "what took it is not what the write says"},
    {"completed_without_write", "mm/filemap.c: folio_end_writeback",
     "its writeback ended, and none had begun"},
    {"completion_lost", "mm/filemap.c: folio_end_writeback",
     "it is not under writeback any more, and its end was not seen"},
    {"removed_while_mapped", kRemove, "freed although page tables still map it"},
    {"removed_under_writeback", kRemove, "freed under writeback"},
    {"removed_dirty", kRemove, "freed although it is dirty"},
    {"removed_unwritten", kRemove, "freed, and its slot does not have its content"},
    {"removed_twice", kRemove, "freed, and it was not in the swap cache"},
    {"read_unwritten", "mm/page_io.c: swap_read_folio",
     "a slot was read that nothing was written to"},
    {"read_while_cached", "mm/swap_state.c: __read_swap_cache_async",
     "a slot was read whose folio is in the swap cache"},
    {"fault_on_free_slot", "mm/memory.c: do_swap_page",
     "a page table entry refers to a slot that is free"},
    {"stage_order", kShrink, "it came at another place than the steps allow"},
    {"stage_missing", kShrink, "a step that must come between was not seen"},
    {"state_wrong", kShrink, "the folio's flags are not what the steps before leave"},
    {"pages_changed", "mm/huge_memory.c: __folio_split",
     "the folio has another size than before, and no split was seen"},
    {"unknown_folio", "mm/swap_state.c: __swap_cache_add_folio",
     "a folio is in the swap cache that was not seen to enter it"},
    {"fault_not_begun", kFault, "a second pass of a fault whose first was not seen"},
    {"fault_missing", kFault, "a page was read for a fault, and the fault was not seen to end"},
    {"fault_pages", kFault, "it filled other page table entries than it can have"},
    {"lifecycle_stages", kModel, "the stages of the lifecycle are not those of the model"},
    {"lifecycle_outcome", kModel, "the outcome of the lifecycle is not that of the model"},
    {"lifecycle_slot", kModel, "the slot of the lifecycle is not that of the model"},
    {"lifecycle_mappings", kModel, "the mappings of the lifecycle are not those of the model"},
    {"lifecycle_unknown", kModel, "the model has no such lifecycle, or the trace has not"},
    {"return_twice", kModel, "a page came back that was back already"},
    {"return_unseen", kModel, "a page came back, and nothing was seen to bring it"},
    {"return_missing", kModel, "a fault, or the end of a page's stay in swap, was not reported"},
    {"return_how", kModel, "the page came back in another way"},
    {"return_reader", kModel, "somebody else waited for the page"},
    {"return_wait", kModel, "the reader did not wait so long, or in so many passes"},
    {"return_major", "mm/memory.c: mm_account_fault", "the kernel counts the fault otherwise"},
    {"return_pages", kModel, "another number of pages came back, or was mapped"},
    {"return_lifecycle", kModel, "another swap-out began the page's stay in swap"},
    {"stay_unseen", kModel, "nothing was seen that changed where the page lies"},
    {"stay_missing", kModel,
     "zswap moved a page, or readahead was in vain, and it was not reported"},
}};

}  // namespace

const RuleText& rule_text(Rule rule) {
  static constexpr RuleText kNone{"unknown", "", ""};
  const size_t index = static_cast<size_t>(rule);
  return index < kRules.size() ? kRules[index] : kNone;
}

}  // namespace swaptrail::engine
