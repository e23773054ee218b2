// The numbers of `swaptrail top`: what happened between two answers. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "swaptrail/v1/trace.pb.h"

namespace swaptrail::online {

enum class SortBy : uint8_t { kRate, kWait, kRegret };

// One line of the table; counts are base pages in the window.
struct TopRow {
  std::string name;
  uint64_t freed_pages = 0;
  uint64_t stayed_pages = 0;  // attempts that were given up, and the page is still in memory
  uint64_t returned_pages = 0;
  uint64_t regretted_pages = 0;
  uint64_t wait_ns = 0;  // all faults together: of who waited, or, by reclaimer, on its pages
};

// What `newer` has more than `older`: counts, and of latencies the count and the sum; their
// quantiles are those of `newer`. Both answer the same question. What left the store in between is
// not counted: never below 0. A group that `older` had no room for goes into `other`. Rows in which
// nothing happened are left out.
v1::QueryStatsResponse difference(const v1::QueryStatsResponse& older,
                                  const v1::QueryStatsResponse& newer);

// Sorted, the largest first, ties by name; `other` is the last one, if it is not empty.
std::vector<TopRow> top_rows(const v1::QueryStatsResponse& window, SortBy sort);

// All lifecycles closed since a fixed moment are asked for again and again: so returns of pages that
// left before the window are seen in it. The moment moves on now and then, to `lookback` ago.
class TopRounds {
 public:
  TopRounds(v1::StatsGroup group, v1::LifecycleFilter filter, absl::Duration lookback);

  // Forgets what was asked.
  void set_group(v1::StatsGroup group);

  v1::QueryStatsRequest request(absl::Time now);
  // True: ask again at once, the answer was only the last of its moment.
  bool on_answer(const v1::QueryStatsResponse& answer, absl::Time now);

  // The last one; nullopt: no two answers yet.
  const std::optional<v1::QueryStatsResponse>& window() const { return window_; }
  absl::Duration window_length() const { return length_; }

 private:
  v1::StatsGroup group_;
  v1::LifecycleFilter filter_;
  absl::Duration lookback_;
  std::optional<absl::Time> anchor_;
  std::optional<v1::QueryStatsResponse> base_;
  absl::Time base_time_;
  std::optional<v1::QueryStatsResponse> window_;
  absl::Duration length_;
};

}  // namespace swaptrail::online
