#include "daemon/api/values.h"

namespace swaptrail::api {
namespace {

// The contract's enums are ours in the same order. If ours has no value for "not known", they are shifted
// by one.
template <typename Proto, typename Ours>
constexpr bool same(Proto proto, Ours ours, int shift) {
  return static_cast<int>(proto) == static_cast<int>(ours) + shift;
}
template <typename Ours>
constexpr int last(Ours count) {
  return static_cast<int>(count) - 1;
}
static_assert(same(v1::OUTCOME_FREED_DEVICE, Outcome::kFreedDevice, 1) &&
              same(v1::OUTCOME_FREED_ZSWAP, Outcome::kFreedZswap, 1) &&
              same(v1::OUTCOME_FREED_ZERO, Outcome::kFreedZero, 1) &&
              same(v1::OUTCOME_FREED_CLEAN, Outcome::kFreedClean, 1) &&
              same(v1::OUTCOME_ABORTED, Outcome::kAborted, 1) &&
              same(v1::OUTCOME_IN_FLIGHT, Outcome::kInFlight, 1) &&
              same(v1::OUTCOME_UNKNOWN, Outcome::kUnknown, 1) &&
              v1::Outcome_MAX == last(Outcome::kCount) + 1);
static_assert(same(v1::ABORT_REASON_UNSPECIFIED, AbortReason::kNone, 0) &&
              same(v1::ABORT_REASON_NO_SLOT, AbortReason::kNoSlot, 0) &&
              same(v1::ABORT_REASON_STILL_MAPPED, AbortReason::kStillMapped, 0) &&
              same(v1::ABORT_REASON_REFERENCED, AbortReason::kReferenced, 0) &&
              same(v1::ABORT_REASON_DIRTIED, AbortReason::kDirtied, 0) &&
              same(v1::ABORT_REASON_WRITE_REFUSED, AbortReason::kWriteRefused, 0) &&
              same(v1::ABORT_REASON_WRITE_ERROR, AbortReason::kWriteError, 0) &&
              same(v1::ABORT_REASON_EXTRA_REFERENCE, AbortReason::kExtraReference, 0) &&
              same(v1::ABORT_REASON_SPLIT, AbortReason::kSplit, 0) &&
              same(v1::ABORT_REASON_SLOT_GONE, AbortReason::kSlotGone, 0) &&
              v1::AbortReason_MAX == last(AbortReason::kCount));
static_assert(same(v1::INCOMPLETE_REASON_UNSPECIFIED, IncompleteReason::kNone, 0) &&
              same(v1::INCOMPLETE_REASON_BEFORE_ATTACH, IncompleteReason::kBeforeAttach, 0) &&
              same(v1::INCOMPLETE_REASON_DROPPED, IncompleteReason::kDropped, 0) &&
              same(v1::INCOMPLETE_REASON_NOT_HOOKED, IncompleteReason::kNotHooked, 0) &&
              same(v1::INCOMPLETE_REASON_TABLE_FULL, IncompleteReason::kTableFull, 0) &&
              same(v1::INCOMPLETE_REASON_ENDED, IncompleteReason::kEnded, 0) &&
              v1::IncompleteReason_MAX == last(IncompleteReason::kCount));
static_assert(same(v1::WAITING_WRITEBACK, Waiting::kWriteback, 0) &&
              same(v1::WAITING_SECOND_PASS, Waiting::kSecondPass, 0) &&
              v1::Waiting_MAX == last(Waiting::kCount));
static_assert(same(v1::STAGE_ISOLATED, Stage::kIsolated, 1) &&
              same(v1::STAGE_SLOT_ALLOCATED, Stage::kSlotAllocated, 1) &&
              same(v1::STAGE_UNMAPPED, Stage::kUnmapped, 1) &&
              same(v1::STAGE_WRITE_BEGIN, Stage::kWriteBegin, 1) &&
              same(v1::STAGE_WRITE_ISSUED, Stage::kWriteIssued, 1) &&
              same(v1::STAGE_WRITE_END, Stage::kWriteEnd, 1) &&
              same(v1::STAGE_WRITE_COMPLETED, Stage::kWriteCompleted, 1) &&
              same(v1::STAGE_REMOVED, Stage::kRemoved, 1) &&
              v1::Stage_MAX == last(Stage::kCount) + 1);
static_assert(same(v1::RETURN_HOW_SWAPPED_IN, ReturnHow::kSwappedIn, 1) &&
              same(v1::RETURN_HOW_SLOT_FREED, ReturnHow::kSlotFreed, 1) &&
              same(v1::RETURN_HOW_SWAPOFF, ReturnHow::kSwapoff, 1) &&
              same(v1::RETURN_HOW_READ_ERROR, ReturnHow::kReadError, 1) &&
              same(v1::RETURN_HOW_NO_MEMORY, ReturnHow::kNoMemory, 1) &&
              v1::ReturnHow_MAX == last(ReturnHow::kCount) + 1);
static_assert(same(v1::STAY_CHANGE_ZSWAP_WRITEBACK, StayChange::kZswapWriteback, 1) &&
              same(v1::STAY_CHANGE_READAHEAD_DROPPED, StayChange::kReadaheadDropped, 1) &&
              v1::StayChange_MAX == last(StayChange::kCount) + 1);
static_assert(same(v1::LATENCY_SPAN_ISOLATED_TO_SLOT, Latency::kIsolatedToSlot, 1) &&
              same(v1::LATENCY_SPAN_SLOT_TO_UNMAPPED, Latency::kSlotToUnmapped, 1) &&
              same(v1::LATENCY_SPAN_UNMAPPED_TO_WRITE, Latency::kUnmappedToWrite, 1) &&
              same(v1::LATENCY_SPAN_DEVICE_WRITE, Latency::kDeviceWrite, 1) &&
              same(v1::LATENCY_SPAN_COMPLETED_TO_REMOVED, Latency::kCompletedToRemoved, 1) &&
              same(v1::LATENCY_SPAN_ISOLATED_TO_REMOVED, Latency::kIsolatedToRemoved, 1) &&
              same(v1::LATENCY_SPAN_FAULT, Latency::kFault, 1) &&
              same(v1::LATENCY_SPAN_TIME_IN_SWAP, Latency::kTimeInSwap, 1) &&
              v1::LatencySpan_MAX == last(Latency::kCount) + 1);
static_assert(same(v1::ORIGIN_KSWAPD, SWAPTRAIL_ORIGIN_KSWAPD, 0) &&
              same(v1::ORIGIN_DIRECT, SWAPTRAIL_ORIGIN_DIRECT, 0) &&
              same(v1::ORIGIN_MEMCG_LIMIT, SWAPTRAIL_ORIGIN_MEMCG_LIMIT, 0) &&
              same(v1::ORIGIN_PROACTIVE, SWAPTRAIL_ORIGIN_PROACTIVE, 0) &&
              same(v1::ORIGIN_NODE, SWAPTRAIL_ORIGIN_NODE, 0) &&
              same(v1::ORIGIN_PAGEOUT, SWAPTRAIL_ORIGIN_PAGEOUT, 0) &&
              same(v1::ORIGIN_DAMON, SWAPTRAIL_ORIGIN_DAMON, 0) &&
              same(v1::ORIGIN_HIBERNATION, SWAPTRAIL_ORIGIN_HIBERNATION, 0) &&
              same(v1::ORIGIN_MEMCG, SWAPTRAIL_ORIGIN_MEMCG, 0) &&
              same(v1::ORIGIN_UNKNOWN, SWAPTRAIL_ORIGIN_UNKNOWN, 0) &&
              same(v1::ORIGIN_LRU_GEN, SWAPTRAIL_ORIGIN_LRU_GEN, 0) &&
              v1::Origin_MAX == last(SWAPTRAIL_ORIGIN_END));
static_assert(same(v1::BACKEND_NONE, SWAPTRAIL_BACKEND_NONE, 0) &&
              same(v1::BACKEND_DEVICE, SWAPTRAIL_BACKEND_DEVICE, 0) &&
              same(v1::BACKEND_ZSWAP, SWAPTRAIL_BACKEND_ZSWAP, 0) &&
              same(v1::BACKEND_ZERO, SWAPTRAIL_BACKEND_ZERO, 0) &&
              v1::Backend_MAX == last(SWAPTRAIL_BACKEND_END));

template <typename Proto, typename Ours>
Proto shifted(Ours value, int by) {
  return static_cast<Proto>(static_cast<int>(value) + by);
}

// Unspecified and unknown values are not allowed in a request.
bool is_between(int value, int first, int last) { return value >= first && value <= last; }

}  // namespace

v1::Outcome to_proto(Outcome outcome) { return shifted<v1::Outcome>(outcome, 1); }
v1::AbortReason to_proto(AbortReason reason) { return shifted<v1::AbortReason>(reason, 0); }
v1::IncompleteReason to_proto(IncompleteReason reason) {
  return shifted<v1::IncompleteReason>(reason, 0);
}
v1::Waiting to_proto(Waiting waiting) { return shifted<v1::Waiting>(waiting, 0); }
v1::Stage to_proto(Stage stage) { return shifted<v1::Stage>(stage, 1); }
v1::ReturnHow to_proto(ReturnHow how) { return shifted<v1::ReturnHow>(how, 1); }
v1::StayChange to_proto(StayChange change) { return shifted<v1::StayChange>(change, 1); }
v1::LatencySpan to_proto(Latency span) { return shifted<v1::LatencySpan>(span, 1); }
v1::HolderKind to_proto(ledger::OwnerKind kind) {
  switch (kind) {
    case ledger::OwnerKind::kProcess:
      return v1::HOLDER_KIND_PROCESS;
    case ledger::OwnerKind::kShared:
      return v1::HOLDER_KIND_OBJECT;
    case ledger::OwnerKind::kOthers:
      return v1::HOLDER_KIND_OTHERS;
    default:
      return v1::HOLDER_KIND_NOT_KNOWN;
  }
}
v1::Backend to_proto(ledger::Where where) {
  switch (where) {
    case ledger::Where::kDevice:
      return v1::BACKEND_DEVICE;
    case ledger::Where::kZswap:
      return v1::BACKEND_ZSWAP;
    case ledger::Where::kZero:
      return v1::BACKEND_ZERO;
    case ledger::Where::kUnknown:
      return v1::BACKEND_UNSPECIFIED;  // not known
    default:
      return v1::BACKEND_NONE;
  }
}
v1::Origin origin_to_proto(uint8_t origin) { return shifted<v1::Origin>(origin, 0); }
v1::Backend backend_to_proto(uint8_t backend) { return shifted<v1::Backend>(backend, 0); }

std::optional<Outcome> outcome_of(int value) {
  if (!is_between(value, 1, v1::Outcome_MAX)) return std::nullopt;
  return static_cast<Outcome>(value - 1);
}
std::optional<uint8_t> origin_of(int value) {
  if (!is_between(value, 1, v1::Origin_MAX)) return std::nullopt;
  return static_cast<uint8_t>(value);
}
std::optional<Latency> latency_of(int value) {
  if (!is_between(value, 1, v1::LatencySpan_MAX)) return std::nullopt;
  return static_cast<Latency>(value - 1);
}

}  // namespace swaptrail::api
