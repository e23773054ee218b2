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

// Where a list goes on. It belongs to its filter and order, stays good whatever is evicted, and any
// numbers in it are safe to use.
struct Position {
  uint64_t sequence = 0;  // the first to look at
  uint64_t oldest = 0;    // the oldest that was in the store when the page before was made
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
  // Lifecycles, matching or not, that left the store before this list got to them, since the page
  // before.
  uint64_t evicted_between = 0;
};

// Costs at most one look at each record of the snapshot. Any thread. A list with the oldest first can
// be followed: its `next` may be absent, and the next_sequence() of the snapshot is then where to go
// on once there is more.
ListPage list_lifecycles(const Snapshot& snapshot, const ListQuery& query);

}  // namespace swaptrail::store
