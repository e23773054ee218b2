// The size of a base page of this host.
#pragma once

#include <unistd.h>

#include <cstdint>

namespace swaptrail::base {

// Any thread; an ordinary call of the C library.
inline uint64_t page_bytes() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace swaptrail::base
