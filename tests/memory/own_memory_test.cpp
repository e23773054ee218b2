// Against what the kernel says of this process: /proc/self/status.
#include "daemon/host/own_memory.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/memory/resident.h"

namespace swaptrail {
namespace {

constexpr size_t kBlock_bytes = 3000, kBlocks = 8000;  // of a thread: 23 MiB
constexpr size_t kKept = 64;                           // one in so many stays

constexpr uint64_t kNow_ns = host::UnusedMemory::kEvery_ns;

using Blocks = std::vector<std::unique_ptr<char[]>>;

// What a burst of clients does to a heap: many holes, each between two blocks that stay.
void take_and_free(Blocks& kept) {
  Blocks all;
  for (size_t count = 0; count < kBlocks; ++count) {
    all.emplace_back(new char[kBlock_bytes]);
    memset(all.back().get(), 1, kBlock_bytes);
  }
  for (size_t at = 0; at < kBlocks; at += kKept) kept.push_back(std::move(all[at]));
}

TEST(OwnMemory, FreeMemoryOfLockedHeapsGoesBack) {
  if (absl::Status locked = host::lock_memory(); !locked.ok()) GTEST_SKIP() << locked.message();
  host::UnusedMemory unused;
  ASSERT_TRUE(unused.give_back(kNow_ns).ok());
  const uint64_t before = status_kb("VmRSS");
  Blocks kept[2];
  for (Blocks& one : kept) std::thread(take_and_free, std::ref(one)).join();
  const uint64_t with_holes = status_kb("VmRSS");
  ASSERT_GT(with_holes, before + 16 * kMiB) << "free() gave it back: there is nothing to test";
  ASSERT_TRUE(unused.give_back(kNow_ns).ok());
  EXPECT_LT(status_kb("VmRSS"), before + 6 * kMiB) << with_holes;
  EXPECT_GT(status_kb("VmLck"), before / 2) << "it is locked again";
}

// How many heaps there are, by malloc_info().
size_t heaps() {
  char* text = nullptr;
  size_t size = 0;
  FILE* out = open_memstream(&text, &size);
  malloc_info(0, out);
  fclose(out);
  const std::string report(text, size);
  free(text);
  size_t count = 0;
  for (size_t at = 0; (at = report.find("<heap nr=", at)) != std::string::npos; ++at) ++count;
  return count;
}

// Each allocates while all others are there.
void allocate_in_threads(size_t count) {
  std::barrier all(static_cast<ptrdiff_t>(count));
  std::vector<std::jthread> threads;
  for (size_t thread = 0; thread < count; ++thread)
    threads.emplace_back([&all] {
      const std::unique_ptr<char[]> block(new char[kBlock_bytes]);
      all.arrive_and_wait();
    });
}

TEST(OwnMemory, ThreadsShareTwoHeaps) {
  host::share_heaps();
  allocate_in_threads(8);
  EXPECT_EQ(heaps(), 2u);
}

TEST(OwnMemory, LittleIsNotWorthIt) {
  if (absl::Status locked = host::lock_memory(); !locked.ok()) GTEST_SKIP() << locked.message();
  host::UnusedMemory unused;
  ASSERT_TRUE(unused.give_back(kNow_ns).ok());
  Blocks kept, few;
  for (size_t count = 0; count < 1000; ++count) {  // 3 MiB
    few.emplace_back(new char[kBlock_bytes]);
    memset(few.back().get(), 1, kBlock_bytes);
    if (count % kKept == 0) kept.push_back(std::move(few.back()));
  }
  few.clear();
  const uint64_t before = status_kb("VmRSS");
  ASSERT_TRUE(unused.give_back(kNow_ns + host::UnusedMemory::kEvery_ns - 1).ok());
  EXPECT_GE(status_kb("VmRSS") + 512, before);
  // but now and then it is looked for
  ASSERT_TRUE(unused.give_back(kNow_ns + host::UnusedMemory::kEvery_ns).ok());
  EXPECT_LT(status_kb("VmRSS") + 2048, before);
}

// As at the end of a burst: all was in use when it was last looked at, and nothing grows afterwards.
TEST(OwnMemory, WhatWasInUseThenIsGivenBackLater) {
  if (absl::Status locked = host::lock_memory(); !locked.ok()) GTEST_SKIP() << locked.message();
  host::UnusedMemory unused;
  Blocks all, kept;
  for (size_t count = 0; count < kBlocks; ++count) {
    all.emplace_back(new char[kBlock_bytes]);
    memset(all.back().get(), 1, kBlock_bytes);
  }
  ASSERT_TRUE(unused.give_back(kNow_ns).ok());
  const uint64_t in_use = status_kb("VmRSS");
  for (size_t at = 0; at < kBlocks; at += kKept) kept.push_back(std::move(all[at]));
  all.clear();
  ASSERT_TRUE(unused.give_back(kNow_ns + host::UnusedMemory::kEvery_ns).ok());
  EXPECT_LT(status_kb("VmRSS") + 16 * kMiB, in_use);
}

}  // namespace
}  // namespace swaptrail
