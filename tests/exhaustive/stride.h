// How much of everything there is, is tried: all of it, but one in kStride with sanitizers, where it takes five times
// as long. tests/run.sh runs both.
#pragma once

#include <cstdint>

namespace swaptrail {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr uint64_t kStride = 5;
#else
inline constexpr uint64_t kStride = 1;
#endif

}  // namespace swaptrail
