// Steps of workloads: collected, and held against what a WorkloadSource promises.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/workloads/workload_source.h"

namespace swaptrail::engine {

inline bool operator==(const WorkloadStep& one, const WorkloadStep& other) {
  return one.kind == other.kind && one.write == other.write && one.process == other.process &&
         one.child == other.child && one.page == other.page;
}

inline std::vector<WorkloadStep> steps_of(WorkloadSource& source, size_t most = SIZE_MAX) {
  std::vector<WorkloadStep> steps;
  for (WorkloadStep step; steps.size() < most && source.next(step);) steps.push_back(step);
  return steps;
}

// "r5 w5 f0>1 x1": reads and writes of process 0 by page, of another one as "w1:5".
inline std::string text_of(const std::vector<WorkloadStep>& steps) {
  std::string text;
  for (const WorkloadStep& step : steps) {
    if (!text.empty()) text += ' ';
    const std::string process = std::to_string(step.process);
    if (step.kind == StepKind::kExit) {
      text += "x" + process;
    } else if (step.kind == StepKind::kFork) {
      text += "f" + process + ">" + std::to_string(step.child);
    } else {
      text += step.write ? "w" : "r";
      if (step.process != 0) text += process + ":";
      text += std::to_string(step.page);
    }
  }
  return text;
}

// What is wrong with them by engine/workloads/workload_source.h; empty: nothing.
inline std::string broken_promise(const std::vector<WorkloadStep>& steps) {
  uint32_t processes = 0;
  std::set<uint32_t> gone;
  const auto is_new = [&](uint32_t process) { return process >= processes; };
  for (size_t at = 0; at < steps.size(); ++at) {
    const WorkloadStep& step = steps[at];
    const std::string where = "step " + std::to_string(at);
    if (is_new(step.process) && step.process != processes++) return where + ": not the next number";
    if (gone.contains(step.process)) return where + ": after its exit";
    if (step.kind == StepKind::kTouch && step.page >= kMostWorkloadPages) return where + ": page";
    if (step.kind == StepKind::kFork && (!is_new(step.child) || step.child != processes++))
      return where + ": child";
    if (step.kind == StepKind::kExit) gone.insert(step.process);
    if (processes > kMostWorkloadProcesses) return where + ": too many processes";
  }
  return "";
}

}  // namespace swaptrail::engine
