#include "trace/readahead/readahead_use.h"

#include <algorithm>

#include "trace/decode.h"
#include "trace/kinds.h"

namespace swaptrail::readahead {
namespace {

// How long a fault may take to report after it has freed the slot.
constexpr uint64_t kGrace_ns = 2'000'000'000;

bool is_swap(uint64_t entry) { return entry != 0 && entry_type(entry) < kMostAreaTypes; }

uint64_t begin_ns(const swaptrail_event& fault) {
  return fault.time_ns - std::min<uint64_t>(fault.time_ns, fault.u.map.value);
}

}  // namespace

void Counts::add(const Counts& more) {
  read += more.read;
  wanted += more.wanted;
  used += more.used;
  dropped += more.dropped;
  not_followed += more.not_followed;
}

ReadaheadUse::ReadaheadUse(const Options& options) : options_(options), rows_(kMostAreaTypes) {
  for (uint32_t area = 0; area < kMostAreaTypes; ++area) rows_[area].area = area;
}

bool ReadaheadUse::is_possible(uint64_t visible_kinds) {
  constexpr uint64_t kNeeded = kind_bit(SWAPTRAIL_SWAP_READ) | kind_bit(SWAPTRAIL_SWAP_IN) |
                               kind_bit(SWAPTRAIL_SHMEM_SWAP_IN) | kind_bit(SWAPTRAIL_SLOT_FREED);
  return (visible_kinds & kNeeded) == kNeeded;
}

// Most events are of none of these, or nothing is pending.
void ReadaheadUse::on_event(const swaptrail_event& event, uint64_t sequence) {
  constexpr uint64_t kReads = kind_bit(SWAPTRAIL_SWAP_READ);
  constexpr uint64_t kAll = kReads | kind_bit(SWAPTRAIL_SWAP_IN) |
                            kind_bit(SWAPTRAIL_SHMEM_SWAP_IN) | kind_bit(SWAPTRAIL_CACHE_DELETED) |
                            kind_bit(SWAPTRAIL_SLOT_FREED) | kind_bit(SWAPTRAIL_REMOVED) |
                            kind_bit(SWAPTRAIL_SLOT_ALLOCATED);
  if (kind_bit(event.kind) & (pages_.empty() ? kReads : kAll)) take(event);
  if (next_ != nullptr) next_->on_event(event, sequence);
}

[[gnu::noinline]] void ReadaheadUse::take(const swaptrail_event& event) {
  settle(event.time_ns);
  switch (event.kind) {
    case SWAPTRAIL_SWAP_READ:
      return on_read(event);
    case SWAPTRAIL_SWAP_IN:
    case SWAPTRAIL_SHMEM_SWAP_IN:
      return on_fault(event);
    case SWAPTRAIL_CACHE_DELETED:
    case SWAPTRAIL_SLOT_FREED:
      return on_left(event);
    case SWAPTRAIL_REMOVED:
      if (event.result == 1) on_dropped(event);
      return;
    default:  // SWAPTRAIL_SLOT_ALLOCATED
      if (event.result == 0) on_dropped(event);
  }
}

void ReadaheadUse::on_loss(const Loss& loss) {
  if (next_ != nullptr) next_->on_loss(loss);
}

void ReadaheadUse::on_time(uint64_t now_ns) {
  settle(now_ns);
  if (next_ != nullptr) next_->on_time(now_ns);
}

void ReadaheadUse::on_read(const swaptrail_event& event) {
  if (!is_swap(event.entry) || (event.state & SWAPTRAIL_STATE_SWAPCACHE) == 0) return;
  const uint32_t row = row_of(entry_type(event.entry), event.u.page.cgroup);
  const uint32_t pages = pages_of(event);
  const auto sample_shift = static_cast<uint8_t>(sample_shift_of(event.state));
  for (uint32_t page = 0; page < pages; ++page) {
    if (const auto before = pages_.find(event.entry + page); before != pages_.end())
      end(before, &Counts::dropped);
    rows_[row].counts.read += uint64_t{1} << sample_shift;
    if (pages_.size() >= options_.max_pages) {
      rows_[row].counts.not_followed += uint64_t{1} << sample_shift;
      continue;
    }
    pages_[event.entry + page] = {.read_ns = event.time_ns,
                                  .tid = event.tid,
                                  .row = row,
                                  .before = static_cast<uint16_t>(page),
                                  .after = static_cast<uint16_t>(pages - page - 1),
                                  .sample_shift = sample_shift};
  }
}

// A pass may only wait, and map nothing: what it has read for itself it wanted all the same.
void ReadaheadUse::on_fault(const swaptrail_event& event) {
  if (!is_swap(event.entry)) return;
  const auto asked = pages_.find(event.entry);
  if (asked != pages_.end() && asked->second.tid == event.tid &&
      asked->second.read_ns >= begin_ns(event)) {
    const Page read = asked->second;
    for (uint64_t entry = event.entry - read.before; entry <= event.entry + read.after; ++entry)
      if (const auto one = pages_.find(entry);
          one != pages_.end() && one->second.read_ns == read.read_ns)
        end(one, &Counts::wanted);
  }
  const bool counted = event.u.map.ptes != SWAPTRAIL_NOT_COUNTED;  // Linux 5.10: one, if it is done
  const bool shmem = event.kind == SWAPTRAIL_SHMEM_SWAP_IN;
  const bool done = shmem ? event.result >= 0
                          : (static_cast<uint32_t>(event.result) & SWAPTRAIL_FAULT_NOT_DONE) == 0;
  const uint32_t mapped = counted ? event.u.map.ptes : uint32_t{done};
  const uint64_t first = event.entry - (counted ? event.u.map.first_page : 0);
  for (uint32_t page = 0; page < mapped; ++page)
    if (const auto one = pages_.find(first + page); one != pages_.end()) end(one, &Counts::used);
}

void ReadaheadUse::on_left(const swaptrail_event& event) {
  if (!is_swap(event.entry)) return;
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    const auto one = pages_.find(event.entry + page);
    if (one == pages_.end() || one->second.left_ns != 0) continue;
    if (event.state & SWAPTRAIL_STATE_SWAPOFF && event.kind == SWAPTRAIL_SLOT_FREED) {
      end(one, &Counts::wanted);
      continue;
    }
    one->second.left_ns = event.time_ns;
    leaving_.emplace_back(event.time_ns, event.entry + page);
  }
}

void ReadaheadUse::on_dropped(const swaptrail_event& event) {
  if (!is_swap(event.entry)) return;
  for (uint32_t page = 0; page < pages_of(event); ++page)
    if (const auto one = pages_.find(event.entry + page); one != pages_.end())
      end(one, &Counts::dropped);
}

bool ReadaheadUse::has_due(uint64_t now_ns) const {
  return !leaving_.empty() && now_ns > leaving_.front().first + kGrace_ns;
}

void ReadaheadUse::settle(uint64_t now_ns) {
  while (has_due(now_ns)) {
    const auto [left_ns, entry] = leaving_.front();
    leaving_.pop_front();
    const auto one = pages_.find(entry);
    if (one != pages_.end() && one->second.left_ns == left_ns) end(one, &Counts::dropped);
  }
}

void ReadaheadUse::end(Pages::iterator page, uint64_t Counts::*how) {
  rows_[page->second.row].counts.*how += uint64_t{1} << page->second.sample_shift;
  pages_.erase(page);
}

uint32_t ReadaheadUse::row_of(uint32_t area, uint64_t cgroup) {
  if (cgroup == 0) return area;
  const auto found = index_.find({area, cgroup});
  if (found != index_.end()) return found->second;
  if (rows_.size() >= options_.max_rows) return area;
  const auto row = static_cast<uint32_t>(rows_.size());
  rows_.push_back({area, cgroup, {}});
  index_.emplace(std::pair(area, cgroup), row);
  return row;
}

std::vector<Row> ReadaheadUse::rows() const {
  std::vector<Row> out;
  for (const Row& row : rows_)
    if (row.counts.read != 0) out.push_back(row);
  return out;
}

}  // namespace swaptrail::readahead
