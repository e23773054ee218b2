// Linux 4.4 and later as generations: one machine (engine/machine/), and what differs between them as its features.
//
// "4.4", "4.19" and the kernels of today, each of those with two lists ("6.12", "7.3") and with generations of pages
// ("6.12-mglru", "7.3-mglru"). Swap is on asynchronous devices; writes end while the next steps go on.
//
// Memory. The limit of the machine is GenerationOptions::frames, and resident() is never above it. Room for one more
// fault (2 pages and the readahead) is made before the fault takes any of it, 32 pages at a time (SWAP_CLUSTER_MAX): so
// some of the frames are always empty, as under the memory.max of a real cgroup. The optimum at the same number of frames
// has no such room, so what that costs is a part of the distance between the two. It is in the kernel's disfavour, and
// below 1 % from some 4096 frames on. In its favour: a page that was only ever read is the kernel's page of zeros, and
// takes no frame.
#pragma once

#include <array>
#include <memory>

#include "engine/generations/generation.h"
#include "engine/machine/machine.h"

namespace swaptrail::engine {

class MachineGeneration final : public Generation {
 public:
  MachineGeneration(const Features& features, const GenerationOptions& options);
  // Errors: InvalidArgument for areas that can't be together, and for a step that no source may give.
  absl::Status step(const WorkloadStep& step) override;
  const GenerationCounters& counters() const override;
  uint64_t resident() const override { return machine_.resident(); }
  Machine& machine() { return machine_; }

 protected:
  void prefetch(const WorkloadStep& far, const WorkloadStep& near) const override;

 private:
  class NoOutput final : public EventOutput {
   public:
    void on_event(const swaptrail_event&, uint64_t) override {}
  };
  enum class State : uint8_t { kUnborn, kAlive, kGone };
  struct Known {
    State state = State::kUnborn;
    uint32_t index = 0;  // in the machine
  };

  absl::Status touch(const WorkloadStep& step);
  absl::Status fork(const WorkloadStep& step);
  absl::Status born(uint32_t process);

  SimulationOptions options_;
  NoOutput output_;
  Machine machine_;
  absl::Status status_;
  std::array<Known, kMostWorkloadProcesses> processes_;
  uint64_t steps_ = 0;
  mutable GenerationCounters counters_;  // as of the last call of counters()
};

// The features of a column of today with two lists in the place of generations (lru_gen/enabled = 0).
Features with_two_lists(Features features);

std::unique_ptr<Generation> make_linux_4_4(const GenerationOptions& options);
std::unique_ptr<Generation> make_linux_4_19(const GenerationOptions& options);
std::unique_ptr<Generation> make_linux_6_12(const GenerationOptions& options);
std::unique_ptr<Generation> make_linux_6_12_mglru(const GenerationOptions& options);
std::unique_ptr<Generation> make_linux_7_3(const GenerationOptions& options);
std::unique_ptr<Generation> make_linux_7_3_mglru(const GenerationOptions& options);

}  // namespace swaptrail::engine
