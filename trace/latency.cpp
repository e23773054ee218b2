#include "trace/latency.h"

#include <iterator>

namespace swaptrail {
namespace {

constexpr std::string_view kLatencyNames[] = {"isolated_to_slot",
                                              "slot_to_unmapped",
                                              "unmapped_to_write",
                                              "device_write",
                                              "completed_to_removed",
                                              "isolated_to_removed",
                                              "fault",
                                              "time_in_swap"};
static_assert(std::size(kLatencyNames) == kLatencyCount);

}  // namespace

std::string_view latency_name(Latency latency) {
  const auto index = static_cast<size_t>(latency);
  return index < kLatencyCount ? kLatencyNames[index] : "unknown";
}

}  // namespace swaptrail
