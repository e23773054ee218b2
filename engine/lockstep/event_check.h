// Can this record come from bpf/ at all? What one event tells of itself, without any other.
#pragma once

#include <cstdint>
#include <string_view>

#include "bpf/event.h"

namespace swaptrail::engine {

// Empty, or what is odd about it. For records that is_valid_event() lets pass; mode full or kprobe.
std::string_view oddity(const swaptrail_event& event, uint32_t cpus, uint32_t page_struct_size);

}  // namespace swaptrail::engine
