// The oracle must be able to fail: each thing that it checks is damaged once.
#ifndef SWAPTRAIL_TESTS_SIM_SELF_TEST_H_
#define SWAPTRAIL_TESTS_SIM_SELF_TEST_H_

namespace swaptrail::sim {

// Prints what was not noticed. True if all was.
bool self_test();

}  // namespace swaptrail::sim

#endif  // SWAPTRAIL_TESTS_SIM_SELF_TEST_H_
