// Compares observed slot allocations with the model: what it predicted, and why it was wrong.
//
// Feed all slot events in order: take() for an allocation, free() when a slot became free. After a
// miss the model continues from what was observed. Memory: the model's, and one more bit a slot.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "engine/slots/slots.h"

namespace swaptrail::engine {

// Why another slot was taken than predicted: the first reason that applies.
enum class SlotMiss : uint8_t {
  kNone,
  kUnknownHistory,  // slots of the area were taken before the observation, or events were lost
  kCachedBatch,     // the slot had been in a CPU's cache for some time
  kOtherCpu,        // another CPU works in that cluster, or took it first
  kRandomStart,     // no cluster is free, and the kernel begins its scan at a random place
  kReuse,           // the slot was freed before: the order in which clusters came back decides
  kOther,
  kCount,
};

// Allocations that no kernel makes, whatever its state (mm/swapfile.c: scan_swap_map_slots,
// cluster_alloc_swap_entry).
enum class SlotViolation : uint8_t {
  kNone,
  kOutOfRange,  // the header, past the end, or no such area
  kInUse,       // handed out before, and not free again
  kMisaligned,  // a large folio, not at a multiple of its size
  kBadPage,     // mkswap marked it
  kCount,
};

struct SlotCheck {
  std::optional<uint64_t> predicted;  // entry
  SlotMiss miss = SlotMiss::kNone;    // kNone: exact
  SlotViolation violation = SlotViolation::kNone;
  bool exact() const { return miss == SlotMiss::kNone; }
};

struct PredictionCounts {
  uint64_t allocations = 0;
  uint64_t exact = 0;
  uint64_t turns = 0;  // allocations that do not simply follow the CPU's last one: the hard ones
  uint64_t exact_turns = 0;
  std::array<uint64_t, static_cast<size_t>(SlotMiss::kCount)> misses{};
  std::array<uint64_t, static_cast<size_t>(SlotViolation::kCount)> violations{};
  uint64_t unknown_frees = 0;  // of slots that the model had as free
};

class SlotPrediction {
 public:
  explicit SlotPrediction(const SlotOptions& options)
      : slots_(options), expected_(slots_.options().cpus) {}

  // `fresh`: nothing had been taken from it when the observation began. Errors as
  // SlotAllocator::swapon and swapoff.
  absl::Status add_area(const Area& area, bool fresh);
  absl::Status remove_area(uint32_t type);

  // The entry that an allocation of nr_pages on this CPU would get now. Changes nothing.
  std::optional<uint64_t> predict(uint32_t cpu, uint32_t nr_pages) {
    return slots_.predict(cpu, nr_pages);
  }
  // An allocation was observed. A violation leaves the model unchanged, except for kInUse while
  // events may be missing.
  SlotCheck take(uint32_t cpu, uint32_t nr_pages, uint64_t entry);
  // Slots became free, perhaps in several clusters. `swapoff`: their area is being swapped off.
  void free(uint32_t cpu, uint64_t entry, uint32_t nr_pages, bool swapoff);
  // Events were lost: from now on it is not certain which slots are in use, so slot_in_use is not
  // reported.
  void lose() { lost_ = true; }

  const PredictionCounts& counts() const { return counts_; }
  const SlotAllocator& slots() const { return slots_; }

 private:
  struct Known {
    bool fresh = false;
    SlotMap freed;  // slots that were free again at least once
  };
  SlotViolation violation_of(uint64_t entry, uint32_t nr_pages) const;
  SlotMiss cause_of(uint32_t cpu, uint32_t nr_pages, uint64_t entry,
                    std::optional<uint64_t> predicted) const;
  void free_in_cluster(uint32_t cpu, uint64_t entry, uint32_t nr_pages);

  SlotAllocator slots_;
  std::array<Known, kMostAreaTypes> known_;
  std::vector<uint64_t> expected_;  // by CPU: the entry after its last one
  bool lost_ = false;
  PredictionCounts counts_;
};

std::string_view slot_miss_name(SlotMiss miss);                 // "other_cpu"
std::string_view slot_violation_name(SlotViolation violation);  // "slot_in_use"

}  // namespace swaptrail::engine
