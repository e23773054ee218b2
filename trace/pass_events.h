// The events of a pass: see bpf/pass.h.
#pragma once

#include <cstddef>
#include <span>

#include "bpf/event.h"
#include "bpf/pass.h"

namespace swaptrail {

inline constexpr size_t kMostPassEvents = 1 + SWAPTRAIL_PARTS;

// Writes the events that the pass consists of, oldest first, and returns how many. Their kinds are valid; their other
// values are those of the record.
size_t pass_events(const swaptrail_pass& pass, std::span<swaptrail_event, kMostPassEvents> events);

}  // namespace swaptrail
