// A workload, step by step: what every generation is given, and what the optimum is computed for.
//
// The order of the steps is the order in which they happen: one step is done before the next begins, whoever makes it. So
// generations differ only in what they keep in memory, never in what is asked of them.
#pragma once

#include <cstdint>

namespace swaptrail::engine {

enum class StepKind : uint8_t {
  kTouch,  // `process` reads or writes one of its pages of anonymous memory
  kFork,   // `process` gets the child `child`, which shares all its pages until one of them writes
  kExit,   // the memory of `process` goes
};

// Processes are numbered from 0, in order of their first step; a child's number is not used before its fork, and no number
// after its exit.
struct WorkloadStep {
  StepKind kind = StepKind::kTouch;
  bool write = false;  // kTouch
  uint32_t process = 0;
  uint32_t child = 0;  // kFork
  uint64_t page = 0;   // kTouch: below kMostWorkloadPages
};

inline constexpr uint64_t kWorkloadPageBytes = 4096;
inline constexpr uint64_t kMostWorkloadPages = uint64_t{1}
                                               << 36;  // of one process: 48 bits of addresses
inline constexpr uint32_t kMostWorkloadProcesses = 256;

// Deterministic: after rewind() the same steps come again. Memory is bounded, however long the workload is.
class WorkloadSource {
 public:
  virtual ~WorkloadSource() = default;
  // False: it is over, or ended by an error of its own (see the source).
  virtual bool next(WorkloadStep& step) = 0;
  virtual void rewind() = 0;
  virtual uint64_t expected_steps() const = 0;  // for progress; 0: not known before the end
};

}  // namespace swaptrail::engine
