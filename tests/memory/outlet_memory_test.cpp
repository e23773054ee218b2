#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "daemon/pipeline/outlet.h"
#include "tests/memory/resident.h"

namespace swaptrail {
namespace {

// A reader that stands still for a while, and then takes all.
TEST(OutletMemory, WhatAStallTookIsGivenBack) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  pipeline::Outlet outlet(ends[1]);
  const std::string line = std::string(999, 'x') + '\n';
  const uint64_t before = status_kb("VmRSS");
  for (int count = 0; count < 7000; ++count) outlet.put(line);
  ASSERT_GT(status_kb("VmRSS"), before + 6 * kMiB) << "nothing was kept: there is nothing to test";
  size_t taken = 0;
  std::string bytes(size_t{1} << 16, '\0');
  for (ssize_t got = 1; got > 0; taken += static_cast<size_t>(std::max<ssize_t>(got, 0))) {
    got = read(ends[0], bytes.data(), bytes.size());
    outlet.drain();
  }
  EXPECT_EQ(taken, 7000 * line.size());
  EXPECT_LT(status_kb("VmRSS"), before + 2 * kMiB);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace swaptrail
