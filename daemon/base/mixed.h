// Spreads the bits of a key, so that any of them can serve as a hash: the last steps of splitmix64.
#pragma once

#include <cstdint>

namespace swaptrail::base {

constexpr uint64_t mixed(uint64_t key) {
  key = (key ^ key >> 30) * 0xbf58476d1ce4e5b9u;
  key = (key ^ key >> 27) * 0x94d049bb133111ebu;
  return key ^ key >> 31;
}

}  // namespace swaptrail::base
