// Lifecycles and the rest, as text for people and as JSON lines for tools.
//
// Everything is appended to a string of the caller, so that its capacity is reused. No locale.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trace/lifecycle.h"
#include "trace/report/reconcile.h"
#include "trace/report/summary.h"

namespace swaptrail::report {

// What only the running system knows. The default knows nothing.
class Names {
 public:
  virtual ~Names() = default;
  virtual std::optional<uint64_t> pfn_of(uint64_t) const { return std::nullopt; }
  // The view must live until the next call.
  virtual std::optional<std::string_view> cgroup_path(uint64_t) const { return std::nullopt; }
};

// What did not reach the reconstructor, or reached it out of order. Each is 0 when all is well.
struct StreamCounters {
  uint64_t dropped_ring_full = 0;  // records that found their CPU's ring full
  uint64_t dropped_no_ring = 0;    // records of a CPU that came online after the start
  uint64_t context_full = 0;       // batches or faults that found BPF's table of tasks full
  uint64_t skipped_runs = 0;  // programs that the kernel did not run, as they were running already
  uint64_t invalid = 0;       // records that are no event of this ABI
  uint64_t late = 0;          // events older than one already handed on
  uint64_t overflow = 0;      // events that found the merger full
  uint64_t after_end = 0;     // events made while the hooks were being detached: not used
};

// Everything that is reported at the end of an observation.
struct Report {
  const Summary& summary;
  lifecycles::ReconstructorCounters counters;
  StreamCounters stream;
  std::vector<ReconcileRow> rows;
  uint64_t lines_left_out = 0;  // of this output: its reader was too slow
};

// A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. Each character that
// is_control() is escaped, so that a terminal or a script shows it instead of obeying it.
void append_json_string(std::string_view text, std::string& out);

// The same escapes in a JSON text that another library made and that has such characters raw in its
// strings. Only for UTF-8. C0 stays, because it also ends the lines of the text.
std::string with_json_escapes(std::string_view json);

// One JSON object each, with its newline.
void append_json(const Lifecycle& lifecycle, const Names& names, std::string& out);
void append_json(const Return& entry_return, std::string& out);
void append_json(const Stay& stay, std::string& out);
void append_json(const Violation& violation, const Names& names, std::string& out);
void append_json(const Loss& loss, std::string& out);
void append_json(const Report& report, std::string& out);

// One line each, with its newline. Times are seconds since `start_ns`. All names are
// printable().
void append_text(const Lifecycle& lifecycle, const Names& names, uint64_t start_ns,
                 std::string& out);
void append_text(const Stay& stay, uint64_t start_ns, std::string& out);
void append_text(const Return& entry_return, uint64_t start_ns, std::string& out);
void append_text(const Violation& violation, uint64_t start_ns, std::string& out);
void append_text(const Loss& loss, uint64_t start_ns, std::string& out);
// Several lines.
void append_text(const Report& report, std::string& out);

// Several lines, or none without rows: the comparison with the kernel's counters alone.
void append_text(const std::vector<ReconcileRow>& rows, std::string& out);

// "1.23 ms": three digits and a unit from ns to h.
void append_duration(uint64_t duration_ns, std::string& out);

}  // namespace swaptrail::report
