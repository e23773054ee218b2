// What the kernel says of this process's memory.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <string>

namespace swaptrail {

inline constexpr uint64_t kMiB = 1024;  // in kB

// A line of /proc/self/status, in kB.
inline uint64_t status_kb(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    uint64_t value = 0;
    if (word == name + ":" && file >> value) return value;
  }
  ADD_FAILURE() << "no " << name;
  return 0;
}

}  // namespace swaptrail
