#include "engine/workloads/optimum.h"

#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "trace/check.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kMostFramesOfOptimum = uint64_t{1} << 31;

absl::Status broken(std::string_view what, uint64_t value) {
  return absl::InvalidArgumentError(
      absl::StrCat("no step of a workload: ", std::string(what), " ", value));
}

}  // namespace

Optimum::Optimum(uint64_t frames, uint64_t most_pages)
    : most_pages_(most_pages), retention_(static_cast<uint32_t>(frames - 1)) {
  SWAPTRAIL_CHECK(frames >= 1 && frames <= kMostFramesOfOptimum);
  SWAPTRAIL_CHECK(most_pages <= kMostPages);
}

absl::Status Optimum::step(const WorkloadStep& step) {
  if (step.process >= kMostWorkloadProcesses) return broken("process", step.process);
  Process& process = processes_[step.process];
  if (process.life == Life::kGone) return broken("after its exit, process", step.process);
  absl::Status status;
  switch (step.kind) {
    case StepKind::kTouch:
      if (step.page >= kMostWorkloadPages) return broken("page", step.page);
      status = touch(process, step.page, step.write);
      break;
    case StepKind::kFork:
      status = fork(process, step.child);
      break;
    case StepKind::kExit:
      exit(process);
      break;
  }
  if (!status.ok()) return status;
  process.life = step.kind == StepKind::kExit ? Life::kGone : Life::kAlive;
  ++counters_.steps;
  return status;
}

absl::Status Optimum::touch(Process& process, uint64_t page, bool write) {
  if (!write) {
    const auto found = process.objects.find(page);
    if (found == process.objects.end()) {
      ++counters_.zero_reads;
    } else {
      use(found->second);
    }
    return absl::OkStatus();
  }
  const auto [found, is_new] = process.objects.try_emplace(page, 0);
  if (is_new) {
    if (pages_ == most_pages_) {
      process.objects.erase(found);
      return absl::ResourceExhaustedError(
          absl::StrCat("the workload has more than ", most_pages_, " pages"));
    }
    ++pages_;
    ++counters_.first_writes;
    found->second = begin_object();
    return absl::OkStatus();
  }
  use(found->second);
  if (sharers_[found->second] == 1) return absl::OkStatus();
  ++counters_.copies;
  leave(found->second);
  found->second = begin_object();
  return absl::OkStatus();
}

absl::Status Optimum::fork(Process& parent, uint32_t child) {
  if (child >= kMostWorkloadProcesses) return broken("child", child);
  Process& made = processes_[child];
  if (&made == &parent || made.life != Life::kNotYet)
    return broken("forked though it was there, process", child);
  if (parent.objects.size() > most_pages_ - pages_)
    return absl::ResourceExhaustedError(
        absl::StrCat("the workload has more than ", most_pages_, " pages"));
  made.life = Life::kAlive;
  made.objects = parent.objects;
  pages_ += made.objects.size();
  for (const auto& [page, object] : made.objects) ++sharers_[object];
  return absl::OkStatus();
}

void Optimum::exit(Process& process) {
  for (const auto& [page, object] : process.objects) leave(object);
  pages_ -= process.objects.size();
  absl::flat_hash_map<uint64_t, uint32_t>().swap(process.objects);
}

void Optimum::use(uint32_t object) {
  ++(retention_.reuse(object) ? counters_.kept : counters_.reads);
}

uint32_t Optimum::begin_object() {
  uint32_t object = static_cast<uint32_t>(sharers_.size());
  if (free_.empty()) {
    sharers_.push_back(1);
  } else {
    object = free_.back();
    free_.pop_back();
    sharers_[object] = 1;
  }
  retention_.begin(object);
  return object;
}

// One process has it no more.
void Optimum::leave(uint32_t object) {
  if (--sharers_[object] != 0) return;
  retention_.forget(object);
  free_.push_back(object);
}

}  // namespace swaptrail::engine
