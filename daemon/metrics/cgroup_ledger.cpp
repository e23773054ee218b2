#include "daemon/metrics/cgroup_ledger.h"

#include <algorithm>
#include <span>
#include <thread>

namespace swaptrail::metrics {
namespace {

constexpr uint64_t key_of(uint32_t victim, uint32_t reclaimer, uint8_t origin) {
  return uint64_t{1} << 63 | uint64_t{victim} << 32 | uint64_t{reclaimer} << 8 | origin;
}
constexpr uint32_t victim_of(uint64_t key) { return static_cast<uint32_t>(key >> 32) & 0x7fffffff; }
constexpr uint32_t reclaimer_of(uint64_t key) { return static_cast<uint32_t>(key) >> 8; }
constexpr uint8_t origin_of(uint64_t key) { return static_cast<uint8_t>(key); }

uint32_t cells_for(uint32_t tracked) { return std::max(64u, 4 * tracked); }

// In this order the first is taken from the end.
std::vector<uint32_t> countdown(uint32_t from) {
  std::vector<uint32_t> all(from);
  for (uint32_t at = 0; at < from; ++at) all[at] = from - 1 - at;
  return all;
}

}  // namespace

CgroupLedger::CgroupLedger(uint32_t tracked)
    : tracked_(std::clamp(tracked, 1u, kMostTracked)),
      rows_(tracked_ + 2),
      cells_(cells_for(tracked_)),
      row_index_(tracked_),
      cell_index_(cells_.size()),
      free_rows_(countdown(tracked_)),
      free_cells_(countdown(static_cast<uint32_t>(cells_.size()))),
      busy_(tracked_),
      is_going_(tracked_ + 2),
      nameless_(tracked_) {
  going_.reserve(kMostMoves + HeavyHitters::kRoom);
}

uint32_t CgroupLedger::row_of(uint64_t cgroup, uint64_t weight) {
  if (cgroup == 0) return other();
  const uint32_t* found = row_index_.find(cgroup);
  if (found == nullptr && free_rows_.empty()) {
    heavy_hitters_.note(cgroup, weight);
    return other();
  }
  const uint32_t row = found != nullptr ? *found : admit(cgroup);
  busy_[row] += weight;
  return row;
}

// A free row's counts are 0. Readers look at the cgroup first.
uint32_t CgroupLedger::admit(uint64_t cgroup) {
  const uint32_t row = free_rows_.back();
  free_rows_.pop_back();
  *row_index_.insert(cgroup) = row;
  busy_[row] = 0;
  rows_[row].serial.store(++serials_, std::memory_order_release);
  rows_[row].cgroup.store(cgroup, std::memory_order_release);
  return row;
}

void CgroupLedger::add_cell(uint32_t victim, uint32_t reclaimer, uint8_t origin, uint64_t pages) {
  if (victim >= tracked_ || reclaimer == other()) return matrix_other_[origin].add(pages);
  const uint64_t key = key_of(victim, reclaimer, origin);
  const uint32_t* found = cell_index_.find(key);
  if (found == nullptr) {
    if (free_cells_.empty()) return matrix_other_[origin].add(pages);
    uint32_t* cell = cell_index_.insert(key);
    *cell = free_cells_.back();
    free_cells_.pop_back();
    cells_[*cell].key.store(key, std::memory_order_release);
    found = cell;
  }
  cells_[*found].pages.add(pages);
}

// A turn with more to move than kMostMoves continues at the next call.
void CgroupLedger::settle_turn() {
  const uint64_t turn = turn_.load(std::memory_order_acquire);
  const uint64_t version = version_.load(std::memory_order_relaxed);
  version_.store(version + 1, std::memory_order_relaxed);
  if (take_doomed()) {
    take_idle();
    settled_ = turn;
  }
  version_.store(version + 2, std::memory_order_release);
}

// False: there are more.
bool CgroupLedger::take_doomed() {
  bool all = true;
  for (uint32_t row = 0; row < tracked_ && all; ++row) {
    const uint64_t doomed = rows_[row].doomed.load(std::memory_order_relaxed);
    if (doomed == 0 || doomed != rows_[row].serial.load(std::memory_order_relaxed)) continue;
    if (rows_[row].cgroup.load(std::memory_order_relaxed) == 0) continue;
    all = going_.size() < kMostMoves;
    if (all) going_.push_back(row);
  }
  for (const uint32_t row : going_) collapse(row);
  free_cells();
  return all;
}

// Puts the idlest rows into `going_`, idlest first.
void CgroupLedger::find_idle(size_t most) {
  const auto idler = [this](uint32_t one, uint32_t other) { return busy_[one] < busy_[other]; };
  for (uint32_t row = 0; row < tracked_ && most != 0; ++row) {
    if (rows_[row].cgroup.load(std::memory_order_relaxed) == 0) continue;
    if (going_.size() == most) {
      if (!idler(row, going_.back())) continue;
      going_.pop_back();
    }
    going_.insert(std::upper_bound(going_.begin(), going_.end(), row, idler), row);
  }
}

// Compares the busiest candidate with the idlest row, then the next ones, as long as the candidate
// was busier.
void CgroupLedger::take_idle() {
  const std::span<HeavyHitters::Candidate> busiest = heavy_hitters_.busiest();
  const auto ends = std::remove_if(busiest.begin(), busiest.end(), [this](const auto& one) {
    return row_index_.find(one.id) != nullptr;
  });
  const auto waiting = busiest.first(static_cast<size_t>(ends - busiest.begin()));
  const size_t vacant = std::min(free_rows_.size(), waiting.size());
  find_idle(waiting.size() - vacant);
  size_t ousted = 0;
  while (ousted < going_.size() && waiting[vacant + ousted].sure() > busy_[going_[ousted]]) {
    ++ousted;
  }
  going_.resize(ousted);
  for (const uint32_t row : going_) collapse(row);
  free_cells();
  for (const auto& candidate : waiting.first(vacant + ousted)) admit(candidate.id);
  heavy_hitters_.clear();
  std::fill(busy_.begin(), busy_.end(), 0);
}

void CgroupLedger::collapse(uint32_t row) {
  Row& from = rows_[row];
  row_index_.erase(from.cgroup.load(std::memory_order_relaxed));
  from.cgroup.store(0, std::memory_order_release);
  for (size_t column = 0; column < kColumns; ++column) {
    rows_[other()].counts[column].add(from.counts[column].read());
    from.counts[column].set(0);
  }
  free_rows_.push_back(row);
  is_going_[row] = true;
  collapsed_.add(1);
}

// Frees those of `going_`, which is empty afterwards.
void CgroupLedger::free_cells() {
  if (going_.empty()) return;
  for (uint32_t at = 0; at < cells_.size(); ++at) {
    const uint64_t key = cells_[at].key.load(std::memory_order_relaxed);
    if (key == 0 || (!is_going_[victim_of(key)] && !is_going_[reclaimer_of(key)])) continue;
    matrix_other_[origin_of(key)].add(cells_[at].pages.read());
    cells_[at].pages.set(0);
    cells_[at].key.store(0, std::memory_order_release);
    cell_index_.erase(key);
    free_cells_.push_back(at);
  }
  for (const uint32_t row : going_) is_going_[row] = false;
  going_.clear();
}

bool CgroupLedger::is_gone(const host::Cgroups& cgroups, uint32_t row, uint64_t cgroup,
                           uint64_t serial) {
  if (!cgroups.lives(cgroup)) return true;
  Nameless& nameless = nameless_[row];
  const uint32_t before = nameless.serial == serial ? nameless.ticks : 0;
  nameless = {serial, cgroups.known_path(cgroup) ? 0 : before + 1};
  return nameless.ticks >= kNamelessTicks;
}

void CgroupLedger::tick(const host::Cgroups& cgroups) {
  for (uint32_t row = 0; row < tracked_; ++row) {
    const uint64_t serial = rows_[row].serial.load(std::memory_order_acquire);
    const uint64_t cgroup = rows_[row].cgroup.load(std::memory_order_acquire);
    // another cgroup got the row between the two loads
    if (cgroup == 0 || rows_[row].serial.load(std::memory_order_acquire) != serial) continue;
    if (is_gone(cgroups, row, cgroup, serial)) {
      rows_[row].doomed.store(serial, std::memory_order_release);
    }
  }
  turn_.store(turn_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void CgroupLedger::copy(LedgerCopy& out) const {
  out.rows.resize(rows_.size());
  out.cells.resize(cells_.size());
  while (!copy_once(out)) std::this_thread::yield();
}

// Every load is an acquire: a reader that sees a value written by a move, or after it, then sees a
// later version at the end.
bool CgroupLedger::copy_once(LedgerCopy& out) const {
  const uint64_t version = version_.load(std::memory_order_acquire);
  if (version % 2 != 0) return false;
  // before the rows: if a cell is seen, its rows are seen too
  for (size_t at = 0; at < cells_.size(); ++at) {
    const uint64_t key = cells_[at].key.load(std::memory_order_acquire);
    out.cells[at] = {victim_of(key), reclaimer_of(key), origin_of(key), key != 0,
                     key != 0 ? cells_[at].pages.read() : 0};
  }
  for (size_t at = 0; at < rows_.size(); ++at) {
    LedgerCopy::Row& row = out.rows[at];
    row = {.cgroup = rows_[at].cgroup.load(std::memory_order_acquire), .serial = 0, .counts = {}};
    if (row.cgroup == 0 && at < tracked_) continue;
    row.serial = rows_[at].serial.load(std::memory_order_acquire);
    for (size_t column = 0; column < kColumns; ++column) {
      row.counts[column] = rows_[at].counts[column].read();
    }
  }
  for (size_t origin = 0; origin < matrix_other_.size(); ++origin) {
    out.matrix_other[origin] = matrix_other_[origin].read();
  }
  out.collapsed = collapsed_.read();
  return version_.load(std::memory_order_relaxed) == version;
}

}  // namespace swaptrail::metrics
