// Checks the damages themselves: does each change exactly what it says?
#pragma once

#include <cstdint>
#include <string>

#include "tests/mutation/change.h"
#include "tests/mutation/damage.h"
#include "tests/mutation/original.h"

namespace swaptrail::mutation {

// The fields in which two steps differ, as bits of Field.
uint32_t differing_fields(const Step& a, const Step& b);

// Empty, or the difference from the damage's declared shape.
std::string deviation(const Original& original, const Damaged& damaged, const Damage& damage);

}  // namespace swaptrail::mutation
