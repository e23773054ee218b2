// Judgements: what an attempt that ends has been, from what was seen of it. Pure functions.
// Internal to trace/.
#pragma once

#include <cstdint>
#include <string_view>

#include "trace/lifecycles/attempts.h"
#include "trace/lifecycles/batches.h"
#include "trace/lifecycles/reconstructor.h"

namespace swaptrail {

struct Judgement {
  Outcome outcome = Outcome::kUnknown;
  AbortReason abort_reason = AbortReason::kNone;
  IncompleteReason incomplete = IncompleteReason::kNone;
  Waiting waiting = Waiting::kNothing;
};

// Without one of these hooks neither what was seen nor what was not says how a folio ended.
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
  // A program may not have run inside its last write: what the others found by elimination is open.
  bool write_torn(const Attempt& attempt) const {
    const uint64_t write_ns = attempt.life.at(Stage::kWriteBegin);
    return skip_until_ns > (write_ns != 0 ? write_ns : attempt.begin_ns);
  }
  // Something may have happened to it after the last event we have.
  bool tail_gap(const Attempt& attempt) const { return loss_until_ns > attempt.last_event_ns; }
  // It may have been freed, and nobody would have told.
  bool hides_removal(const Attempt& attempt) const {
    const bool hooked = sees(SWAPTRAIL_REMOVED) || sees(SWAPTRAIL_PAGE_FREED);
    return !hooked || attempt.pass_hidden || tail_gap(attempt);
  }
};

// The rules that a transition can break, and where the kernel upholds them.
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

// Where the last write went, if WRITE_END did not tell: from the events between.
uint8_t joined_backend(const Attempt& attempt, const Sight& sight);

// The folio was removed: what by. `outcome` may be unknown.
Judgement judge_freed(const Attempt& attempt, const Sight& sight);

// Its batch ended. outcome == kInFlight: it lives on, waiting for `waiting`.
Judgement judge_batch_end(const Attempt& attempt, const Batch& batch, const Sight& sight);

// It left the swap cache, or its slot was freed, without reclaim.
Judgement judge_left(const Attempt& attempt, const Sight& sight);

// It was met in memory: an abort, unless it may have been freed and read in again unseen.
Judgement stayed(const Attempt& attempt, AbortReason reason, const Sight& sight);

// An abort that was seen to happen for `reason`.
Judgement aborted(const Attempt& attempt, AbortReason reason, const Sight& sight);

// Nothing can be said, and why: `otherwise` if no loss can explain it.
Judgement unknown(const Attempt& attempt, IncompleteReason otherwise, const Sight& sight);

// The observation ends.
Judgement judge_end(const Attempt& attempt, const Sight& sight);

// What is left of a judgement if hooks are missing: that it was freed, if that was seen.
Judgement within_sight(const Judgement& judgement, const Attempt& attempt, const Sight& sight);

}  // namespace swaptrail
