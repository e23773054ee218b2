// What a validation reports about itself while it runs.
#pragma once

#include <cstdint>

namespace swaptrail::validate {

// What the lockstep validation has found so far.
struct ValidationStatus {
  uint32_t sample = 0;  // one folio in this many; 0 = validation is off
  uint64_t compared = 0;
  uint64_t agreed = 0;
  uint64_t findings = 0;
};

}  // namespace swaptrail::validate
