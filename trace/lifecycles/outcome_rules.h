// Judgements: the outcome of an attempt that ends, from what was seen of it. Pure functions.
// Internal to trace/.
#pragma once

#include <cstdint>
#include <string_view>

#include "trace/lifecycles/attempts.h"
#include "trace/lifecycles/batches.h"
#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::lifecycles {

struct Judgement {
  Outcome outcome = Outcome::kUnknown;
  AbortReason abort_reason = AbortReason::kNone;
  IncompleteReason incomplete = IncompleteReason::kNone;
  Waiting waiting = Waiting::kNothing;
};

// If one of these hooks is missing, neither what was seen nor what was not seen shows how a folio
// ended.
inline constexpr uint64_t kFrameKinds =
    kind_bit(SWAPTRAIL_RECLAIM_BEGIN) | kind_bit(SWAPTRAIL_RECLAIM_END) |
    kind_bit(SWAPTRAIL_UNMAPPED) | kind_bit(SWAPTRAIL_WRITE_BEGIN) | kind_bit(SWAPTRAIL_WRITE_END) |
    kind_bit(SWAPTRAIL_WRITE_COMPLETED) | kind_bit(SWAPTRAIL_REMOVED) |
    kind_bit(SWAPTRAIL_CACHE_DELETED) | kind_bit(SWAPTRAIL_SLOT_FREED) |
    kind_bit(SWAPTRAIL_SWAP_IN);

// What may have been hidden from us.
struct Sight {
  uint64_t visible_kinds = 0;
  uint64_t loss_until_ns = 0;  // the end of the youngest loss
  uint64_t skip_until_ns = 0;  // the end of the youngest loss of program runs
  bool shmem_slots = false;    // this kernel shows the slot allocation of shmem
  bool may_miss = false;       // events can be missing without a loss

  bool sees(int kind) const { return visible_kinds & kind_bit(kind); }
  bool tracepoints() const { return (visible_kinds & ~kTracepointKinds) == 0; }
  bool whole() const { return tracepoints() || (visible_kinds & kFrameKinds) == kFrameKinds; }
  bool overlapped(const Attempt& attempt) const {
    return attempt.pass_skipped || loss_until_ns > attempt.begin_ns;
  }
  // A program may have been skipped inside the last write: what the other programs concluded by
  // elimination is uncertain.
  bool write_torn(const Attempt& attempt) const {
    const uint64_t write_ns = attempt.life.at(Stage::kWriteBegin);
    return skip_until_ns > (write_ns != 0 ? write_ns : attempt.begin_ns);
  }
  // Something may have happened to it after the last event that we have.
  bool tail_gap(const Attempt& attempt) const { return loss_until_ns > attempt.last_event_ns; }
  // It may have been freed without any event that shows it.
  bool hides_removal(const Attempt& attempt) const {
    const bool hooked = sees(SWAPTRAIL_REMOVED) || sees(SWAPTRAIL_PAGE_FREED);
    return !hooked || attempt.pass_hidden || tail_gap(attempt);
  }
};

// The rules that a transition can break, and the kernel code that upholds them.
enum class Rule : uint8_t {
  kWriteBeforeSlot,
  kWriteWhileMapped,
  kRemovedWhileMapped,
  kRemovedUnderWriteback,
  kFreedWithoutWrite,
  kSlotReusedWithoutFree,
  kSlotAllocatedTwice,
  kEntryChanged,
  kUnmappedAfterRemoved,
  kReadWhileCached,
  kCount,
};
struct RuleText {
  std::string_view name;
  std::string_view kernel;  // the function that makes it impossible
  std::string_view text;
};
const RuleText& rule_text(Rule rule);

// The stages for which there is a hook, as Lifecycle::visible_stages.
uint8_t visible_stages(uint64_t visible_kinds);

// Where the last write went, from the events in between, if WRITE_END did not report it.
uint8_t joined_backend(const Attempt& attempt, const Sight& sight);

// The folio was removed: which outcome? It may be unknown.
Judgement judge_freed(const Attempt& attempt, const Sight& sight);

// Its batch ended. outcome == kInFlight: it lives on, waiting for `waiting`.
Judgement judge_batch_end(const Attempt& attempt, const Batch& batch, const Sight& sight);

// It left the swap cache, or its slot was freed, without reclaim.
Judgement judge_left(const Attempt& attempt, const Sight& sight);

// It was met in memory: an abort, unless it may have been freed and read back unseen.
Judgement stayed(const Attempt& attempt, AbortReason reason, const Sight& sight);

// An abort for `reason` that was seen to happen.
Judgement aborted(const Attempt& attempt, AbortReason reason, const Sight& sight);

// Nothing certain can be said. The reason is `otherwise` if no loss can explain it.
Judgement unknown(const Attempt& attempt, IncompleteReason otherwise, const Sight& sight);

// The observation ends.
Judgement judge_end(const Attempt& attempt, const Sight& sight);

// What remains of a judgement when hooks are missing: that it was freed, if that was seen.
Judgement within_sight(const Judgement& judgement, const Attempt& attempt, const Sight& sight);

}  // namespace swaptrail::lifecycles
