// Lockstep: runs an observed stream through the model, step by step.
//
// The validator takes from the stream only what the model cannot know: which folios entered reclaim and
// in what state, whether a slot was available, what was zero-filled, when a device was done, what other
// processes did. It predicts everything else: the order of the stages, the state of the folio at each,
// slots, outcomes. Each disagreement is a Finding, with the rule that was broken.
//
// Uses no code of trace/: it checks the lifecycles that trace/ made against its own account. Never
// invents: what a loss may hide is no violation. One thread. Memory is bounded by the limits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bpf/event.h"
#include "engine/lockstep/rules.h"
#include "engine/steps/area.h"
#include "engine/steps/features.h"
#include "trace/lifecycle.h"

namespace swaptrail::engine {

enum class FindingKind : uint8_t {
  kViolation,     // the kernel can't have done this: we, it, or the observation is wrong
  kLoss,          // an event must be missing here, although no loss was reported
  kDisagreement,  // the lifecycle that trace/ made differs from the model's
};

struct Finding {
  FindingKind kind = FindingKind::kViolation;
  Rule rule = Rule::kCount;
  uint64_t lifecycle_id = 0;  // of kDisagreement
  uint64_t folio = 0;
  uint64_t entry = 0;
  uint64_t time_ns = 0;
  std::string text;  // the model's state, the observation, and the folio's events before it
};

class FindingSink {
 public:
  virtual ~FindingSink() = default;
  virtual void on_finding(const Finding& finding) = 0;
};

// Inputs of the model, because it can't know them. Counted, to show how much is predicted.
enum class Taken : uint8_t {
  kEntered,   // a folio entered reclaim, in a state
  kAdopted,   // ... and already had a slot that we did not see it get
  kSlot,      // which slot, or that there was none
  kMappings,  // how many page table entries were replaced
  kStillMapped,
  kDirtied,  // a process wrote to it
  kZeroFilled,
  kZswapStored,
  kCompletion,  // the device was done
  kWriteFailed,
  kExtraReference,
  kNoUser,
  kRefused,
  kSwapIn,
  kLeftCache,  // something other than reclaim took it out of the cache
  kSlotFreed,
  kSplit,
  kCount,
};
std::string_view taken_name(Taken taken);

struct LockstepOptions {
  Features features;
  uint64_t start_ns = 0;           // when the last hook was attached
  bool may_miss_silently = false;  // events may be missing without a loss (kprobes inside kprobes)
  uint32_t cpus = 1;
  uint32_t page_struct_size = 64;              // bytes
  uint32_t max_swapfiles = 23;                 // entries of a higher type are not ours
  uint32_t sample = 1;                         // follow one folio in this many, by address
  uint32_t event_abi = SWAPTRAIL_ABI_VERSION;  // in which the events were recorded
  bool returns = true;            // returns and stays are passed in: a missing one is a finding
  bool shmem_faults_seen = true;  // the hook of SHMEM_SWAP_IN is there
  size_t max_folios = 1 << 20;    // followed at once
  size_t max_slots = 1 << 22;
  size_t max_findings = 1000;  // reported; the rest is only counted
};

struct LockstepCounters {
  uint64_t events = 0;
  uint64_t steps = 0;        // of the model
  uint64_t passes = 0;       // of a folio through shrink_folio_list
  uint64_t predictions = 0;  // events that the model predicted, in kind, order and state
  std::array<uint64_t, static_cast<size_t>(Taken::kCount)> taken{};
  std::array<uint64_t, static_cast<size_t>(Rule::kCount)> broken{};  // findings by rule
  uint64_t findings = 0;
  uint64_t lifecycles = 0;    // compared
  uint64_t agreed = 0;        // ... in stages, order, outcome, slot and mappings
  uint64_t not_compared = 0;  // incomplete, or touched by a loss
  uint64_t returns = 0;       // passed in
  uint64_t returns_agreed = 0;
  uint64_t returns_not_compared = 0;  // of pages that were away before, or touched by a loss
  uint64_t stays = 0;                 // passed in
  uint64_t folios_full = 0;           // not followed: max_folios
  uint64_t slots_full = 0;
  uint64_t threads_full = 0;  // how often what is known of threads was forgotten
};

class Lockstep {
 public:
  // The sink must outlive it.
  Lockstep(const LockstepOptions& options, FindingSink& sink);
  ~Lockstep();
  Lockstep(const Lockstep&) = delete;
  Lockstep& operator=(const Lockstep&) = delete;

  // A swap area as it was when the observation began, or was added later. Call it before the area's
  // events. `empty_at_ns`: when the area was seen to have no slot in use, 0 = never: after that time,
  // the use of a slot that was not seen to be allocated is a finding.
  void on_area(const Area& area, uint64_t empty_at_ns = 0);

  // The ordered stream; a loss comes just before the event that revealed it.
  void on_event(const swaptrail_event& event, uint64_t sequence);
  void on_loss(const Loss& loss);
  // A lifecycle that trace/ made of the stream so far: call it after the on_event() that closed it.
  void on_lifecycle(const Lifecycle& lifecycle);
  // In the order in which trace/ reported them, also between lifecycles.
  void on_return(const Return& back);
  void on_stay(const Stay& stay);
  // The observation ends. Call once, last (after trace/'s reports at the end).
  void finish(uint64_t now_ns);

  const LockstepCounters& counters() const;

 private:
  friend class ObservedPass;
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace swaptrail::engine
