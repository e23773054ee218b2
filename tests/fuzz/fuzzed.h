// What the fuzzers share.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace swaptrail::fuzz {

// A property that must hold whatever the bytes are. Not assert(3): it must hold in each build.
inline void check(bool fine) {
  if (!fine) std::abort();
}

inline std::string_view text_of(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace swaptrail::fuzz
