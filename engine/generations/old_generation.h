// What the generations before the reverse map share: processes with page tables and regions, and the steps of a workload.
//
// A step of a page that is there is done here: the processor finds the entry and sets its bits. For all else it calls the
// generation's handle_fault() until the access can be made.
//
// Time is counted in steps. A second is as many as there are frames: so what is done once a second costs each step the same
// in a large memory and in a small one. A tick (jiffy) is a hundredth of that.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/generations/generation.h"
#include "engine/generations/page_tables.h"
#include "engine/generations/swap_device.h"
#include "engine/generations/swap_map.h"
#include "engine/generations/vm_area.h"
#include "engine/machine/frames.h"

namespace swaptrail::engine {

inline constexpr uint32_t kHz = 100;  // ticks in a second

struct OldProcess {  // task_struct and its mm_struct
  uint32_t number = 0;
  PageDirectory tables;
  VmAreas areas;
  uint64_t rss = 0;           // pages that are mapped
  uint64_t swapped = 0;       // entries that are swap entries
  uint64_t swap_cnt = 0;      // what is still to be looked at of it, before another process is
  uint64_t swap_address = 0;  // the page where that goes on
  bool swappable = true;
};

class OldGeneration : public Generation {
 public:
  // Errors besides those of Generation: InvalidArgument for a step that no workload may have; nothing is done.
  absl::Status step(const WorkloadStep& step) final;
  const GenerationCounters& counters() const final { return counters_; }

  // Puts the region over what the process has there; makes the process if it had no step yet. Errors: FailedPrecondition
  // if the process is gone or has pages there, InvalidArgument for an empty region.
  absl::Status map(uint32_t process, const VmArea& area);
  // Null: had no step yet, exited, or was killed.
  OldProcess* process(uint32_t number);
  // Null: there is none.
  const OldPte* pte(uint32_t process, uint64_t page);
  const SwapMap& swap_map() const { return swap_map_; }
  uint64_t token_of(uint32_t frame) const { return tokens_[frame]; }
  uint64_t frames() const { return tokens_.size(); }
  // Counts all references anew, and compares what pages hold. Errors: Internal, with what is wrong. Takes a look at every
  // entry, frame and slot.
  absl::Status check() const;

 protected:
  struct References {
    std::vector<uint32_t> frames;                     // entries that map the frame
    absl::flat_hash_map<uint64_t, uint32_t> of_swap;  // entries that are this swap entry
  };

  OldGeneration(const GenerationOptions& options, SwapMap::Style style);

  // Brings the access a step nearer. False: the process is gone.
  virtual bool handle_fault(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte,
                            bool write) = 0;
  // An access for which handle_fault() was called is made: daemons may run.
  virtual void after_fault() {}
  // A tick is over.
  virtual void timer() = 0;
  // fork, mm/memory.c: copy_one_pte. `to` has no page yet; both are for private pages.
  virtual void copy_one_pte(OldPte& from, OldPte& to) = 0;
  // One user of the frame less, for its process exits.
  virtual void zap_page(uint32_t frame) = 0;
  // One user of the frame more: a child shares it.
  virtual void get_page(uint32_t frame) = 0;
  // The generation's own references and lists.
  virtual absl::Status check_frames(References& references) const = 0;

  // The process is out of memory, or its region's method failed: its memory goes, and its steps do nothing from now on.
  void kill(OldProcess& process);
  bool is_alive(uint32_t number) const {
    return number < processes_.size() && processes_[number] != nullptr;
  }
  // Of those that are alive, the first whose number is not below; null: none.
  OldProcess* next_process(uint32_t number) const;
  uint64_t alive() const { return alive_; }
  uint64_t jiffies() const { return jiffies_; }
  // What came back is held against what the process wrote.
  void verify(const OldPte& pte, uint32_t frame) {
    ++counters_.contents_checked;
    counters_.contents_wrong += tokens_[frame] != pte.token;
  }

  GenerationCounters counters_;
  SwapMap swap_map_;
  SwapDevice device_;
  std::vector<uint64_t> tokens_;  // what each frame holds

  void prefetch(const WorkloadStep& far, const WorkloadStep& near) const final;

 private:
  const OldPte* entry_of(const WorkloadStep& step) const;
  absl::Status touch(const WorkloadStep& step);
  bool fault_in(OldProcess& process, uint64_t page, OldPte& pte, bool write);
  absl::Status fork(uint32_t parent, uint32_t child);
  void exit_mm(OldProcess& process);
  OldProcess* make_process(uint32_t number);
  absl::Status count_references(References& references) const;

  std::vector<std::unique_ptr<OldProcess>> processes_;
  std::vector<bool> seen_;  // had a step, or was forked
  uint64_t alive_ = 0;
  uint64_t next_token_ = 0;
  uint64_t steps_per_tick_, until_tick_;
  uint64_t jiffies_ = 0;
  bool stuck_ = false;  // an access could not be made: an invariant is broken
};

}  // namespace swaptrail::engine
