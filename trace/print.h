// Lifecycles and the rest as text for people and as JSON lines for tools.
//
// Everything is appended to a string of the caller, whose capacity is so reused. No locale.
#ifndef SWAPTRAIL_TRACE_PRINT_H_
#define SWAPTRAIL_TRACE_PRINT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trace/lifecycle.h"
#include "trace/reconcile.h"
#include "trace/summary.h"

namespace swaptrail {

// What only the running system can tell. The default knows nothing.
class Names {
 public:
  virtual ~Names() = default;
  virtual std::optional<uint64_t> pfn_of(uint64_t) const { return std::nullopt; }
  // The view must live until the next call.
  virtual std::optional<std::string_view> cgroup_path(uint64_t) const { return std::nullopt; }
};

// A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string_view text, std::string& out);

// One JSON object each, with its newline.
void append_json(const Lifecycle& lifecycle, const Names& names, std::string& out);
void append_json(const Return& entry_return, std::string& out);
void append_json(const Violation& violation, const Names& names, std::string& out);
void append_json(const Loss& loss, std::string& out);
void append_json(const Summary& summary, const ReconstructorCounters& counters,
                 const std::vector<ReconcileRow>& rows, std::string& out);

// One line each, with its newline. Times are seconds since `start_ns`. Control characters of a comm
// are shown as '?'.
void append_text(const Lifecycle& lifecycle, const Names& names, uint64_t start_ns,
                 std::string& out);
void append_text(const Return& entry_return, uint64_t start_ns, std::string& out);
void append_text(const Violation& violation, uint64_t start_ns, std::string& out);
void append_text(const Loss& loss, uint64_t start_ns, std::string& out);
// Several lines.
void append_text(const Summary& summary, const ReconstructorCounters& counters,
                 const std::vector<ReconcileRow>& rows, std::string& out);

// "1.23 ms": three digits and a unit from ns to h.
void append_duration(uint64_t duration_ns, std::string& out);

}  // namespace swaptrail

#endif  // SWAPTRAIL_TRACE_PRINT_H_
