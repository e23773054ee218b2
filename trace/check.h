// Invariants of our own: only a mistake in this code can break them. What the kernel, a file or a client may send is
// never an invariant; if it is wrong, that is an error or a counted loss.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace swaptrail {

[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "swaptrail: %s:%d: this should hold: %s\n", file, line, condition);
  std::abort();
}

}  // namespace swaptrail

// Ends the program if the condition does not hold, in every build. For places where the check costs
// nothing measurable.
#define SWAPTRAIL_CHECK(condition)       \
  (static_cast<bool>(condition) ? void() \
                                : ::swaptrail::check_failed(#condition, __FILE__, __LINE__))

// The same, but only in builds for tests: for hot code.
#ifdef NDEBUG
#define SWAPTRAIL_DCHECK(condition) static_cast<void>(sizeof(static_cast<bool>(condition)))
#else
#define SWAPTRAIL_DCHECK(condition) SWAPTRAIL_CHECK(condition)
#endif
