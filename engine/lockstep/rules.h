// The rules that a swap-out can't break: each with a name and the kernel function that upholds it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace swaptrail::engine {

enum class Rule : uint8_t {
  // the stream itself
  kSequenceGap,  // events of a CPU are missing, and no loss reports them
  kSequenceRepeated,
  kTimeBackwards,  // inside one CPU
  kBadEvent,       // outside the event ABI
  // reclaim batches
  kBatchNotBegun,       // an event of a batch whose begin was not seen
  kBatchNotEnded,       // its thread began another, or works outside
  kBatchReclaimedLess,  // fewer pages reclaimed than folios were seen to be freed
  kBatchOtherThread,    // an event names a batch of another thread
  kBatchUnscanned,      // more pages reclaimed than looked at
  kBatchTwice,          // it begins or ends again
  // slots
  kSlotInUse,  // allocated although it was not free
  kSlotOutOfRange,
  kSlotMisaligned,
  kSlotTwice,  // a folio that has a slot gets another
  kSlotFreedTwice,
  kSlotFreedWhileCached,
  kEntryChanged,  // a folio in the swap cache has another entry than before
  kEntryUnknownArea,
  // unmapping
  kUnmapBeyondFolio,  // more page table entries, or others, than the folio has
  kMappingMisplaced,  // a page at an address where it was not
  kStrangerFaults,    // a process swaps in a page that it never owned
  // writing
  kWriteBeforeSlot,
  kWriteWhileMapped,
  kWriteTwice,  // while a write of it is under way
  kZeroWithIo,
  kBackendWrong,  // what WRITE_END says is not what happened inside
  kCompletedWithoutWrite,
  kCompletionLost,  // waits for a device that was seen to be done with it
  // leaving
  kRemovedWhileMapped,
  kRemovedUnderWriteback,
  kRemovedDirty,
  kRemovedUnwritten,  // its slot does not have its content
  kRemovedTwice,
  // coming back
  kReadUnwritten,  // a slot is read that nothing was written to
  kReadWhileCached,
  kFaultOnFreeSlot,
  // the steps
  kStageOrder,    // an event that the model did not expect there
  kStageMissing,  // one that it did expect did not come
  kStateWrong,    // the folio's flags at an event are not the model's
  kPagesChanged,  // a folio's size changed without a split
  kUnknownFolio,  // in the middle of its way, and its begin was never seen
  // faults
  kFaultNotBegun,  // a second pass whose first was not seen
  kFaultMissing,   // a page was read for a fault that was not seen to end
  kFaultPages,     // it filled other page table entries than it can have
  // comparison with trace/
  kLifecycleStages,
  kLifecycleOutcome,
  kLifecycleSlot,
  kLifecycleMappings,
  kLifecycleUnknown,  // trace/ has one where the model has none, or the reverse
  kReturnTwice,       // a page came back that was back already
  kReturnUnseen,      // nothing was seen that could have brought it back
  kReturnMissing,     // a fault, or the end of a stay in swap, was not reported
  kReturnHow,         // it came back in another way
  kReturnReader,      // another process waited for it
  kReturnWait,        // another time, or in other passes
  kReturnMajor,       // a major fault was reported as minor, or the reverse
  kReturnPages,       // another number of pages
  kReturnLifecycle,   // another swap-out began its stay
  kStayUnseen,        // a change of a page in swap that was not seen
  kStayMissing,       // ... that was seen, and not reported
  kCount,
};

struct RuleText {
  std::string_view name;    // snake_case
  std::string_view kernel;  // file and function that upholds it
  std::string_view text;    // what is wrong when it is broken
};
const RuleText& rule_text(Rule rule);

}  // namespace swaptrail::engine
