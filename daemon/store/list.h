// Lifecycles page by page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "daemon/store/filter.h"
#include "daemon/store/snapshot.h"

namespace swaptrail::store {

enum class Order : uint8_t { kNewestFirst, kOldestFirst };

// Where a list continues. It belongs to a filter and order, stays valid whatever is evicted, and
// any numbers in it are safe to use.
struct Position {
  uint64_t sequence = 0;  // the first to look at
  uint64_t oldest = 0;    // the oldest in the store when the previous page was made
};

struct ListQuery {
  Filter filter;
  Order order = Order::kNewestFirst;
  size_t page_size = 100;
  size_t most_notes = 16;            // of a lifecycle, the newest
  std::optional<Position> position;  // absent = from the begin
  Stop stop;
};

struct ListPage {
  std::vector<StoredLifecycle> lifecycles;  // at most page_size
  std::optional<Position> next;             // absent = there is no more
  // Lifecycles, matching or not, that left the store since the previous page, before this list got
  // to them.
  uint64_t evicted_between = 0;
};

// Costs at most one look at each record of the snapshot. Any thread. A list with the oldest first can
// be followed: if its `next` is absent, continue at the snapshot's next_sequence() once there is
// more.
ListPage list_lifecycles(const Snapshot& snapshot, const ListQuery& query);

}  // namespace swaptrail::store
