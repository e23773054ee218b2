// The oracle must be able to fail: each thing that it checks is damaged once.
#pragma once

namespace swaptrail::sim {

// Prints what was not noticed. True if all was.
bool self_test();

}  // namespace swaptrail::sim
