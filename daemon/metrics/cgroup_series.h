// The ledger's rows as series: under the path of a cgroup, or together as `other`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/host/cgroups.h"
#include "daemon/metrics/cgroup_ledger.h"

namespace swaptrail::metrics {

// One scrape after another, on any thread.
//
// A row gets a series as soon as its path is known and the cgroup lives. What was shown as part of
// `other` before stays there, and the series begins after it: so no series, not even `other`, ever
// falls, and the sum of all is exact. A cell of the matrix has a series if both sides have one.
class CgroupSeries {
 public:
  struct Row {
    std::string_view path;  // valid until the next update()
    Columns counts{};
  };
  struct Cell {
    std::string_view victim;
    std::string_view reclaimer;
    uint8_t origin = 0;
    uint64_t pages = 0;
  };
  static constexpr std::string_view kOther = "other", kNode = "(node)";

  // Each time from a newer copy.
  void update(const LedgerCopy& copy, const host::Cgroups& cgroups);

  // Those with a path; `other` and `node` are separate. The node only reclaims.
  const std::vector<Row>& rows() const { return rows_; }
  const Columns& other() const { return other_; }
  const Columns& node() const { return node_; }
  const std::vector<Cell>& cells() const { return cells_; }  // with pages
  const std::array<uint64_t, SWAPTRAIL_ORIGIN_END>& other_cells() const { return other_cells_; }
  uint64_t collapsed() const { return collapsed_; }

 private:
  struct Side {
    uint64_t serial = 0;
    std::string path;  // empty: no series
    Columns before{};  // the part of it that `other` has
  };
  struct Shown {
    uint64_t victim_serial = 0, reclaimer_serial = 0;
    uint64_t before = 0;
  };
  void name_rows(const LedgerCopy& copy, const host::Cgroups& cgroups);
  void add_rows(const LedgerCopy& copy);
  void add_cells(const LedgerCopy& copy);
  std::string_view path_of(const LedgerCopy& copy, uint32_t row) const;

  std::vector<Side> sides_;
  std::vector<Shown> shown_;
  std::vector<Row> rows_;
  std::vector<Cell> cells_;
  Columns other_{}, node_{};
  std::array<uint64_t, SWAPTRAIL_ORIGIN_END> other_cells_{};
  uint64_t collapsed_ = 0;
};

// A label's value: bytes that are not UTF-8 become U+FFFD, as Prometheus requires, and control
// characters become '?', because /metrics is also read on terminals. Two names may become the same
// that way: the caller must keep their series apart.
std::string label_text(std::string_view text);

}  // namespace swaptrail::metrics
