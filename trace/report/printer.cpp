#include "trace/report/printer.h"

#include <algorithm>
#include <utility>

namespace swaptrail::report {
namespace {

constexpr size_t kBuffer = 1 << 16;

template <typename Value>
bool contains(const std::vector<Value>& values, Value value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

bool is_inside(std::string_view path, std::string_view root) {
  return path == root || root == "/" ||
         (path.starts_with(root) && (root.ends_with('/') || path[root.size()] == '/'));
}

bool PrintFilter::wants(const Lifecycle& lifecycle, const Names& names) const {
  if (!pids.empty()) {
    const size_t known = std::min<size_t>(lifecycle.mapping_count, lifecycle.mappings.size());
    const auto begin = lifecycle.mappings.begin();
    const bool mapped = std::any_of(
        begin, begin + known, [&](const Mapping& mapping) { return contains(pids, mapping.tgid); });
    if (!mapped) return false;
  }
  if (!outcomes.empty() && !contains(outcomes, lifecycle.outcome)) return false;
  if (cgroup.empty()) return true;
  const auto path = names.cgroup_path(lifecycle.cgroup);
  return path && is_inside(*path, cgroup);
}

bool PrintFilter::wants(const Return& entry_return) const {
  return !any() || contains(pids, entry_return.tgid);
}

Printer::Printer(PrintFormat format, PrintFilter filter, const Names& names)
    : format_(format), filter_(std::move(filter)), names_(names) {
  buffer_.reserve(kBuffer + 4096);
}

template <typename Json, typename Text>
void Printer::print(Json json, Text text) {
  if (failed_ || format_ == PrintFormat::kNone) return;
  if (format_ == PrintFormat::kJsonl)
    json();
  else
    text();
  if (buffer_.size() >= kBuffer) flush();
}

// Prints one of very many.
template <typename Json, typename Text>
void Printer::print_page(Json json, Text text) {
  if (format_ != PrintFormat::kSummary) print(json, text);
}

void Printer::on_lifecycle(const Lifecycle& lifecycle) {
  summary_.on_lifecycle(lifecycle);
  if (!filter_.wants(lifecycle, names_)) return;
  print_page([&] { append_json(lifecycle, names_, buffer_); },
             [&] { append_text(lifecycle, names_, start_ns_, buffer_); });
}

void Printer::on_return(const Return& entry_return) {
  summary_.on_return(entry_return);
  if (!filter_.wants(entry_return)) return;
  print_page([&] { append_json(entry_return, buffer_); },
             [&] { append_text(entry_return, start_ns_, buffer_); });
}

// A stay has no process: a filter by process leaves it out.
void Printer::on_stay(const Stay& stay) {
  if (filter_.any()) return;
  print_page([&] { append_json(stay, buffer_); }, [&] { append_text(stay, start_ns_, buffer_); });
}

void Printer::on_violation(const Violation& violation) {
  summary_.on_violation(violation);
  print([&] { append_json(violation, names_, buffer_); },
        [&] { append_text(violation, start_ns_, buffer_); });
}

void Printer::on_loss(const Loss& loss) {
  summary_.on_loss(loss);
  print([&] { append_json(loss, buffer_); }, [&] { append_text(loss, start_ns_, buffer_); });
}

void Printer::print_summary(const lifecycles::ReconstructorCounters& counters,
                            const StreamCounters& stream, std::vector<ReconcileRow> rows) {
  const Report report{summary_, counters, stream, std::move(rows), lines_left_out()};
  print([&] { append_json(report, buffer_); }, [&] { append_text(report, buffer_); });
  flush();
}

void Printer::flush() {
  if (!failed_ && !buffer_.empty()) failed_ = !write(buffer_);
  buffer_.clear();
}

}  // namespace swaptrail::report
