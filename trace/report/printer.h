// What is printed while pages are followed: lifecycles and the rest, filtered. The summary covers
// everything.
//
// `swaptraild --print` and `swaptrail replay` share this one code path: the same calls give the
// same bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "trace/lifecycle.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/report/print.h"
#include "trace/report/summary.h"

namespace swaptrail::report {

// kSummary: as kText, without a line for each lifecycle, return and stay.
enum class PrintFormat : uint8_t { kText, kJsonl, kSummary, kNone };

// Is the cgroup at `path` the one at `root`, or below it?
bool is_inside(std::string_view path, std::string_view root);

// What is printed; empty = everything. Violations and losses are always printed. A return has
// neither cgroup nor outcome, so a filter checks only its process.
struct PrintFilter {
  std::vector<uint32_t> pids;  // of a process that had the page mapped
  std::string cgroup;          // to which it is charged, or one below: "/system.slice"
  std::vector<Outcome> outcomes;

  bool any() const { return !pids.empty() || !cgroup.empty() || !outcomes.empty(); }
  bool wants(const Lifecycle& lifecycle, const Names& names) const;
  bool wants(const Return& entry_return) const;
};

// Text is collected and given to write() when flush() is called or 64 KiB are full. An error of
// write() (a closed pipe) ends the printing, not the observation; see failed(). One thread.
class Printer : public lifecycles::LifecycleSink {
 public:
  // `names` must outlive it.
  Printer(PrintFormat format, PrintFilter filter, const Names& names);

  void on_lifecycle(const Lifecycle& lifecycle) override;
  void on_return(const Return& entry_return) override;
  void on_stay(const Stay& stay) override;
  void on_violation(const Violation& violation) override;
  void on_loss(const Loss& loss) override;

  // Prints the summary, last.
  void print_summary(const lifecycles::ReconstructorCounters& counters,
                     const StreamCounters& stream, std::vector<ReconcileRow> rows);
  void flush();

  void set_start(uint64_t start_ns) { start_ns_ = start_ns; }  // the zero of the seconds in text
  const Summary& summary() const { return summary_; }
  bool failed() const { return failed_; }

 protected:
  // Takes all of `text`, or returns false: then it is not called again.
  virtual bool write(std::string_view text) = 0;
  // Lines that write() took but did not print.
  virtual uint64_t lines_left_out() const { return 0; }

 private:
  template <typename Json, typename Text>
  void print(Json json, Text text);
  template <typename Json, typename Text>
  void print_page(Json json, Text text);

  const PrintFormat format_;
  const PrintFilter filter_;
  const Names& names_;
  Summary summary_;
  std::string buffer_;
  uint64_t start_ns_ = 0;
  bool failed_ = false;
};

}  // namespace swaptrail::report
