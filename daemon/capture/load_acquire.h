// Memory that the kernel writes while we read it.
#pragma once

#include <atomic>

namespace swaptrail::capture {

// T: at most 8 bytes, aligned.
template <typename T>
T load_acquire(const T& at) {
  return std::atomic_ref<T>(const_cast<T&>(at)).load(std::memory_order_acquire);
}

}  // namespace swaptrail::capture
