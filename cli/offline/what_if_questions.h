// What `swaptrail what-if` was asked, as values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace swaptrail::offline {

// In bytes; or, if `percent` is not 0, of the most that was in swap at a time.
struct AskedSize {
  uint64_t bytes = 0;
  uint32_t percent = 0;

  // Rounded down.
  uint64_t pages(uint64_t most_pages, uint64_t page_size) const {
    return percent != 0 ? most_pages * percent / 100 : bytes / page_size;
  }
};

struct AskedPool {
  AskedSize size;
  uint32_t ratio_percent = 300;  // size of a page to that of its compressed form

  // Pages that fit.
  uint64_t room(uint64_t most_pages, uint64_t page_size) const {
    return size.pages(most_pages, page_size) * ratio_percent / 100;
  }
};

struct AskedPriority {
  std::string area;  // its path, or the number of its type
  int32_t priority = 0;
};

struct WhatIfQuestions {
  std::vector<AskedSize> memory;
  std::vector<AskedPool> zswap;
  uint64_t zswap_load_ns = 0;  // 0: as measured, or kAssumedLoadNs
  std::vector<uint32_t> page_clusters;
  std::vector<AskedPriority> priorities;
};

inline constexpr uint64_t kAssumedLoadNs = 20'000;
inline constexpr uint32_t kMostPageCluster = 5;

// "64M", "+64M", "50%": with K, M or G in powers of 1024; 4 KiB to 1 EiB, 1 to 1000 %. Errors: InvalidArgument, as all here.
absl::StatusOr<AskedSize> parse_asked_size(const std::string& text);
// "64M", "64M/2.5": after the slash the ratio, 1 to 100.
absl::StatusOr<AskedPool> parse_asked_pool(const std::string& text);
// "20us": a duration of at most a second.
absl::StatusOr<uint64_t> parse_load_ns(const std::string& text);
// "/dev/zram0=10", "0=-2": an area and its priority, -32768 to 32767.
absl::StatusOr<AskedPriority> parse_asked_priority(const std::string& text);

}  // namespace swaptrail::offline
