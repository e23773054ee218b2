#include "validate/in_step.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "daemon/probe/hook_catalogue.h"

namespace swaptrail::validate {
namespace {

// A newer swaptrail may have hooked a function that this one has no model of.
bool is_known(const recording::RecordedHook& hook) {
  const auto candidates = probe::candidates_of(probe::Mode::kFull);
  return std::any_of(candidates.begin(), candidates.end(), [&](const probe::Candidate& candidate) {
    return candidate.hook == hook.hook && candidate.target == hook.target;
  });
}

absl::StatusOr<std::vector<engine::HookTarget>> chosen_targets(
    const recording::RecordingHeader& header) {
  std::vector<engine::HookTarget> targets;
  for (const recording::RecordedHook& hook : header.hooks) {
    if (hook.state != "chosen") continue;
    if (!is_known(hook))
      return absl::InvalidArgumentError(absl::StrCat("the model does not know ", hook.target,
                                                     "(), which serves the hook ", hook.hook));
    targets.push_back({hook.hook, hook.target});
  }
  return targets;
}

}  // namespace

absl::StatusOr<engine::LockstepOptions> lockstep_options(const recording::RecordingHeader& header) {
  if (header.mode == "tracepoint")
    return absl::InvalidArgumentError(
        "mode tracepoint shows no reclaim batch, slot, unmapping or removal: no step of a swap-out "
        "can be checked");
  const auto targets = chosen_targets(header);
  if (!targets.ok()) return targets.status();
  const auto features = engine::features_of(*targets);
  if (!features.ok()) return features.status();
  const lifecycles::ReconstructorOptions& reconstruction = header.reconstruction;
  engine::LockstepOptions options;
  options.features = *features;
  options.start_ns = reconstruction.start_ns;
  options.may_miss_silently = reconstruction.may_miss_silently;
  options.cpus = header.cpus;
  options.event_abi = header.event_abi;
  options.shmem_faults_seen =
      std::any_of(targets->begin(), targets->end(),
                  [](const engine::HookTarget& one) { return one.hook == "shmem_swap_in"; });
  options.page_struct_size = reconstruction.page_struct_size;
  options.max_swapfiles = reconstruction.max_swapfiles;
  return options;
}

engine::Area as_area(const recording::SwapArea& area) {
  engine::Area result;
  result.type = area.type;
  if (area.bytes != 0) result.pages = engine::pages_of_size(area.bytes);
  result.priority = area.priority;
  result.rotational = area.rotational == recording::Known::kYes;
  result.block_device = area.path.starts_with("/dev/");
  return result;
}

Violation as_violation(const engine::Finding& finding) {
  return {engine::rule_text(finding.rule).name,
          finding.lifecycle_id,
          finding.folio,
          finding.entry,
          finding.time_ns,
          finding.text};
}

void InStep::Closed::on_lifecycle(const Lifecycle& lifecycle) {
  next_.on_lifecycle(lifecycle);
  compare_or_keep(lifecycle);
}

void InStep::Closed::on_return(const Return& entry_return) {
  next_.on_return(entry_return);
  compare_or_keep(entry_return);
}

void InStep::Closed::on_stay(const Stay& stay) {
  next_.on_stay(stay);
  compare_or_keep(stay);
}

void InStep::Closed::compare_or_keep(const Item& item) {
  if (waiting_)
    kept_.push_back(item);
  else
    compare(item);
}

void InStep::Closed::compare(const Item& item) {
  if (const auto* lifecycle = std::get_if<Lifecycle>(&item)) lockstep_.on_lifecycle(*lifecycle);
  if (const auto* entry_return = std::get_if<Return>(&item)) lockstep_.on_return(*entry_return);
  if (const auto* stay = std::get_if<Stay>(&item)) lockstep_.on_stay(*stay);
}

void InStep::Closed::compare() {
  waiting_ = false;
  for (const Item& item : kept_) compare(item);
  kept_.clear();
}

InStep::InStep(const engine::LockstepOptions& options, engine::FindingSink& findings,
               lifecycles::LifecycleSink& next)
    : lockstep_(options, findings), closed_(next, lockstep_) {}

void InStep::on_area(const recording::SwapArea& area) {
  lockstep_.on_area(as_area(area), area.used_bytes == 0 ? area.at_ns : 0);
}

void InStep::on_event(const swaptrail_event& event, uint64_t sequence) {
  closed_.wait();
  reconstructor_->on_event(event, sequence);
  lockstep_.on_event(event, sequence);
  closed_.compare();
}

void InStep::on_time(uint64_t now_ns) { reconstructor_->on_time(now_ns); }

void InStep::on_loss(const Loss& loss) {
  closed_.wait();
  reconstructor_->on_loss(loss);
  lockstep_.on_loss(loss);
  closed_.compare();
}

void InStep::finish(uint64_t now_ns) {
  reconstructor_->finish(now_ns);
  lockstep_.finish(now_ns);
}

}  // namespace swaptrail::validate
