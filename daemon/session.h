// A running observation: programs loaded and attached as the plan says, one ring per CPU.
//
// The order: open -> set constants -> load -> attach -> sweep ... -> detach -> last sweep.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bpf/event.h"
#include "daemon/attach_plan.h"
#include "daemon/bpf_object.h"
#include "daemon/ring.h"
#include "daemon/standing.h"
#include "trace/lifecycle.h"
#include "trace/merger.h"

namespace swaptrail {

// Used by the one pipeline thread only.
class Session {
 public:
  struct Options {
    size_t ring_bytes = 8 << 20;  // per CPU, a power of two
    // The kernel counts runs and time of every program of the host meanwhile (two clock reads a run),
    // if it permits that.
    bool statistics = false;
  };
  struct Counters {
    uint64_t consumed = 0;  // records taken out of the rings
    uint64_t invalid = 0;   // of these, not an event of this ABI: not handed on
  };

  // Loads and attaches. A hook whose program the kernel refuses becomes kMissing in plan(), with
  // the kernel's words. On error nothing stays behind.
  // Errors: PermissionDenied, ResourceExhausted (a ring), FailedPrecondition (no hook at all).
  static absl::StatusOr<Session> start(AttachPlan plan, const HostFeatures& host,
                                       const Options& options);

  Session(Session&&) noexcept = default;

  // Takes out what the rings hold and pushes it to the merger. Returns the time up to which every
  // event is now in the merger (the watermark; CLOCK_MONOTONIC ns): the start of the newest sweep
  // in which each ring was read up to where it stood when the sweep began. A record that was
  // reserved but not committed holds it back, so the merger never emits out of order.
  uint64_t sweep(Merger& merger);

  // Share of the fullest ring that was in use at the last sweep, 0 ... 1.
  double fill() const { return fill_; }

  // Exact totals of all CPUs; attempts that are not in the rings yet are the difference between
  // emitted and consumed + dropped.
  absl::StatusOr<swaptrail_totals> totals() const;
  // Of each CPU, for what was dropped after the last event that found room.
  absl::StatusOr<std::vector<swaptrail_totals>> totals_by_cpu() const;

  // Runs that the kernel skipped since the start, as far as it tells.
  uint64_t skipped_runs() const { return object_.skipped_runs(); }
  // Those since the call before (or the start), as a loss that ends now. To be called after a sweep,
  // and told before the merger advances: then no event that comes after a skipped run, and may be
  // wrong for it, is handed on before the loss. Nothing if there were none.
  std::optional<Loss> newly_skipped();

  // Of each program that was attached: what the kernel counted. Runs and time only with
  // Options::statistics, or if the host has them on anyway.
  std::vector<ProgramRuns> program_runs() const;

  // Detaches all programs; the rings keep what they hold until the next sweep.
  void detach() { object_.detach(); }

  const AttachPlan& plan() const { return plan_; }
  const Counters& counters() const { return counters_; }
  // When the last hook was attached, CLOCK_MONOTONIC ns.
  uint64_t start_ns() const { return start_ns_; }
  uint32_t cpus() const { return static_cast<uint32_t>(rings_.size()); }

 private:
  Session(BpfObject object, AttachPlan plan) : object_(std::move(object)), plan_(std::move(plan)) {}
  absl::Status make_rings(size_t bytes);
  absl::Status attach(const HookPlan& hook);
  absl::Status attach_hooks();

  BpfObject object_;
  AttachPlan plan_;
  std::vector<Ring> rings_;
  std::vector<uint64_t> complete_until_;  // by ring: the watermark of each
  Counters counters_;
  double fill_ = 0;
  size_t ring_bytes_ = 0;
  uint64_t start_ns_ = 0;
  uint64_t skipped_ = 0;     // told by newly_skipped()
  uint64_t skipped_ns_ = 0;  // when that was read
};

// CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns().
uint64_t monotonic_ns();

}  // namespace swaptrail
