// What stands out in a comparison, as sentences: how far each generation is from the optimum, and what its counters say why.
#pragma once

#include <string>
#include <vector>

#include "engine/generations/comparison.h"

namespace swaptrail::compare {

// One line each, at most kMostFindings of a generation and two of them all; plain text. All is computed from the counters, for any
// workload:
//
//   - which generation reads least and which most, as multiples of the optimum; or that none reads more than it;
//   - which ones need a page that is not there at nearly every access, as a queue does on a loop that is just over the memory,
//     though the optimum needs at most half of that;
//   - of one that reads at least twice as much as the optimum: how many pages it read for an access;
//   - whether most of what it read was readahead, and how much of that was used;
//   - whether it wrote although memory would have been enough;
//   - whether it killed processes.
std::vector<std::string> findings(const engine::Comparison& comparison);
inline constexpr size_t kMostFindings = 4;

}  // namespace swaptrail::compare
