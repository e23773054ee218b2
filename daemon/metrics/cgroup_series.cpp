#include "daemon/metrics/cgroup_series.h"

#include <numeric>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "trace/utf8.h"

namespace swaptrail::metrics {
std::string label_text(std::string_view text) { return printable(utf8(text)); }

void CgroupSeries::update(const LedgerCopy& copy, const host::Cgroups& cgroups) {
  collapsed_ = copy.collapsed;
  name_rows(copy, cgroups);
  add_rows(copy);
  add_cells(copy);
}

// No two rows have the same path: a cgroup that was created again waits until the old one's row is
// gone.
void CgroupSeries::name_rows(const LedgerCopy& copy, const host::Cgroups& cgroups) {
  sides_.resize(copy.rows.size() - 2);
  absl::flat_hash_set<std::string> taken;
  for (size_t at = 0; at < sides_.size(); ++at) {
    const LedgerCopy::Row& row = copy.rows[at];
    if (row.cgroup == 0 || sides_[at].serial != row.serial) sides_[at] = Side{row.serial, {}, {}};
    if (!sides_[at].path.empty()) taken.insert(sides_[at].path);
  }
  for (size_t at = 0; at < sides_.size(); ++at) {
    const LedgerCopy::Row& row = copy.rows[at];
    Side& side = sides_[at];
    if (row.cgroup == 0 || !side.path.empty()) continue;
    auto path = cgroups.known_path(row.cgroup);
    if (path && cgroups.lives(row.cgroup)) {
      std::string text = label_text(*path);
      if (taken.insert(text).second) side.path = std::move(text);
    }
    if (side.path.empty()) side.before = row.counts;
  }
}

void CgroupSeries::add_rows(const LedgerCopy& copy) {
  rows_.clear();
  node_ = copy.rows.back().counts;
  other_ = copy.rows[sides_.size()].counts;
  for (size_t at = 0; at < sides_.size(); ++at) {
    if (copy.rows[at].cgroup == 0) continue;
    Row row{sides_[at].path, copy.rows[at].counts};
    for (size_t column = 0; column < kColumns; ++column) {
      other_[column] += sides_[at].before[column];
      row.counts[column] -= sides_[at].before[column];
    }
    if (!row.path.empty()) rows_.push_back(row);
  }
}

std::string_view CgroupSeries::path_of(const LedgerCopy& copy, uint32_t row) const {
  if (row == sides_.size() + 1) return kNode;
  if (row >= sides_.size() || copy.rows[row].cgroup == 0) return {};
  return sides_[row].path;
}

void CgroupSeries::add_cells(const LedgerCopy& copy) {
  cells_.clear();
  shown_.resize(copy.cells.size());
  other_cells_ = copy.matrix_other;
  for (size_t at = 0; at < copy.cells.size(); ++at) {
    const LedgerCopy::Cell& cell = copy.cells[at];
    Shown& shown = shown_[at];
    if (!cell.used) {
      shown = {};
      continue;
    }
    const uint64_t victim = copy.rows[cell.victim].serial;
    const uint64_t reclaimer = copy.rows[cell.reclaimer].serial;
    if (shown.victim_serial != victim || shown.reclaimer_serial != reclaimer) {
      shown = {victim, reclaimer, 0};
    }
    const Cell seen{path_of(copy, cell.victim), path_of(copy, cell.reclaimer), cell.origin,
                    cell.pages - shown.before};
    if (seen.victim.empty() || seen.reclaimer.empty()) shown.before = cell.pages;
    other_cells_[cell.origin] += shown.before;
    if (cell.pages > shown.before) cells_.push_back(seen);
  }
}

}  // namespace swaptrail::metrics
