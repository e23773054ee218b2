#include "daemon/pipeline/output.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_format.h"
#include "daemon/base/monotonic.h"
#include "daemon/pipeline/counted_text.h"

namespace swaptrail::pipeline {

std::optional<uint64_t> HostNames::pfn_of(uint64_t folio) const {
  return frames_ ? frames_->number_of(folio) : std::nullopt;
}

std::optional<std::string_view> HostNames::cgroup_path(uint64_t id) const {
  auto path = walker_.path_of(id, base::monotonic_ns());
  if (!path) return std::nullopt;
  last_path_ = *std::move(path);
  return last_path_;
}

Output::Output(report::PrintFormat format, const report::PrintFilter& filter,
               const report::Names& names, int file_descriptor)
    : report::Printer(format, filter, names),
      prints_(format != report::PrintFormat::kNone),
      names_(names),
      outlet_(file_descriptor),
      shows_status_(format == report::PrintFormat::kSummary && isatty(STDERR_FILENO)) {}

void Output::show(const PipelineStatus& pipeline_status, bool way_back_is_seen) {
  if (!shows_status_) return;
  if (pipeline_status.counts_only) return;
  const lifecycles::ReconstructorCounters& counters = pipeline_status.reconstructor;
  if (shown_ns_ != 0 && pipeline_status.at_ns > shown_ns_) {
    const double seconds = static_cast<double>(pipeline_status.at_ns - shown_ns_) / 1e9;
    const std::string back =
        way_back_is_seen
            ? absl::StrFormat("%.0f back; %d followed in swap",
                              static_cast<double>(counters.returned_pages - back_pages_) / seconds,
                              counters.away_pages)
            : "back: not known in this mode";
    absl::FPrintF(
        stderr, "\r\033[K%.0f s: %.0f pages/s out, %s; %d events lost",
        static_cast<double>(pipeline_status.at_ns - pipeline_status.start_ns) / 1e9,
        static_cast<double>(counters.freed_pages - out_pages_) / seconds, back,
        pipeline_status.stream.dropped_ring_full + pipeline_status.stream.dropped_no_ring);
    std::fflush(stderr);
    status_shown_ = true;
  }
  out_pages_ = counters.freed_pages;
  back_pages_ = counters.returned_pages;
  shown_ns_ = pipeline_status.at_ns;
}

bool Output::write(std::string_view text) {
  if (status_shown_) std::fputs("\r\033[K", stderr);
  status_shown_ = false;
  outlet_.put(text);
  return !outlet_.broken();
}

void Output::print_last(const lifecycles::ReconstructorCounters& counters,
                        const report::StreamCounters& stream,
                        std::vector<report::ReconcileRow> rows) {
  flush();
  outlet_.finish(kPatience);  // before the summary, which reports what was left out
  print_summary(counters, stream, std::move(rows));
  outlet_.finish(kPatience);
}

void Output::print_last(const std::vector<capture::CountedRow>& counted,
                        const report::StreamCounters& stream,
                        const std::vector<report::ReconcileRow>& rows) {
  if (!prints_) return;
  std::string text;
  append_counted(counted, names_, text);
  if (stream.context_full + stream.skipped_runs != 0)
    absl::StrAppendFormat(&text, "not seen: %d (table full), %d runs left out by the kernel\n",
                          stream.context_full, stream.skipped_runs);
  report::append_text(rows, text);
  write(text);
  outlet_.finish(kPatience);
}

}  // namespace swaptrail::pipeline
