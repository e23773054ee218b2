// Counts and latencies by groups, and the matrix: whose reclaim pushes out whose pages.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/store/filter.h"
#include "daemon/store/snapshot.h"

namespace swaptrail::store {

enum class GroupBy : uint8_t {
  kVictimCgroup,
  kVictimProcess,  // of the first mapping; 0 = no owner
  kReclaimer,      // the process that freed it or gave it up
  kOrigin,         // ... on whose behalf: of that pass, as in the summary
  kArea,           // kNoArea = it never had a slot; otherwise see StatsQuery::area_of
  kOutcome,
  kBackend,
  kCount,
};
inline constexpr uint64_t kNoArea = ~uint64_t{0};
inline constexpr size_t kMaxGroupBy = 3;

// Base pages, except `lifecycles`; each lifecycle counts with its weight. For a folio that came back in parts, each
// part counts by itself.
struct StatsCounts {
  uint64_t lifecycles = 0;
  uint64_t pages = 0;
  uint64_t freed_pages = 0;
  uint64_t aborted_pages = 0;
  uint64_t unneeded_pages = 0;   // of the aborted: nobody needed them any more (slot_gone)
  uint64_t returned_pages = 0;   // swapped in again
  uint64_t regretted_pages = 0;  // ... sooner than the regret time
};

// Nanoseconds; each at most 1/16 above the exact value, the maximum exact.
struct Quantiles {
  uint64_t count = 0, p50 = 0, p90 = 0, p99 = 0, max = 0;
  uint64_t sum = 0;  // exact, modulo 2^64
};

struct StatsRow {
  std::array<uint64_t, kMaxGroupBy> key{};  // a value for each of group_by, in its order; then 0
  std::array<Comm, kMaxGroupBy> comms{};    // of processes: the last known name
  StatsCounts counts;
  std::vector<Quantiles> latencies;  // for each of spans, in its order
};

using AreaOf = std::function<uint64_t(uint32_t type, uint64_t at_ns)>;

struct StatsQuery {
  Filter filter;
  // The area that entries of a type belonged to at a time (monotonic): the value of kArea. None: the
  // type.
  AreaOf area_of;
  std::vector<GroupBy> group_by;  // at most 3, no two alike; none = one group
  std::vector<Latency> spans;     // at most 8
  size_t max_groups = 100;        // rows in the answer
  size_t max_table = 65536;       // groups distinguished while counting
  Stop stop;
};

struct Stats {
  std::vector<StatsRow> rows;  // most pages first, ties by key
  StatsRow other;              // the sum of all that have no row
  uint64_t other_groups = 0;   // groups that were counted but have no row
  uint64_t unplaced = 0;       // lifecycles for whose groups the table had no room; in `other`
  uint64_t from_ns = 0;        // the first and the last closing time that matched, 0 = none did
  uint64_t to_ns = 0;
};

// Looks once at each record; takes memory for the table, and 13 bytes for each match and span. The time
// of a fault counts for the reader in columns of processes and cgroups, elsewhere for the lifecycle's
// own value.
// Releases the snapshot piece by piece. Any thread. Errors: InvalidArgument if the query is out of bounds.
absl::StatusOr<Stats> query_stats(Snapshot snapshot, const StatsQuery& query);

// Base pages of freed lifecycles.
struct MatrixCell {
  uint64_t victim_cgroup = 0;
  uint32_t reclaimer = 0;  // its tgid
  Comm reclaimer_comm{};
  uint8_t origin = 0;
  uint64_t pages = 0;
  uint64_t regretted_pages = 0;
};

struct Matrix {
  std::vector<MatrixCell> cells;  // most pages first
  uint64_t other_pages = 0;       // in cells that found no room
};

// As query_stats; distinguishes `max_table` cells, and returns `max_cells`.
Matrix query_matrix(Snapshot snapshot, const Filter& filter, size_t max_cells,
                    size_t max_table = 65536, const Stop& stop = {});

}  // namespace swaptrail::store
