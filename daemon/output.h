// Lifecycles to standard output, filtered, and all of them into the summary.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/cgroups.h"
#include "daemon/options.h"
#include "daemon/page_frames.h"
#include "trace/print.h"
#include "trace/reconstructor.h"
#include "trace/summary.h"

namespace swaptrail {

// Names as this host knows them. One thread.
class HostNames : public Names {
 public:
  HostNames(std::optional<PageFrames> frames, Cgroups cgroups)
      : frames_(frames), cgroups_(std::move(cgroups)) {}

  std::optional<uint64_t> pfn_of(uint64_t folio) const override;
  std::optional<std::string_view> cgroup_path(uint64_t id) const override;

 private:
  std::optional<PageFrames> frames_;
  mutable Cgroups cgroups_;  // remembers what it has looked up
};

// Text is collected and written when flush() is called or a buffer is full. A write error (a
// closed pipe) ends the printing, not the observation: failed() tells. Pipeline thread only.
class Output : public LifecycleSink {
 public:
  // `names` must outlive it. Filters and format are taken from the options.
  Output(const Options& options, const Names& names, int file_descriptor);

  void on_lifecycle(const Lifecycle& lifecycle) override;
  void on_return(const Return& entry_return) override;
  void on_violation(const Violation& violation) override;
  void on_loss(const Loss& loss) override;

  // The last thing printed.
  void print_summary(const ReconstructorCounters& counters, const StreamCounters& stream,
                     std::vector<ReconcileRow> rows);
  void flush();

  void set_start(uint64_t start_ns) { start_ns_ = start_ns; }
  const Summary& summary() const { return summary_; }
  bool failed() const { return failed_; }

 private:
  bool wanted(const Lifecycle& lifecycle) const;
  bool filtering() const {
    return !options_.pids.empty() || !options_.cgroup.empty() || !options_.outcomes.empty();
  }
  bool in_cgroup(uint64_t id) const;
  template <typename Json, typename Text>
  void print(Json json, Text text);

  const Options& options_;
  const Names& names_;
  int file_descriptor_;
  Summary summary_;
  std::string buffer_;
  uint64_t start_ns_ = 0;
  bool failed_ = false;
};

}  // namespace swaptrail
