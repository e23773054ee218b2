#include "engine/lockstep/account.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

constexpr uint32_t bit(AbortReason reason) { return 1u << static_cast<unsigned>(reason); }

// Why a pass did not free it, as AbortReasons of a lifecycle: several if the hooks can't
// distinguish them.
uint32_t reasons_of(Why why) {
  switch (why) {
    case Why::kNoSlot:
      return bit(AbortReason::kNoSlot) | bit(AbortReason::kExtraReference);
    case Why::kStillMapped:
      return bit(AbortReason::kStillMapped);
    case Why::kRefused:
    case Why::kMayNotWrite:
      return bit(AbortReason::kWriteRefused);
    case Why::kNoUser:
      return bit(AbortReason::kSlotGone);
    case Why::kWriteError:
      return bit(AbortReason::kWriteError);
    case Why::kDirtied:
      return bit(AbortReason::kDirtied);
    case Why::kPinned:
    case Why::kExtraReference:
      return bit(AbortReason::kExtraReference);
    case Why::kReferenced:
      return bit(AbortReason::kReferenced);
    default:
      return 0;
  }
}

// Left the cache without reclaim: a fault took it back, or nobody needs the slot any more.
uint32_t left_reasons(const Account& account) {
  const uint32_t known = reasons_of(account.end.why);
  // Shared memory whose write failed left because somebody needed it.
  const bool needed = account.shmem && account.write_failed;
  if (account.refaulted || needed) return bit(AbortReason::kReferenced);
  if (known != 0 && !goes_on(account)) return known;
  return bit(account.shmem ? AbortReason::kReferenced : AbortReason::kSlotGone);
}

Outcome freed_to(const Account& account) {
  if (!account.written()) return Outcome::kFreedClean;
  return swaptrail::freed_to(account.backend);
}

struct Judgement {
  Outcome outcome = Outcome::kUnknown;
  uint32_t reasons = 0;  // bits of AbortReason
};

Judgement judge(const Account& account) {
  if (account.end.exit == Exit::kFreed) return {freed_to(account), bit(AbortReason::kNone)};
  if (account.split) return {Outcome::kAborted, bit(AbortReason::kSplit)};
  if (account.left_ns != 0) return {Outcome::kAborted, left_reasons(account)};
  if (account.refaulted) return {Outcome::kAborted, bit(AbortReason::kReferenced)};
  if (goes_on(account)) return {Outcome::kInFlight, bit(AbortReason::kNone)};
  return {Outcome::kAborted, reasons_of(account.end.why)};
}

// The stages that are compared. Isolation is not one of them: it identifies the attempt.
constexpr Stage kCompared[] = {Stage::kSlotAllocated, Stage::kUnmapped, Stage::kWriteBegin,
                               Stage::kWriteIssued,   Stage::kWriteEnd, Stage::kWriteCompleted,
                               Stage::kRemoved};

std::string reason_names(uint32_t reasons) {
  std::string names;
  for (uint32_t i = 0; i < static_cast<uint32_t>(AbortReason::kCount); ++i) {
    if (!(reasons & (1u << i))) continue;
    absl::StrAppend(&names, names.empty() ? "" : " or ",
                    std::string(abort_reason_name(static_cast<AbortReason>(i))));
  }
  return names;
}

Rule compare_outcome(const Account& account, const Lifecycle& life, std::string& text) {
  const Judgement judged = judge(account);
  const bool same = judged.outcome == life.outcome && (judged.reasons & bit(life.abort_reason));
  if (same) return Rule::kCount;
  text = absl::StrCat("model: ", std::string(outcome_name(judged.outcome)), " (",
                      reason_names(judged.reasons),
                      "; its last pass: ", std::string(exit_name(account.end.exit)), ", ",
                      std::string(why_name(account.end.why)),
                      "); lifecycle: ", std::string(outcome_name(life.outcome)), " (",
                      std::string(abort_reason_name(life.abort_reason)), ")");
  return Rule::kLifecycleOutcome;
}

Rule compare_stages(const Account& account, const Lifecycle& life, std::string& text) {
  for (Stage stage : kCompared) {
    const uint64_t model = account.stage_ns[static_cast<size_t>(stage)];
    if (model == life.at(stage)) continue;
    text = absl::StrCat(std::string(stage_name(stage)), ": model ", model, ", lifecycle ",
                        life.at(stage), " ns");
    return Rule::kLifecycleStages;
  }
  if (account.passes == life.passes) return Rule::kCount;
  text = absl::StrCat("passes: model ", account.passes, ", lifecycle ", life.passes);
  return Rule::kLifecycleStages;
}

Rule compare_mappings(const Account& account, const Lifecycle& life, std::string& text) {
  if (account.mappings != life.mapping_count) {
    text = absl::StrCat("mappings: model ", account.mappings, ", lifecycle ", life.mapping_count);
    return Rule::kLifecycleMappings;
  }
  for (size_t i = 0; i < std::min<size_t>(account.mappings, kMaxMappings) && !account.piece; ++i) {
    const Mapping& ours = account.mapped[i];
    const Mapping& theirs = life.mappings[i];
    if (ours.address == theirs.address && ours.tgid == theirs.tgid && ours.ptes == theirs.ptes &&
        (ours.first_page == theirs.first_page || account.nr_pages == 1 ||
         ours.first_page == SWAPTRAIL_PAGE_UNKNOWN)) {
      continue;
    }
    text = absl::StrCat("mapping ", i, ": model process ", ours.tgid, ", lifecycle ", theirs.tgid,
                        ours.address == theirs.address ? "" : ", at another address");
    return Rule::kLifecycleMappings;
  }
  return Rule::kCount;
}

}  // namespace

void Account::note(swaptrail_kind kind, const swaptrail_event& event) {
  const auto set = [&](Stage stage) { stage_ns[static_cast<size_t>(stage)] = event.time_ns; };
  switch (kind) {
    case SWAPTRAIL_SLOT_ALLOCATED:
      if (event.result == 0) set(Stage::kSlotAllocated);
      break;
    case SWAPTRAIL_UNMAPPED_ONE:
      if (mappings < kMaxMappings) {
        mapped[mappings].address = event.u.map.address;
        mapped[mappings].tgid = event.u.map.owner;
        mapped[mappings].first_page = event.u.map.first_page;
        mapped[mappings].ptes = event.u.map.ptes;
      }
      ++mappings;
      break;
    case SWAPTRAIL_UNMAPPED:
      if (event.state & SWAPTRAIL_STATE_MAPPED) break;
      unmapped = true;
      set(Stage::kUnmapped);
      break;
    case SWAPTRAIL_WRITE_BEGIN:
      for (Stage stage : {Stage::kWriteIssued, Stage::kWriteEnd, Stage::kWriteCompleted}) {
        stage_ns[static_cast<size_t>(stage)] = 0;
      }
      backend = SWAPTRAIL_BACKEND_UNKNOWN;
      write_failed = false;
      set(Stage::kWriteBegin);
      break;
    case SWAPTRAIL_WRITE_ISSUED:
      set(Stage::kWriteIssued);
      break;
    case SWAPTRAIL_WRITE_END:
      set(Stage::kWriteEnd);
      backend = static_cast<uint8_t>(event.u.page.backend);
      break;
    case SWAPTRAIL_WRITE_COMPLETED:
      if (written()) set(Stage::kWriteCompleted);
      break;
    case SWAPTRAIL_REMOVED:
      if (event.result == 1) set(Stage::kRemoved);
      removing = true;
      break;
    default:
      break;
  }
}

bool goes_on(const Account& account) {
  const PassEnd& end = account.end;
  if (end.exit == Exit::kInFlight || end.why == Why::kRelock) return true;
  const bool held = end.why == Why::kExtraReference || end.why == Why::kPinned;
  return held && account.entry != 0 && (account.unmapped || account.removing);
}

Rule compare(const Account& account, const Lifecycle& life, std::string& text) {
  const Rule outcome = compare_outcome(account, life, text);
  if (outcome != Rule::kCount) return outcome;
  const Rule stages = compare_stages(account, life, text);
  if (stages != Rule::kCount) return stages;
  if (account.entry != life.entry || account.nr_pages != life.nr_pages) {
    text = absl::StrCat("slot: model ", entry_type(account.entry), ":", entry_offset(account.entry),
                        " of ", account.nr_pages, " pages, lifecycle ", entry_type(life.entry), ":",
                        entry_offset(life.entry), " of ", life.nr_pages);
    return Rule::kLifecycleSlot;
  }
  return compare_mappings(account, life, text);
}

}  // namespace swaptrail::engine
