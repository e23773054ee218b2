// The times that are measured, each with its rule: the summary, the store and the metrics share them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "bpf/event.h"
#include "trace/lifecycle.h"

namespace swaptrail {

// Those between two stages come first.
enum class Latency : uint8_t {
  kIsolatedToSlot,
  kSlotToUnmapped,
  kUnmappedToWrite,
  kDeviceWrite,  // write_issued -> write_completed, backend device only
  kCompletedToRemoved,
  kIsolatedToRemoved,  // the whole swap-out
  kFault,              // of a fault on a swap entry, all its passes
  kTimeInSwap,         // removed -> swapped in
  kCount,
};
inline constexpr size_t kLatencyCount = static_cast<size_t>(Latency::kCount);
inline constexpr size_t kStageLatencyCount = static_cast<size_t>(Latency::kFault);

std::string_view latency_name(Latency latency);

struct StagePair {
  Stage from;
  Stage to;
};
// In the order of Latency.
inline constexpr StagePair kLatencyStages[] = {
    {Stage::kIsolated, Stage::kSlotAllocated}, {Stage::kSlotAllocated, Stage::kUnmapped},
    {Stage::kUnmapped, Stage::kWriteBegin},    {Stage::kWriteIssued, Stage::kWriteCompleted},
    {Stage::kWriteCompleted, Stage::kRemoved}, {Stage::kIsolated, Stage::kRemoved},
};
static_assert(std::size(kLatencyStages) == kStageLatencyCount);

// How long `life`, which has at(Stage) and backend(), took between two stages. Nothing if one of them was not seen, or if
// the later one belongs to an earlier pass. Of a latency between stages only.
template <typename Life>
std::optional<uint64_t> stage_latency_ns(const Life& life, uint8_t backend, Latency latency) {
  const StagePair& pair = kLatencyStages[static_cast<size_t>(latency)];
  const uint64_t from = life.at(pair.from), to = life.at(pair.to);
  if (latency == Latency::kDeviceWrite && backend != SWAPTRAIL_BACKEND_DEVICE) return std::nullopt;
  if (from == 0 || to < from) return std::nullopt;
  return to - from;
}

// Whether pages came back so soon that swapping them out was a mistake.
constexpr bool is_regretted(const Return& back, uint64_t regret_ns) {
  return back.how == ReturnHow::kSwappedIn && back.after_ns != 0 && back.after_ns < regret_ns;
}

}  // namespace swaptrail
