// Can this record come from bpf/ at all? Checks one event on its own.
#pragma once

#include <cstdint>
#include <string_view>

#include "bpf/event.h"

namespace swaptrail::engine {

// What is odd about it, or empty. For records that is_valid_event() accepts, as those of that ABI are; mode full or kprobe.
std::string_view oddity(const swaptrail_event& event, uint32_t cpus, uint32_t page_struct_size,
                        uint32_t event_abi);

}  // namespace swaptrail::engine
