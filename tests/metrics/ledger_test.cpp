// Copies of the ledger that are taken while rows move between series of their own and `other`.
#include "daemon/metrics/cgroup_ledger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/metrics/cgroup_series.h"
#include "tests/metrics/scene.h"

namespace swaptrail::metrics {
namespace {

constexpr uint32_t kRows = 400;
constexpr uint64_t kPages = 1000;  // at once: a row that is seen twice, or not at all, shows
constexpr int kRounds = 1000;
constexpr uint8_t kOrigin = SWAPTRAIL_ORIGIN_MEMCG_LIMIT;

// Counts for all cgroups, and then moves all of them to `other`: over and over. Every page is counted
// as swapped out, as reclaimed, and in the matrix.
class Mover {
 public:
  Mover(CgroupLedger& ledger, const std::vector<uint64_t>& ids) : ledger_(ledger), ids_(ids) {}

  void run() {
    for (int round = 0; round < kRounds; ++round) {
      for (const uint64_t id : ids_) count(id);
      for (uint32_t tick = 0; tick < CgroupLedger::kNamelessTicks; ++tick) ledger_.tick(strangers_);
      ledger_.settle();
    }
    is_done_.store(true);
  }
  uint64_t begun() const { return begun_.load(); }
  uint64_t counted() const { return counted_.load(); }
  bool is_done() const { return is_done_.load(); }

 private:
  void count(uint64_t id) {
    begun_.fetch_add(kPages);
    const uint32_t row = ledger_.row_of(id, kPages);
    ledger_.add(row, kSwappedOut, kPages);
    ledger_.add(row, kReclaimed + kOrigin, kPages);
    ledger_.add_cell(row, row, kOrigin, kPages);
    counted_.fetch_add(kPages);
  }

  CgroupLedger& ledger_;
  const std::vector<uint64_t>& ids_;
  Folder nothing_;
  host::Cgroups strangers_{nothing_.path()};  // knows no path: so all rows are given up
  std::atomic<uint64_t> begun_{0}, counted_{0};
  std::atomic<bool> is_done_{false};
};

struct Sums {
  uint64_t out = 0, reclaimed = 0, matrix = 0;
  bool are_between(uint64_t least, uint64_t most) const {
    return least <= std::min({out, reclaimed, matrix}) &&
           std::max({out, reclaimed, matrix}) <= most;
  }
};

Sums sums_of(const LedgerCopy& copy) {
  Sums sums{0, 0, copy.matrix_other[kOrigin]};
  for (const LedgerCopy::Row& row : copy.rows) {
    sums.out += row.counts[kSwappedOut];
    sums.reclaimed += row.counts[kReclaimed + kOrigin];
  }
  for (const LedgerCopy::Cell& cell : copy.cells) sums.matrix += cell.pages;
  return sums;
}

Sums sums_of(const CgroupSeries& series) {
  Sums sums{series.other()[kSwappedOut], series.other()[kReclaimed + kOrigin],
            series.other_cells()[kOrigin]};
  for (const CgroupSeries::Row& row : series.rows()) {
    sums.out += row.counts[kSwappedOut];
    sums.reclaimed += row.counts[kReclaimed + kOrigin];
  }
  for (const CgroupSeries::Cell& cell : series.cells()) sums.matrix += cell.pages;
  return sums;
}

// A row with another serial is another series.
bool all_grew(const LedgerCopy& before, const LedgerCopy& now) {
  for (size_t at = 0; at < before.rows.size(); ++at) {
    const LedgerCopy::Row &row = before.rows[at], &later = now.rows[at];
    if (row.cgroup != later.cgroup || row.serial != later.serial) continue;
    if (later.counts[kSwappedOut] < row.counts[kSwappedOut]) return false;
  }
  return true;
}

struct Seen {
  int copies = 0, wrong_sums = 0, wrong_series = 0, fallen = 0, with_rows = 0;
};

// Takes one copy after the other as long as something moves, and makes series of every eighth.
Seen watch(const CgroupLedger& ledger, const host::Cgroups& cgroups, const Mover& mover) {
  Seen seen;
  LedgerCopy before, now;
  CgroupSeries series;
  ledger.copy(before);
  for (; !mover.is_done(); ++seen.copies) {
    const uint64_t least = mover.counted();
    ledger.copy(now);
    const uint64_t most = mover.begun();
    seen.wrong_sums += sums_of(now).are_between(least, most) ? 0 : 1;
    seen.fallen += all_grew(before, now) ? 0 : 1;
    std::swap(before, now);
    if (seen.copies % 8 != 0) continue;
    series.update(before, cgroups);
    seen.wrong_series += sums_of(series).are_between(least, most) ? 0 : 1;
    seen.with_rows += series.rows().empty() ? 0 : 1;
  }
  return seen;
}

TEST(CgroupLedger, ACopyIsOfOneMoment) {
  Folder root;
  host::Cgroups cgroups(root.path());
  std::vector<uint64_t> ids;
  for (uint32_t number = 0; number < kRows; ++number) {
    ids.push_back(make_cgroup(root, "g" + std::to_string(number)));
  }
  cgroups.refresh();
  CgroupLedger ledger(kRows);
  Mover mover(ledger, ids);
  std::thread pipeline([&] { mover.run(); });
  const Seen seen = watch(ledger, cgroups, mover);
  pipeline.join();
  RecordProperty("copies", seen.copies);
  EXPECT_EQ(seen.wrong_sums, 0);
  EXPECT_EQ(seen.wrong_series, 0);
  EXPECT_EQ(seen.fallen, 0);
  EXPECT_GT(seen.with_rows, 0);
  LedgerCopy last;
  ledger.copy(last);
  EXPECT_EQ(last.collapsed, uint64_t{kRows} * kRounds);
  EXPECT_EQ(last.rows[ledger.other()].counts[kSwappedOut], kPages * kRows * kRounds);
  EXPECT_EQ(last.matrix_other[kOrigin], kPages * kRows * kRounds);
}

}  // namespace
}  // namespace swaptrail::metrics
