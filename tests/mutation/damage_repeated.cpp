// One event twice, the second time as if it had happened.
#include "tests/mutation/damage.h"

namespace swaptrail::mutation {
namespace {

// What has just been done cannot be done again: no other event is needed to show it.
bool succeeded(const Original& original, size_t at) {
  const swaptrail_event& event = original.event(at);
  if (event.kind == SWAPTRAIL_REMOVED) return event.result == 1;
  return event.kind != SWAPTRAIL_SLOT_ALLOCATED || event.result == 0;
}

void repeat(Change& change, size_t at) { change.add(at + 1, change.before(at)); }

constexpr Damage repeated(std::string_view name, std::string_view meaning, int kind,
                          RuleSet right) {
  return {name, meaning, kind_mask(kind), succeeded, repeat, Shape::kAdded, 0, right, false};
}

constexpr Damage kRepeatedDamages[] = {
    repeated("twice_reclaim_begin", "a batch begins in itself", SWAPTRAIL_RECLAIM_BEGIN,
             RuleSet(Rule::kBatchTwice)),
    repeated("twice_reclaim_end", "a batch ends again", SWAPTRAIL_RECLAIM_END,
             RuleSet(Rule::kBatchTwice)),
    repeated("twice_slot_allocated", "a folio gets the slot that it has", SWAPTRAIL_SLOT_ALLOCATED,
             RuleSet(Rule::kSlotTwice, Rule::kSlotInUse, Rule::kStageOrder)),
    // the same page table entries have been replaced already
    repeated("twice_unmapped_one", "a mapping is replaced again", SWAPTRAIL_UNMAPPED_ONE,
             RuleSet(Rule::kUnmapBeyondFolio, Rule::kMappingMisplaced, Rule::kStageOrder)),
    repeated("twice_unmapped", "unmapping ends again", SWAPTRAIL_UNMAPPED,
             RuleSet(Rule::kStageOrder)),
    repeated("twice_write_begin", "a write begins in itself", SWAPTRAIL_WRITE_BEGIN,
             RuleSet(Rule::kWriteTwice, Rule::kStageOrder)),
    repeated("twice_write_issued", "the device is told again", SWAPTRAIL_WRITE_ISSUED,
             RuleSet(Rule::kWriteTwice, Rule::kStageOrder, Rule::kBackendWrong)),
    repeated("twice_zswap_stored", "zswap takes it again", SWAPTRAIL_ZSWAP_STORED,
             RuleSet(Rule::kWriteTwice, Rule::kStageOrder, Rule::kBackendWrong)),
    repeated("twice_write_end", "a write returns again", SWAPTRAIL_WRITE_END,
             RuleSet(Rule::kStageOrder, Rule::kBackendWrong)),
    repeated("twice_write_completed", "the device is done again", SWAPTRAIL_WRITE_COMPLETED,
             RuleSet(Rule::kCompletedWithoutWrite)),
    repeated("twice_removed", "a folio leaves the swap cache again", SWAPTRAIL_REMOVED,
             RuleSet(Rule::kRemovedTwice)),
    repeated(
        "twice_cache_deleted", "a folio leaves the swap cache again, not by reclaim",
        SWAPTRAIL_CACHE_DELETED,
        RuleSet(Rule::kRemovedTwice, Rule::kStateWrong, Rule::kUnknownFolio, Rule::kStageOrder)),
    repeated("twice_slot_freed", "a slot is freed again", SWAPTRAIL_SLOT_FREED,
             RuleSet(Rule::kSlotFreedTwice)),
    repeated("twice_swap_read", "a folio is filled again", SWAPTRAIL_SWAP_READ,
             RuleSet(Rule::kReadWhileCached)),
};

}  // namespace

std::span<const Damage> repeated_damages() { return kRepeatedDamages; }

}  // namespace swaptrail::mutation
