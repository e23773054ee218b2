#include "trace/lifecycles/outcome_rules.h"

#include <array>

namespace swaptrail::lifecycles {
namespace {

constexpr std::array<RuleText, static_cast<size_t>(Rule::kCount)> kRules = {{
    {"write_before_slot", "mm/vmscan.c: shrink_folio_list",
     "written to swap although it is not in the swap cache"},
    {"write_while_mapped", "mm/vmscan.c: shrink_folio_list",
     "written to swap although page tables still map it"},
    {"removed_while_mapped", "mm/vmscan.c: __remove_mapping",
     "removed from the swap cache although page tables still map it"},
    {"removed_under_writeback", "mm/vmscan.c: __remove_mapping",
     "removed from the swap cache under writeback"},
    {"freed_without_write", "mm/vmscan.c: pageout",
     "its slot was new, and it was freed without any write"},
    {"slot_reused_without_free", "mm/swapfile.c: folio_alloc_swap",
     "a slot that still holds a page was allocated"},
    {"slot_allocated_twice", "mm/vmscan.c: shrink_folio_list",
     "a folio that has a slot got another one"},
    {"entry_changed", "mm/swap_state.c: add_to_swap_cache",
     "a folio in the swap cache has another entry than before"},
    {"unmapped_after_removed", "mm/rmap.c: try_to_unmap",
     "unmapped to a slot whose page had been freed and was not read since"},
    {"read_while_cached", "mm/swap_state.c: __read_swap_cache_async",
     "another folio was filled from its slot while it was in the swap cache"},
}};

struct StageHook {
  Stage stage;
  int kind;
};
constexpr StageHook kStageHooks[] = {
    {Stage::kIsolated, SWAPTRAIL_RECLAIM_BEGIN},
    {Stage::kSlotAllocated, SWAPTRAIL_SLOT_ALLOCATED},
    {Stage::kUnmapped, SWAPTRAIL_UNMAPPED},
    {Stage::kWriteBegin, SWAPTRAIL_WRITE_BEGIN},
    {Stage::kWriteIssued, SWAPTRAIL_WRITE_ISSUED},
    {Stage::kWriteEnd, SWAPTRAIL_WRITE_END},
    {Stage::kWriteCompleted, SWAPTRAIL_WRITE_COMPLETED},
    {Stage::kRemoved, SWAPTRAIL_REMOVED},
    {Stage::kRemoved, SWAPTRAIL_PAGE_FREED},
};

bool lacks(const Attempt& attempt, Stage stage, int kind, const Sight& sight) {
  return attempt.life.at(stage) == 0 && sight.sees(kind);
}

// An event of the write is missing: others of the same write were seen.
bool lacks_write_event(const Attempt& attempt, bool freed, const Sight& sight) {
  if (!attempt.write_seen()) return false;
  if (lacks(attempt, Stage::kWriteBegin, SWAPTRAIL_WRITE_BEGIN, sight)) return true;
  const bool over = freed || attempt.written;
  if (over && lacks(attempt, Stage::kWriteEnd, SWAPTRAIL_WRITE_END, sight)) return true;
  if (attempt.life.backend == SWAPTRAIL_BACKEND_ZSWAP) {
    return !attempt.zswap_stored && sight.sees(SWAPTRAIL_ZSWAP_STORED);
  }
  if (attempt.life.backend != SWAPTRAIL_BACKEND_DEVICE) return false;
  return lacks(attempt, Stage::kWriteIssued, SWAPTRAIL_WRITE_ISSUED, sight) ||
         (freed && lacks(attempt, Stage::kWriteCompleted, SWAPTRAIL_WRITE_COMPLETED, sight));
}

// try_to_unmap calls try_to_unmap_one, then returns: is that end missing?
bool lacks_unmap_event(const Attempt& attempt, const Sight& sight) {
  return attempt.life.mapping_count != 0 && !attempt.unmapped && !attempt.still_mapped &&
         attempt.write_seen() && sight.sees(SWAPTRAIL_UNMAPPED);
}

// A hook is missing, so it is not known where the last write went.
bool backend_hidden(const Attempt& attempt, const Sight& sight) {
  return attempt.life.at(Stage::kWriteEnd) != 0 && !sight.tracepoints() &&
         attempt.life.backend == SWAPTRAIL_BACKEND_UNKNOWN;
}

IncompleteReason gaps(const Attempt& attempt, bool freed, const Sight& sight) {
  if (attempt.unfollowed) return IncompleteReason::kTableFull;
  if (attempt.before_attach) return IncompleteReason::kBeforeAttach;
  if (lacks_write_event(attempt, freed, sight)) return IncompleteReason::kDropped;
  if (lacks_unmap_event(attempt, sight)) return IncompleteReason::kDropped;
  if (sight.overlapped(attempt)) return IncompleteReason::kDropped;
  return backend_hidden(attempt, sight) ? IncompleteReason::kNotHooked : IncompleteReason::kNone;
}

Judgement judge_freed_unwritten(const Attempt& attempt, const Sight& sight) {
  const bool sees_writes = sight.sees(SWAPTRAIL_WRITE_BEGIN) || sight.sees(SWAPTRAIL_WRITE_END);
  if (!sees_writes) return unknown(attempt, IncompleteReason::kNotHooked, sight);
  const bool fresh =
      attempt.slot == SlotOrigin::kAllocated || attempt.slot == SlotOrigin::kInferred;
  if (fresh || sight.overlapped(attempt)) {
    return unknown(attempt, IncompleteReason::kDropped, sight);
  }
  if (attempt.before_attach) return unknown(attempt, IncompleteReason::kBeforeAttach, sight);
  return {Outcome::kFreedClean, AbortReason::kNone, gaps(attempt, true, sight)};
}

// Somebody else holds the folio for a moment. No process can reach it without a fault, so it is not
// given up: it stays in the swap cache, and a later pass of reclaim continues with it.
Judgement held() {
  return {Outcome::kInFlight, AbortReason::kExtraReference, IncompleteReason::kNone,
          Waiting::kSecondPass};
}

Waiting waits_for(const Attempt& attempt) {
  const bool flying = attempt.writeback_left && attempt.life.at(Stage::kWriteCompleted) == 0;
  return flying ? Waiting::kWriteback : Waiting::kSecondPass;
}

// The reasons that an event reported, strongest first.
struct SeenReason {
  bool (*applies)(const Attempt&);
  AbortReason reason;
};
constexpr SeenReason kSeenReasons[] = {
    {[](const Attempt& a) { return a.refaulted; }, AbortReason::kReferenced},
    {[](const Attempt& a) { return a.slot_failed; }, AbortReason::kNoSlot},
    {[](const Attempt& a) { return a.still_mapped; }, AbortReason::kStillMapped},
    {[](const Attempt& a) { return a.refused; }, AbortReason::kWriteRefused},
    {[](const Attempt& a) { return a.write_failed; }, AbortReason::kWriteError},
    {[](const Attempt& a) { return a.no_user; }, AbortReason::kSlotGone},
    {[](const Attempt& a) { return a.remove_failed && a.remove_dirty; }, AbortReason::kDirtied},
    {[](const Attempt& a) { return a.dirtied_after; }, AbortReason::kDirtied},
};

AbortReason seen_reason(const Attempt& attempt) {
  for (const SeenReason& candidate : kSeenReasons) {
    if (candidate.applies(attempt)) return candidate.reason;
  }
  return AbortReason::kNone;
}

// It had its slot, but pageout() never wrote it: mm/vmscan.c shrink_folio_list.
Judgement judge_unwritten(const Attempt& attempt, const Batch& batch, const Sight& sight) {
  if (sight.hides_removal(attempt)) return unknown(attempt, IncompleteReason::kNotHooked, sight);
  if (batch.begin_seen && !batch.may_writepage) {
    return aborted(attempt, AbortReason::kWriteRefused, sight);
  }
  const bool sees_writes = sight.sees(SWAPTRAIL_WRITE_BEGIN) && sight.sees(SWAPTRAIL_REMOVED);
  if (attempt.life.entry != 0 && sees_writes) {
    return attempt.unmapped ? held() : aborted(attempt, AbortReason::kExtraReference, sight);
  }
  // shmem gets its slot inside its write (mm/shmem.c shmem_writepage, shmem_writeout). If a refused
  // slot would have shown, or would have activated the folio, pageout() was never reached.
  const bool no_refusal = sight.shmem_slots || !batch.may_have_activated;
  if (attempt.life.shmem && sees_writes && no_refusal) {
    return aborted(attempt, AbortReason::kExtraReference, sight);
  }
  Judgement judgement = aborted(attempt, AbortReason::kNone, sight);
  if (judgement.incomplete == IncompleteReason::kNone) {
    judgement.incomplete = IncompleteReason::kNotHooked;
  }
  return judgement;
}

}  // namespace

const RuleText& rule_text(Rule rule) { return kRules[static_cast<size_t>(rule)]; }

uint8_t visible_stages(uint64_t visible_kinds) {
  uint8_t stages = 0;
  for (const StageHook& hook : kStageHooks) {
    if (visible_kinds & kind_bit(hook.kind)) stages |= 1u << static_cast<unsigned>(hook.stage);
  }
  return stages;
}

uint8_t joined_backend(const Attempt& attempt, const Sight& sight) {
  if (attempt.zswap_stored) return SWAPTRAIL_BACKEND_ZSWAP;
  if (attempt.life.at(Stage::kWriteIssued) != 0) return SWAPTRAIL_BACKEND_DEVICE;
  const bool all_seen = sight.sees(SWAPTRAIL_WRITE_BEGIN) && sight.sees(SWAPTRAIL_WRITE_END) &&
                        sight.sees(SWAPTRAIL_WRITE_ISSUED) && sight.sees(SWAPTRAIL_ZSWAP_STORED) &&
                        attempt.life.at(Stage::kWriteBegin) != 0 &&
                        attempt.life.at(Stage::kWriteEnd) != 0;
  if (all_seen && !sight.overlapped(attempt)) return SWAPTRAIL_BACKEND_ZERO;
  return SWAPTRAIL_BACKEND_UNKNOWN;
}

Judgement judge_freed(const Attempt& attempt, const Sight& sight) {
  if (!attempt.write_seen()) return judge_freed_unwritten(attempt, sight);
  const Outcome outcome = freed_to(attempt.life.backend);
  if (outcome == Outcome::kUnknown) {
    const bool end_missing = lacks(attempt, Stage::kWriteEnd, SWAPTRAIL_WRITE_END, sight);
    return unknown(attempt, end_missing ? IncompleteReason::kDropped : IncompleteReason::kNotHooked,
                   sight);
  }
  return {outcome, AbortReason::kNone, gaps(attempt, true, sight)};
}

Judgement judge_batch_end(const Attempt& attempt, const Batch& batch, const Sight& sight) {
  const AbortReason reason = seen_reason(attempt);
  if (reason != AbortReason::kNone) return stayed(attempt, reason, sight);
  if (attempt.pass_hidden && !attempt.writeback_left) {
    return unknown(attempt, IncompleteReason::kNotHooked, sight);  // that pass may have freed it
  }
  if (attempt.remove_failed) return held();
  // A write whose end was lost may be in flight: the next pass will show.
  if (attempt.in_write()) return {.outcome = Outcome::kInFlight, .waiting = waits_for(attempt)};
  if (attempt.written) return {.outcome = Outcome::kInFlight, .waiting = waits_for(attempt)};
  if (attempt.write_seen()) return unknown(attempt, IncompleteReason::kDropped, sight);
  return judge_unwritten(attempt, batch, sight);
}

Judgement judge_left(const Attempt& attempt, const Sight& sight) {
  if (sight.hides_removal(attempt)) return unknown(attempt, IncompleteReason::kNotHooked, sight);
  const AbortReason reason = seen_reason(attempt);
  if (reason != AbortReason::kNone) return aborted(attempt, reason, sight);
  // shmem comes back by shmem_swapin_folio (mm/shmem.c), which is not do_swap_page.
  if (attempt.life.shmem) return aborted(attempt, AbortReason::kReferenced, sight);
  if (sight.sees(SWAPTRAIL_SWAP_IN)) return aborted(attempt, AbortReason::kSlotGone, sight);
  return {Outcome::kAborted, AbortReason::kNone, IncompleteReason::kNotHooked};
}

Judgement stayed(const Attempt& attempt, AbortReason reason, const Sight& sight) {
  if (sight.hides_removal(attempt)) return unknown(attempt, IncompleteReason::kNotHooked, sight);
  return aborted(attempt, reason, sight);
}

Judgement aborted(const Attempt& attempt, AbortReason reason, const Sight& sight) {
  return {Outcome::kAborted, reason, gaps(attempt, false, sight)};
}

Judgement unknown(const Attempt& attempt, IncompleteReason otherwise, const Sight& sight) {
  IncompleteReason why = otherwise;
  if (sight.overlapped(attempt)) {
    why = IncompleteReason::kDropped;
  } else if (attempt.unfollowed) {
    why = IncompleteReason::kTableFull;
  } else if (attempt.before_attach) {
    why = IncompleteReason::kBeforeAttach;
  }
  return {Outcome::kUnknown, AbortReason::kNone, why};
}

Judgement judge_end(const Attempt& attempt, const Sight& sight) {
  if (attempt.removing && !attempt.cache_left) {
    return unknown(attempt, IncompleteReason::kEnded, sight);
  }
  if (attempt.leaving_ns != 0) return judge_left(attempt, sight);
  if (attempt.refaulted) return stayed(attempt, AbortReason::kReferenced, sight);
  // A fault that was running when the programs were attached is not reported.
  if (sight.hides_removal(attempt) || attempt.before_attach) {
    return unknown(attempt, IncompleteReason::kNotHooked, sight);
  }
  const bool waits = attempt.batch == kNoIndex && (attempt.written || attempt.unmapped);
  Judgement judgement{Outcome::kInFlight, AbortReason::kNone, gaps(attempt, false, sight),
                      waits ? waits_for(attempt) : Waiting::kNothing};
  if (!waits && judgement.incomplete == IncompleteReason::kNone) {
    judgement.incomplete = IncompleteReason::kEnded;
  }
  if (sight.may_miss && judgement.waiting == Waiting::kWriteback) {
    judgement.incomplete = IncompleteReason::kDropped;
  }
  return judgement;
}

Judgement within_sight(const Judgement& judgement, const Attempt& attempt, const Sight& sight) {
  if (sight.whole()) return judgement;
  Judgement left = judgement;
  const bool freed = attempt.life.at(Stage::kRemoved) != 0;
  const bool sees_writes = sight.sees(SWAPTRAIL_WRITE_BEGIN) && sight.sees(SWAPTRAIL_WRITE_END);
  if (!freed || !sees_writes) left = {Outcome::kUnknown, AbortReason::kNone, judgement.incomplete};
  const bool unexplained =
      judgement.incomplete == IncompleteReason::kDropped && !sight.overlapped(attempt);
  if (judgement.incomplete == IncompleteReason::kNone || unexplained) {
    left.incomplete = IncompleteReason::kNotHooked;
  }
  return left;
}

}  // namespace swaptrail::lifecycles
