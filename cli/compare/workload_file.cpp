#include "cli/compare/workload_file.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/base/errors.h"
#include "cli/compare/trace_bytes.h"
#include "engine/workloads/lackey.h"
#include "engine/workloads/recorded.h"
#include "trace/recording/file.h"
#include "trace/recording/format.h"
#include "trace/recording/reader.h"

namespace swaptrail::compare {
namespace {

using engine::WorkloadStep;

class TracedWorkload : public WorkloadFile {
 public:
  TracedWorkload(std::string path, std::unique_ptr<TraceBytes> bytes)
      : path_(std::move(path)), bytes_(std::move(bytes)), trace_(*bytes_) {}

  bool next(WorkloadStep& step) override { return trace_.next(step); }
  void rewind() override { trace_.rewind(); }
  uint64_t expected_steps() const override { return trace_.expected_steps(); }
  absl::Status status() const override { return cli::with_path(trace_.status(), path_); }
  std::string account() const override {
    const engine::LackeyCounters& counters = trace_.counters();
    return absl::StrCat(counters.loads, " loads, ", counters.stores, " stores and ",
                        counters.modifies, " modifications, of which ", counters.folded,
                        " went to the page of the one before; left out: ", counters.instructions,
                        " instructions");
  }

 private:
  const std::string path_;
  const std::unique_ptr<TraceBytes> bytes_;
  engine::LackeyTrace trace_;
};

class RecordedWorkload : public WorkloadFile {
 public:
  static absl::StatusOr<std::unique_ptr<WorkloadFile>> open(
      const std::string& path, std::unique_ptr<recording::FileSource> file) {
    auto reader = recording::RecordingReader::open(*file);
    if (!reader.ok()) return cli::with_path(reader.status(), path);
    if ((*reader)->header().mode == "tracepoint")
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": mode tracepoint shows no pages of processes"));
    return std::make_unique<RecordedWorkload>(path, std::move(file), *std::move(reader));
  }
  RecordedWorkload(std::string path, std::unique_ptr<recording::FileSource> file,
                   std::unique_ptr<recording::RecordingReader> reader)
      : path_(std::move(path)), file_(std::move(file)), reader_(std::move(reader)) {}

  bool next(WorkloadStep& step) override {
    while (next_step_ == steps_.size())
      if (!take_event()) return false;
    step = steps_[next_step_++];
    return true;
  }
  void rewind() override {
    reader_->rewind();
    block_ = {};
    steps_.clear();
    next_event_ = next_step_ = 0;
    lost_ = 0;
    accesses_ = engine::RecordedAccesses();
    status_ = absl::OkStatus();
  }
  uint64_t expected_steps() const override { return 0; }
  absl::Status status() const override { return cli::with_path(status_, path_); }
  std::string account() const override {
    const engine::RecordedCounters& counters = accesses_.counters();
    return absl::StrCat(
        counters.faults, " faults, ", counters.left, " pages that left, ", counters.writes_seen,
        " writes between; not known: ", counters.writes_unknown, " writes, ",
        counters.returns_unseen, " returns, ", lost_,
        " lost events; left out: ", counters.shared_memory, " of shared memory, ",
        counters.no_place, " without an address, ", counters.pages_full + counters.processes_full,
        " for which there was no room");
  }

 private:
  // The steps of the next event. False: there is none, or an error.
  bool take_event() {
    steps_.clear();
    next_step_ = 0;
    while (next_event_ == block_.events.size())
      if (!take_block()) return false;
    accesses_.on_event(block_.events[next_event_++].event, steps_);
    return true;
  }
  bool take_block() {
    if (!status_.ok()) return false;
    block_.events.clear();
    block_.losses.clear();
    next_event_ = 0;
    const absl::StatusOr<bool> is_there = reader_->next_block(block_);
    if (!is_there.ok()) {
      status_ = is_there.status();
      block_.events.clear();
      return false;
    }
    if (!*is_there) return false;
    for (const recording::RecordedLoss& loss : block_.losses) lost_ += loss.loss.count;
    if (block_.gap)
      for (const recording::Gap::Cpu& cpu : block_.gap->cpus) lost_ += cpu.events + cpu.lost;
    return true;
  }

  const std::string path_;
  const std::unique_ptr<recording::FileSource> file_;
  const std::unique_ptr<recording::RecordingReader> reader_;
  recording::RecordedBlock block_;
  size_t next_event_ = 0;
  std::vector<WorkloadStep> steps_;  // of one event
  size_t next_step_ = 0;
  uint64_t lost_ = 0;
  engine::RecordedAccesses accesses_;
  absl::Status status_;
};

absl::StatusOr<bool> is_recording(const recording::FileSource& file) {
  constexpr std::string_view kMagic(recording::kRecordingMagic, sizeof(recording::kRecordingMagic));
  std::string begin(std::min<uint64_t>(kMagic.size(), file.size()), '\0');
  if (absl::Status status = file.read_at(0, begin.data(), begin.size()); !status.ok())
    return status;
  return begin == kMagic;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WorkloadFile>> open_workload_file(const std::string& path) {
  auto file = recording::FileSource::open(path);
  if (!file.ok()) return cli::with_path(file.status(), path);
  const auto recording = is_recording(**file);
  if (!recording.ok()) return cli::with_path(recording.status(), path);
  if (*recording) return RecordedWorkload::open(path, *std::move(file));
  auto bytes = TraceBytes::open(path);
  if (!bytes.ok()) return cli::with_path(bytes.status(), path);
  return std::make_unique<TracedWorkload>(path, *std::move(bytes));
}

}  // namespace swaptrail::compare
