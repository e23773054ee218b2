// Counts how many of the allocated swap slots the engine's allocator would have chosen too.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "engine/slots/slot_prediction.h"
#include "engine/steps/features.h"
#include "trace/lifecycle.h"
#include "trace/recording/contents.h"

namespace swaptrail::offline {

// Feed it a stream in order, areas before their events. One thread.
class SlotShares {
 public:
  // `fresh`: areas that do not report how much of them was in use held nothing.
  SlotShares(const engine::Features& features, uint32_t cpus, bool fresh);

  void on_area(const recording::SwapArea& area);
  void on_event(const swaptrail_event& event);
  void on_loss(const Loss&) { prediction_.lose(); }

  // The member "slots" of a JSON object; or a heading and lines. Nothing if nothing was allocated.
  void append_json(std::string& out) const;
  void append_text(std::string& out) const;

 private:
  struct Device {
    std::string path;
    uint64_t allocations = 0;
    uint64_t exact = 0;
    // Those that did not simply follow the CPU's last slot: any model is right about the rest.
    uint64_t turns = 0;
    uint64_t exact_turns = 0;
    std::array<uint64_t, static_cast<size_t>(engine::SlotMiss::kCount)> misses{};
  };
  bool shows_allocation(const swaptrail_event& event) const;

  const bool hidden_for_shmem_;
  const bool fresh_;
  engine::SlotPrediction prediction_;
  std::map<uint32_t, Device> devices_;  // by type
};

// Whether nothing was ever swapped out on this host before the first reading.
bool was_fresh(const recording::Reading& begin);

}  // namespace swaptrail::offline
