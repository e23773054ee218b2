#include "daemon/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "daemon/session.h"

namespace swaptrail {
namespace {

constexpr size_t kBuffer = 1 << 16;

}  // namespace

std::optional<uint64_t> HostNames::pfn_of(uint64_t folio) const {
  return frames_ ? frames_->number_of(folio) : std::nullopt;
}

std::optional<std::string_view> HostNames::cgroup_path(uint64_t id) const {
  return cgroups_.path_of(id, monotonic_ns());
}

Output::Output(const Options& options, const Names& names, int file_descriptor)
    : options_(options), names_(names), file_descriptor_(file_descriptor) {
  buffer_.reserve(kBuffer + 4096);
}

template <typename Json, typename Text>
void Output::print(Json json, Text text) {
  if (failed_ || options_.print == PrintFormat::kNone) return;
  if (options_.print == PrintFormat::kJsonl)
    json();
  else
    text();
  if (buffer_.size() >= kBuffer) flush();
}

bool Output::in_cgroup(uint64_t id) const {
  const auto path = names_.cgroup_path(id);
  if (!path) return false;
  const std::string& root = options_.cgroup;
  return *path == root || root == "/" ||
         (absl::StartsWith(absl::string_view(path->data(), path->size()), root) &&
          (root.back() == '/' || (*path)[root.size()] == '/'));
}

bool Output::wanted(const Lifecycle& lifecycle) const {
  const auto& pids = options_.pids;
  if (!pids.empty()) {
    const size_t known = std::min<size_t>(lifecycle.mapping_count, lifecycle.mappings.size());
    const bool any =
        std::any_of(lifecycle.mappings.begin(), lifecycle.mappings.begin() + known,
                    [&](const Mapping& mapping) {
                      return std::find(pids.begin(), pids.end(), mapping.tgid) != pids.end();
                    });
    if (!any) return false;
  }
  const auto& outcomes = options_.outcomes;
  if (!outcomes.empty() &&
      std::find(outcomes.begin(), outcomes.end(), lifecycle.outcome) == outcomes.end())
    return false;
  return options_.cgroup.empty() || in_cgroup(lifecycle.cgroup);
}

void Output::on_lifecycle(const Lifecycle& lifecycle) {
  summary_.on_lifecycle(lifecycle);
  if (!wanted(lifecycle)) return;
  print([&] { append_json(lifecycle, names_, buffer_); },
        [&] { append_text(lifecycle, names_, start_ns_, buffer_); });
}

void Output::on_return(const Return& entry_return) {
  summary_.on_return(entry_return);
  const auto& pids = options_.pids;
  // a return carries the process that faulted, and neither cgroup nor outcome
  if (filtering() && std::find(pids.begin(), pids.end(), entry_return.tgid) == pids.end()) return;
  print([&] { append_json(entry_return, buffer_); },
        [&] { append_text(entry_return, start_ns_, buffer_); });
}

void Output::on_violation(const Violation& violation) {
  summary_.on_violation(violation);
  print([&] { append_json(violation, names_, buffer_); },
        [&] { append_text(violation, start_ns_, buffer_); });
}

void Output::on_loss(const Loss& loss) {
  summary_.on_loss(loss);
  print([&] { append_json(loss, buffer_); }, [&] { append_text(loss, start_ns_, buffer_); });
}

void Output::print_summary(const ReconstructorCounters& counters, const StreamCounters& stream,
                           std::vector<ReconcileRow> rows) {
  const Report report{summary_, counters, stream, std::move(rows)};
  print([&] { append_json(report, buffer_); }, [&] { append_text(report, buffer_); });
  flush();
}

void Output::flush() {
  const char* at = buffer_.data();
  size_t left = buffer_.size();
  while (left > 0 && !failed_) {
    const ssize_t written = write(file_descriptor_, at, left);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      failed_ = true;
    else
      at += written, left -= written;
  }
  buffer_.clear();
}

}  // namespace swaptrail
