// Prints events and findings as text, to find out why a damage was missed.
#pragma once

#include <string>

#include "engine/lockstep/lockstep.h"
#include "tests/mutation/score.h"

namespace swaptrail::mutation {

std::string describe_finding(const engine::Finding& finding, const Original& original);

// The damage, the events around it (of its folios and slots, as they were played), and the
// findings.
std::string describe_case(const Damage& damage, const Instance& instance, const Damaged& damaged,
                          const Report& report);

}  // namespace swaptrail::mutation
