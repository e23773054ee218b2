// A kernel played by a test: what is in the rings, the totals as the programs count them (bpf/emit.bpf.h), and
// the kernel's own counts. The pipeline on it is the daemon's own.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/capture/event_source.h"

namespace swaptrail {

// What the daemon would attach to that kernel (tests/data/kernels), if it was permitted everything.
inline probe::AttachPlan plan_for(const std::string& series,
                                  probe::Mode mode = probe::Mode::kFull) {
  const std::string path = std::string(SWAPTRAIL_SOURCE_DIR) + "/tests/data/kernels/" + series;
  const auto kernel = probe::KernelView::open(
      {.btf_path = path + ".btf", .symbols_path = path + ".symbols", .release = series});
  EXPECT_TRUE(kernel.ok()) << kernel.status();
  return kernel.ok() ? probe::make_attach_plan(*kernel, {mode, "asked for"}) : probe::AttachPlan();
}

// Any thread. Must outlive its source().
class ScriptedKernel {
 public:
  explicit ScriptedKernel(probe::AttachPlan plan = plan_for("6.12")) : plan_(std::move(plan)) {}

  std::unique_ptr<capture::EventSource> source() { return std::make_unique<Source>(*this); }
  const probe::AttachPlan& plan() const { return plan_; }

  // These happen, are counted on both sides, and lie in the ring of CPU 0. Their times must not be before the
  // source was made.
  void happen(const std::vector<swaptrail_event>& events) {
    const std::lock_guard lock(mutex_);
    for (swaptrail_event event : events) {
      count(event);
      event.lost = static_cast<uint32_t>(totals_.dropped[SWAPTRAIL_DROP_RING_FULL]);
      ring_.push_back(event);
    }
  }
  // A record of a kind that no row compares finds no room.
  void drop(int cause, uint64_t records = 1) {
    const std::lock_guard lock(mutex_);
    totals_.emitted[SWAPTRAIL_UNMAPPED] += records;
    totals_.dropped[cause] += records;
  }
  void find_context_full(uint64_t times = 1) {
    const std::lock_guard lock(mutex_);
    totals_.context_full += times;
  }
  void skip_runs(uint64_t runs = 1) {
    const std::lock_guard lock(mutex_);
    skipped_ += runs;
  }
  // The kernel counts what no program saw.
  void count_alone(const std::string& counter, uint64_t pages = 1) {
    const std::lock_guard lock(mutex_);
    vmstat_[counter] += pages;
  }
  void use_slots_alone(uint64_t pages) {
    const std::lock_guard lock(mutex_);
    used_slots_ += pages;
  }
  // As the programs count it with --detail=counters.
  void count_in_maps(std::vector<capture::CountedRow> rows) {
    const std::lock_guard lock(mutex_);
    counted_ = std::move(rows);
  }
  // log2 of the rate at which pages are sampled.
  uint32_t sample_shift() {
    const std::lock_guard lock(mutex_);
    return sample_shift_;
  }
  // Asked before each reading of "totals", "counted", "vmstat" and "swaps" from now on: what it fails with.
  using Failure = std::function<absl::Status(const std::string& reading)>;
  void fail_with(Failure failure) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(failure);
  }

 private:
  class Source : public capture::EventSource {
   public:
    explicit Source(ScriptedKernel& kernel) : kernel_(kernel), start_ns_(base::monotonic_ns()) {}

    uint64_t sweep(Merger& merger) override {
      const uint64_t now = base::monotonic_ns();
      const std::lock_guard lock(kernel_.mutex_);
      for (const swaptrail_event& event : std::exchange(kernel_.ring_, {})) {
        ++counters_.consumed;
        merger.push(0, event);
      }
      return now;
    }
    bool emptied(uint32_t) const override { return true; }
    double fill() const override { return 0; }
    absl::StatusOr<std::vector<swaptrail_totals>> totals_by_cpu() const override {
      const std::lock_guard lock(kernel_.mutex_);
      if (absl::Status status = kernel_.failure_("totals"); !status.ok()) return status;
      return std::vector<swaptrail_totals>{kernel_.totals_, swaptrail_totals{}};
    }
    absl::StatusOr<std::vector<capture::CountedRow>> counted() const override {
      const std::lock_guard lock(kernel_.mutex_);
      if (absl::Status status = kernel_.failure_("counted"); !status.ok()) return status;
      return kernel_.counted_;
    }
    uint64_t skipped_runs() const override {
      const std::lock_guard lock(kernel_.mutex_);
      return kernel_.skipped_;
    }
    std::optional<Loss> newly_skipped() override {
      const uint64_t skipped = skipped_runs(), told = std::exchange(told_, skipped);
      if (skipped == told) return std::nullopt;
      return Loss{start_ns_, base::monotonic_ns(), skipped - told, kNoCpu};
    }
    std::vector<capture::ProgramRuns> program_runs() const override { return {}; }
    absl::StatusOr<host::VmstatReading> vmstat() const override {
      const std::lock_guard lock(kernel_.mutex_);
      if (absl::Status status = kernel_.failure_("vmstat"); !status.ok()) return status;
      host::VmstatReading reading;
      reading.text = std::make_unique<const std::string>(
          absl::StrJoin(kernel_.vmstat_, "\n", absl::PairFormatter(" ")));
      host::parse_vmstat(*reading.text, reading.values);
      return reading;
    }
    absl::StatusOr<std::string> swaps() const override {
      const std::lock_guard lock(kernel_.mutex_);
      if (absl::Status status = kernel_.failure_("swaps"); !status.ok()) return status;
      return absl::StrCat("Filename\tType\tSize\tUsed\tPriority\n/dev/one partition 1024 ",
                          4 * kernel_.used_slots_, " -2\n");
    }
    absl::Status set_sample_shift(uint32_t shift) override {
      const std::lock_guard lock(kernel_.mutex_);
      kernel_.sample_shift_ = shift;
      return absl::OkStatus();
    }
    void detach() override {}
    const probe::AttachPlan& plan() const override { return kernel_.plan_; }
    const Counters& counters() const override { return counters_; }
    uint64_t start_ns() const override { return start_ns_; }
    uint32_t cpus() const override { return 2; }

   private:
    ScriptedKernel& kernel_;
    Counters counters_;
    const uint64_t start_ns_;
    uint64_t told_ = 0;  // of the skipped runs
  };

  void count(const swaptrail_event& event) {
    ++totals_.emitted[event.kind];
    if (event.result < 0) {
      totals_.failed_pages[event.kind] += event.nr_pages;
      return;
    }
    totals_.pages[event.kind] += event.nr_pages;
    if (event.kind == SWAPTRAIL_WRITE_END)
      totals_.backend_pages[event.u.page.backend] += event.nr_pages;
    if (event.kind == SWAPTRAIL_WRITE_ISSUED) vmstat_["pswpout"] += event.nr_pages;
    if (event.kind == SWAPTRAIL_SWAP_READ) vmstat_["pswpin"] += event.nr_pages;
    if (event.kind == SWAPTRAIL_SLOT_ALLOCATED) used_slots_ += event.nr_pages;
    if (event.kind == SWAPTRAIL_SLOT_FREED) used_slots_ -= event.nr_pages;
  }

  const probe::AttachPlan plan_;
  std::mutex mutex_;
  std::vector<swaptrail_event> ring_;
  swaptrail_totals totals_{};
  std::map<std::string, uint64_t> vmstat_{
      {"pswpout", 0}, {"pswpin", 0}, {"zswpout", 0}, {"zswpin", 0}, {"swpout_zero", 0}};
  std::vector<capture::CountedRow> counted_;
  uint64_t used_slots_ = 0;
  uint64_t skipped_ = 0;
  uint32_t sample_shift_ = 0;
  Failure failure_ = [](const std::string&) { return absl::OkStatus(); };
};

}  // namespace swaptrail
