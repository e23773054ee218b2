// What a recording holds besides events: what was known of the host, and when.
//
// Plain values. Times are CLOCK_MONOTONIC nanoseconds. Texts are at most kMaxTextBytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "bpf/event.h"
#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::recording {

// A line of the attach plan.
struct RecordedHook {
  std::string hook;
  std::string state;   // "chosen", "missing" or "absent"
  std::string target;  // the kernel function or tracepoint
  std::string reason;  // of missing and absent
  std::string costs;   // of missing: what cannot be observed
  uint32_t kinds = 0;  // bits 1 << enum swaptrail_kind
};

struct RecordingHeader {
  std::string program;  // "swaptraild 0.1.0"
  std::string release;  // uname -r
  std::string machine;  // uname -m
  std::string boot_id;  // /proc/sys/kernel/random/boot_id
  std::string mode;     // "full", "kprobe" or "tracepoint"
  std::string mode_reason;
  uint32_t event_abi = SWAPTRAIL_ABI_VERSION;
  uint32_t event_bytes = sizeof(swaptrail_event);
  uint32_t cpus = 0;              // rings
  uint32_t part = 0;              // of a recording that is spread over several files, from 0
  uint64_t monotonic_ns = 0;      // the two clocks, read together: an event's time of day is
  uint64_t realtime_ns = 0;       //   realtime_ns + time_ns - monotonic_ns
  uint64_t page_frames_base = 0;  // address of the struct page of frame 0, 0 = not known
  lifecycles::ReconstructorOptions
      reconstruction;  // as live; has visible_kinds, start_ns and the page sizes
  std::vector<RecordedHook> hooks;

  // What the events of an older ABI do not say, as a sentence; empty: they say everything.
  std::string_view lacks() const;
};

inline constexpr uint64_t kUsedNotKnown = ~uint64_t{0};

enum class Known : uint8_t { kUnknown = 0, kNo = 1, kYes = 2 };

struct SwapArea {
  uint64_t at_ns = 0;  // when it was in this state; a later area of the same type replaces it
  uint64_t bytes = 0;  // 0 = swapped off
  uint64_t used_bytes = kUsedNotKnown;  // at that time (format 1.1 and later)
  uint32_t type = 0;                    // entry_type() of its entries
  int32_t priority = 0;
  Known rotational = Known::kUnknown;
  Known synchronous = Known::kUnknown;
  Known zswap = Known::kUnknown;  // in front of it
  std::string path;
};

struct CgroupName {
  uint64_t at_ns = 0;
  uint64_t id = 0;
  std::string path;
};

struct ProcessName {
  uint64_t at_ns = 0;
  uint32_t tgid = 0;
  std::string name;
};

// Counters of the kernel and ours at one moment, for the trust number.
struct Reading {
  enum class Moment : uint8_t {
    kBegin = 0,  // before the first event
    kEnd = 1,    // the last reading of /proc/vmstat, with the totals of that moment
    kLast = 2,   // detached and swept: totals only
  };
  Moment moment = Moment::kBegin;
  uint64_t at_ns = 0;
  uint64_t consumed = 0;  // records received so far
  swaptrail_totals totals{};
  std::vector<std::pair<std::string, uint64_t>> vmstat;
};

// Events that were observed but not recorded.
struct Gap {
  struct Cpu {
    uint32_t cpu = 0;
    uint64_t events = 0;  // not recorded
    uint64_t lost = 0;    // reported by losses that were not recorded
  };
  uint64_t from_ns = 0;
  uint64_t to_ns = 0;
  std::string reason;
  std::vector<Cpu> cpus;

  uint64_t events() const;
};

// Payloads of the records. parse: DataLoss if it is too short or exceeds a limit; fields that a
// newer minor version added at the end are skipped.
std::string make_payload(const RecordingHeader& header);
std::string make_payload(const SwapArea& area);
std::string make_payload(const CgroupName& cgroup);
std::string make_payload(const ProcessName& process);
std::string make_payload(const Reading& reading);
std::string make_payload(const Gap& gap);
// FailedPrecondition as well: another event ABI.
absl::Status parse_payload(std::string_view payload, RecordingHeader& header);
absl::Status parse_payload(std::string_view payload, SwapArea& area);
absl::Status parse_payload(std::string_view payload, CgroupName& cgroup);
absl::Status parse_payload(std::string_view payload, ProcessName& process);
absl::Status parse_payload(std::string_view payload, Reading& reading);
absl::Status parse_payload(std::string_view payload, Gap& gap);

}  // namespace swaptrail::recording
