#include "trace/decode.h"

#include <cstring>

#include "absl/strings/str_format.h"
#include "trace/kinds.h"

namespace swaptrail {
namespace {

constexpr std::string_view kUnknown = "unknown";

constexpr std::string_view kOriginNames[] = {
    "none",         "kswapd", "direct",      "memcg_limit", "proactive", "node_reclaim",
    "madv_pageout", "damon",  "hibernation", "memcg",       "unknown",   "lru_gen"};
static_assert(std::size(kOriginNames) == SWAPTRAIL_ORIGIN_END);

constexpr std::string_view kBackendNames[] = {"unknown", "none", "device", "zswap", "zero"};
static_assert(std::size(kBackendNames) == SWAPTRAIL_BACKEND_END);

constexpr std::string_view kStageNames[] = {"isolated",        "slot_allocated", "unmapped",
                                            "write_begin",     "write_issued",   "write_end",
                                            "write_completed", "removed"};
static_assert(std::size(kStageNames) == kStageCount);

constexpr std::string_view kOutcomeNames[] = {
    "freed_device", "freed_zswap", "freed_zero", "freed_clean", "aborted", "in_flight", "unknown"};
static_assert(std::size(kOutcomeNames) == static_cast<size_t>(Outcome::kCount));

constexpr std::string_view kAbortNames[] = {
    "none",          "no_slot",     "still_mapped",    "referenced", "dirtied",
    "write_refused", "write_error", "extra_reference", "split",      "slot_gone"};
static_assert(std::size(kAbortNames) == static_cast<size_t>(AbortReason::kCount));

constexpr std::string_view kIncompleteNames[] = {"none",       "before_attach", "dropped",
                                                 "not_hooked", "table_full",    "ended"};
static_assert(std::size(kIncompleteNames) == static_cast<size_t>(IncompleteReason::kCount));

constexpr std::string_view kWaitingNames[] = {"nothing", "writeback", "second_pass"};
static_assert(std::size(kWaitingNames) == static_cast<size_t>(Waiting::kCount));

constexpr std::string_view kReturnNames[] = {"swapped_in", "slot_freed", "swapoff", "read_error",
                                             "no_memory"};
static_assert(std::size(kReturnNames) == static_cast<size_t>(ReturnHow::kCount));

constexpr std::string_view kStayNames[] = {"zswap_writeback", "readahead_dropped"};
static_assert(std::size(kStayNames) == static_cast<size_t>(StayChange::kCount));

template <size_t kSize>
std::string_view name_in(const std::string_view (&names)[kSize], size_t value) {
  return value < kSize ? names[value] : kUnknown;
}

}  // namespace

absl::StatusOr<swaptrail_event> decode_event(const void* record, size_t size) {
  swaptrail_event event;
  if (size != sizeof(event)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("record of %d bytes, not %d", size, sizeof(event)));
  }
  std::memcpy(&event, record, sizeof(event));
  if (!is_valid_event(event)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("record of kind %d, origin %d", int{event.kind}, int{event.origin}));
  }
  return event;
}

std::string_view kind_name(uint8_t kind) {
  return is_kind(kind) ? event_kind(kind).name : kUnknown;
}
std::string_view origin_name(uint8_t origin) { return name_in(kOriginNames, origin); }
std::string_view backend_name(uint8_t backend) { return name_in(kBackendNames, backend); }
std::string_view stage_name(Stage stage) {
  return name_in(kStageNames, static_cast<size_t>(stage));
}
std::string_view outcome_name(Outcome outcome) {
  return name_in(kOutcomeNames, static_cast<size_t>(outcome));
}
std::map<std::string, Outcome> outcomes_by_name() {
  std::map<std::string, Outcome> names;
  for (int index = 0; index < static_cast<int>(Outcome::kCount); ++index) {
    const auto outcome = static_cast<Outcome>(index);
    names.emplace(outcome_name(outcome), outcome);
  }
  return names;
}
std::string_view abort_reason_name(AbortReason reason) {
  return name_in(kAbortNames, static_cast<size_t>(reason));
}
std::string_view incomplete_reason_name(IncompleteReason reason) {
  return name_in(kIncompleteNames, static_cast<size_t>(reason));
}
std::string_view waiting_name(Waiting waiting) {
  return name_in(kWaitingNames, static_cast<size_t>(waiting));
}
std::string_view return_name(ReturnHow how) {
  return name_in(kReturnNames, static_cast<size_t>(how));
}

std::string_view stay_name(StayChange change) {
  return name_in(kStayNames, static_cast<size_t>(change));
}

}  // namespace swaptrail
