// Names as this host knows them, and swaptraild's output.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/host/cgroup_walker.h"
#include "daemon/host/page_frames.h"
#include "daemon/pipeline/outlet.h"
#include "daemon/pipeline/status.h"
#include "trace/report/print.h"
#include "trace/report/printer.h"

namespace swaptrail::pipeline {

// Names as this host knows them. One thread.
class HostNames : public report::Names {
 public:
  // `walker` must outlive it.
  HostNames(std::optional<host::PageFrames> frames, host::CgroupWalker& walker)
      : frames_(frames), walker_(walker) {}

  std::optional<uint64_t> pfn_of(uint64_t folio) const override;
  std::optional<std::string_view> cgroup_path(uint64_t id) const override;
  const std::optional<host::PageFrames>& frames() const { return frames_; }
  uint64_t page_frames_base() const { return frames_ ? frames_->base() : 0; }

 private:
  std::optional<host::PageFrames> frames_;
  host::CgroupWalker& walker_;
  mutable std::string last_path_;  // the target of cgroup_path()'s view
};

// Writes to a file descriptor, and waits for its reader only at the end. Pipeline thread only.
class Output : public report::Printer {
 public:
  static constexpr absl::Duration kPatience = absl::Seconds(2);

  // `names` must outlive it.
  Output(report::PrintFormat format, const report::PrintFilter& filter, const report::Names& names,
         int file_descriptor);

  // Writes what the reader did not take before. Call it with each sweep.
  void drain() { outlet_.drain(); }
  // As print_summary(), after all other lines. Waits for a slow reader, at most twice kPatience: what it has not
  // taken by then is left out and counted.
  void print_last(const lifecycles::ReconstructorCounters& counters,
                  const report::StreamCounters& stream, std::vector<report::ReconcileRow> rows);
  // With --detail=counters instead.
  void print_last(const std::vector<capture::CountedRow>& counted,
                  const report::StreamCounters& stream,
                  const std::vector<report::ReconcileRow>& rows);
  // Lines that were left out because the reader was slow.
  uint64_t lines_left_out() const override { return outlet_.lines_left_out(); }

  // Call it once a second. If only the summary is printed, and standard error is a terminal, shows a status
  // line there that the next one overwrites.
  void show(const PipelineStatus& pipeline_status, bool way_back_is_seen);

 protected:
  bool write(std::string_view text) override;

 private:
  const bool prints_;
  const report::Names& names_;
  Outlet outlet_;
  bool shows_status_;
  bool status_shown_ = false;
  uint64_t out_pages_ = 0, back_pages_ = 0, shown_ns_ = 0;  // of the previous line
};

}  // namespace swaptrail::pipeline
