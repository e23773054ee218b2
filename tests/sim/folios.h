// The pages that an event is about, for whoever orders or checks events by page.
#pragma once

#include <algorithm>
#include <cstdint>

#include "bpf/event.h"

namespace swaptrail::sim {

inline constexpr uint64_t kPageStruct = 64;  // bytes; folio + page * kPageStruct is a page of it

// Of a split: all that there were before it.
inline uint32_t pages_of(const swaptrail_event& event) {
  const uint32_t now = std::max<uint32_t>(1, event.nr_pages);
  return event.kind == SWAPTRAIL_SPLIT ? std::max<uint32_t>(now, event.result) : now;
}

}  // namespace swaptrail::sim
