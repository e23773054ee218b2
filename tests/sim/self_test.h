// The oracle must be able to fail: each of its checks is provoked once by a damage.
#pragma once

namespace swaptrail::sim {

// Prints what was not noticed. True if all was.
bool self_test();

}  // namespace swaptrail::sim
