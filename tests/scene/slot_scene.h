// Swap areas and generations of the slot allocator, for its tests.
#pragma once

#include <cstdint>

#include "engine/steps/area.h"
#include "engine/steps/features.h"

namespace swaptrail::engine {

inline constexpr uint64_t k64MiB = 16384;  // in pages
inline constexpr Allocator kAllocators[] = {
    Allocator::kLinearScan,           Allocator::kSlotCaches,    Allocator::kClusterLists,
    Allocator::kClusterListsNoReturn, Allocator::kGlobalCluster, Allocator::kSwapTable};

inline Area area_of(uint32_t type, uint64_t pages, int32_t priority = kDefaultPriority) {
  Area area;
  area.type = type;
  area.pages = pages;
  area.priority = priority;
  return area;
}

}  // namespace swaptrail::engine
