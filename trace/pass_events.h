// The events of a pass: see bpf/pass.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "bpf/event.h"
#include "bpf/pass.h"

namespace swaptrail {

inline constexpr size_t kMostPassEvents = 1 + SWAPTRAIL_PARTS;

// Some events of a pass: bit 0 is SLOT_ALLOCATED, bit 1 + N is enum swaptrail_part N.
using PassParts = uint32_t;

PassParts pass_parts(const swaptrail_pass& pass);

// Writes the events that the pass consists of, oldest first, and returns how many. Those in `without` are left out. Their
// kinds are valid; their other values are those of the record.
size_t pass_events(const swaptrail_pass& pass, std::span<swaptrail_event, kMostPassEvents> events,
                   PassParts without = 0);

}  // namespace swaptrail
