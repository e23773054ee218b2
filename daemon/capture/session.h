// A running observation: programs loaded and attached as planned, one ring per CPU.
//
// The order: open -> set constants -> load -> attach -> sweep ... -> detach -> last sweep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bpf/event.h"
#include "bpf/pass.h"
#include "daemon/base/files.h"
#include "daemon/capture/batch_view.h"
#include "daemon/capture/bpf_object.h"
#include "daemon/capture/event_source.h"
#include "daemon/capture/ring.h"
#include "daemon/capture/sweeper.h"
#include "daemon/probe/attach_plan.h"
#include "daemon/probe/features.h"
#include "daemon/probe/symbol_table.h"

namespace swaptrail::capture {

// Used by the one pipeline thread only.
class Session final : public EventSource {
 public:
  struct Options {
    size_t ring_bytes = 8 << 20;  // per CPU, a power of two
    // Meanwhile the kernel counts runs and time of every program of the host (two clock reads a run),
    // if it permits that.
    bool statistics = false;
    // May not all pages leave records? Then the programs mark slots: see set_sample_shift(). Not in tracepoint mode.
    bool samples = false;
    uint32_t sample_shift = 0;  // at first
    // No records, only counts: see counted(). Not in tracepoint mode, nor with `samples`.
    bool counts_only = false;
  };

  // Loads and attaches. A hook whose program the kernel refuses becomes kMissing in plan(), with
  // the kernel's message. `symbols` are the running kernel's. On error nothing is left behind.
  // Errors: PermissionDenied, ResourceExhausted (a ring), FailedPrecondition (no hook at all).
  static absl::StatusOr<std::unique_ptr<EventSource>> start(probe::AttachPlan plan,
                                                            const probe::HostFeatures& host,
                                                            const probe::SymbolTable& symbols,
                                                            const Options& options);

  uint64_t sweep(Merger& merger) override;
  bool emptied(uint32_t cpu) const override { return sweeper_->emptied(cpu); }
  double fill() const override { return sweeper_->fill(); }
  absl::StatusOr<std::vector<swaptrail_totals>> totals_by_cpu() const override;
  absl::StatusOr<std::vector<CountedRow>> counted() const override;
  uint64_t skipped_runs() const override { return object_.skipped_runs(); }
  std::optional<Loss> newly_skipped() override;
  std::vector<ProgramRuns> program_runs() const override;
  absl::StatusOr<host::VmstatReading> vmstat() const override { return host::read_vmstat(); }
  absl::StatusOr<std::string> swaps() const override { return base::read_file("/proc/swaps"); }
  absl::Status set_sample_shift(uint32_t shift) override;
  void detach() override;
  const probe::AttachPlan& plan() const override { return plan_; }
  const Counters& counters() const override { return sweeper_->counters(); }
  uint64_t start_ns() const override { return start_ns_; }
  uint32_t cpus() const override { return static_cast<uint32_t>(rings_.size()); }

 private:
  Session(BpfObject object, probe::AttachPlan plan)
      : object_(std::move(object)), plan_(std::move(plan)) {}
  absl::Status make_rings(int cpus, size_t bytes);
  absl::Status map_batches();
  absl::Status attach(const probe::HookPlan& hook);
  absl::Status attach_hooks();

  BpfObject object_;
  probe::AttachPlan plan_;
  std::vector<Ring> rings_;
  std::optional<Sweeper> sweeper_;         // once there are rings
  std::optional<BatchView> batches_;       // in tracepoint mode there are no passes
  std::vector<swaptrail_pass> left_open_;  // when the programs were detached
  bool detached_ = false;
  bool samples_ = false;
  bool counts_only_ = false;
  uint64_t start_ns_ = 0;
  uint64_t skipped_ = 0;     // reported by newly_skipped()
  uint64_t skipped_ns_ = 0;  // when that was read
};

}  // namespace swaptrail::capture
