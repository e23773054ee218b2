// Raw records, and the names of their values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "bpf/event.h"
#include "trace/kinds.h"
#include "trace/lifecycle.h"

namespace swaptrail {

// Copies one raw ring record out. Errors: InvalidArgument if the size is not that of a
// swaptrail_event, or the kind, origin or backend is outside its enum.
absl::StatusOr<swaptrail_event> decode_event(const void* record, size_t size);

// The same check on a record in place, without an error text: true if it may be used.
inline bool is_valid_event(const swaptrail_event& event) {
  if (!is_kind(event.kind) || event.origin >= SWAPTRAIL_ORIGIN_END) return false;
  return event.kind != SWAPTRAIL_WRITE_END || event.u.page.backend < SWAPTRAIL_BACKEND_END;
}

// swp_entry_t of Linux 5.8 and later, 64 bit (include/linux/swapops.h: swp_type, swp_offset).
inline constexpr int kEntryTypeShift = 58;
constexpr uint32_t entry_type(uint64_t entry) {
  return static_cast<uint32_t>(entry >> kEntryTypeShift);
}
constexpr uint64_t entry_offset(uint64_t entry) {
  return entry & ((uint64_t{1} << kEntryTypeShift) - 1);
}
constexpr uint64_t make_entry(uint32_t type, uint64_t offset) {
  return uint64_t{type} << kEntryTypeShift | offset;
}
// An entry has 5 bits for it (include/linux/swap.h MAX_SWAPFILES_SHIFT); MAX_SWAPFILES is less.
inline constexpr uint32_t kMostAreaTypes = 32;

// Parts of a dev_t of the kernel (include/linux/kdev_t.h).
constexpr uint32_t device_major(uint32_t device) { return device >> 20; }
constexpr uint32_t device_minor(uint32_t device) { return device & ((1u << 20) - 1); }

// Base pages that an event is about, at least one.
constexpr uint32_t pages_of(const swaptrail_event& event) {
  return event.nr_pages == 0 ? 1 : event.nr_pages;
}

// Of the state of an event: log2 of how many pages this one stands for.
constexpr uint8_t sample_shift_of(uint16_t state) {
  return static_cast<uint8_t>(state >> SWAPTRAIL_STATE_SAMPLE_SHIFT);
}

// 0 if `to_ns` is not later than `from_ns`.
constexpr uint64_t span_ns(uint64_t from_ns, uint64_t to_ns) {
  return to_ns > from_ns ? to_ns - from_ns : 0;
}

// A value outside the enum counts as unknown.
constexpr uint8_t known_origin(uint8_t origin) {
  return origin < SWAPTRAIL_ORIGIN_END ? origin : uint8_t{SWAPTRAIL_ORIGIN_UNKNOWN};
}
constexpr uint8_t known_backend(uint8_t backend) {
  return backend < SWAPTRAIL_BACKEND_END ? backend : uint8_t{SWAPTRAIL_BACKEND_UNKNOWN};
}

// Names as they stand in JSON, metrics and text; "unknown" for a value outside the enum.
std::string_view kind_name(uint8_t kind);        // "slot_allocated"
std::string_view origin_name(uint8_t origin);    // "kswapd"
std::string_view backend_name(uint8_t backend);  // "device"
std::string_view stage_name(Stage stage);
std::string_view outcome_name(Outcome outcome);
std::map<std::string, Outcome> outcomes_by_name();
std::string_view abort_reason_name(AbortReason reason);
std::string_view incomplete_reason_name(IncompleteReason reason);
std::string_view waiting_name(Waiting waiting);
std::string_view return_name(ReturnHow how);
std::string_view stay_name(StayChange change);

}  // namespace swaptrail
