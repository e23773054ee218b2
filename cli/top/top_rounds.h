// The numbers of `swaptrail top`: what happened between two answers. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "swaptrail/v1/trace.pb.h"

namespace swaptrail::top {

enum class SortBy : uint8_t { kRate, kWait, kRegret };

// One line of the table; counts are base pages in the window.
struct TopRow {
  std::string name;
  uint64_t freed_pages = 0;
  uint64_t stayed_pages = 0;  // attempts that were given up, with the page still in memory
  uint64_t returned_pages = 0;
  uint64_t regretted_pages = 0;
  uint64_t wait_ns = 0;  // all faults together
};

// What `newer` has more than `older`, exactly: both answer the same request, since the same start.
// Counts of rows that are gone by now are in `other`. Rows in which nothing happened are left out.
v1::GetCountersResponse difference(const v1::GetCountersResponse& older,
                                   const v1::GetCountersResponse& newer);

// Sorted, the largest first, ties by name; rows of the same name are merged. `other` is last, if it is
// not empty.
std::vector<TopRow> top_rows(const v1::GetCountersResponse& window, SortBy sort);

// Asks again and again, and keeps what happened between the last two answers.
class TopRounds {
 public:
  TopRounds(v1::CounterGroup group, v1::LifecycleFilter filter)
      : group_(group), filter_(std::move(filter)) {}

  // Forgets the answers so far.
  void set_group(v1::CounterGroup group);

  const v1::LifecycleFilter& filter() const { return filter_; }
  v1::GetCountersRequest request() const;
  // If swaptraild was restarted, its answer counts as the first one again.
  void on_answer(const v1::GetCountersResponse& answer);

  // The last window: its `since` and `read` are its begin and end. nullopt: no two answers yet.
  const std::optional<v1::GetCountersResponse>& window() const { return window_; }
  absl::Duration window_length() const { return length_; }  // by swaptraild's clock

 private:
  v1::CounterGroup group_;
  v1::LifecycleFilter filter_;
  std::optional<v1::GetCountersResponse> base_;
  std::optional<v1::GetCountersResponse> window_;
  absl::Duration length_;
};

}  // namespace swaptrail::top
