#include "trace/ledger/holdings.h"

#include <algorithm>
#include <numeric>

#include "trace/check.h"
#include "trace/decode.h"

namespace swaptrail::ledger {

bool Holdings::Row::is_empty() const {
  return std::all_of(pages.begin(), pages.end(), [](uint64_t some) { return some == 0; });
}

Holdings::Holdings(size_t max_rows) : max_rows_(max_rows), rows_(1 + kMostAreaTypes) {
  SWAPTRAIL_CHECK(max_rows < kMostHoldings);
  for (uint32_t area = 0; area < kMostAreaTypes; ++area) {
    rows_[1 + area].holder.area = area;
    rows_[1 + area].holder.kind = OwnerKind::kOthers;
  }
}

uint32_t Holdings::obtain(const Holder& holder) {
  const Key key{holder.cgroup, holder.inode, holder.tgid, holder.device,
                static_cast<uint32_t>(holder.kind) << 8 | holder.area};
  auto found = index_.find(key);
  if (found == index_.end()) {
    if (free_.empty() && rows_.size() >= max_rows_) forget_empty();
    if (free_.empty() && rows_.size() >= max_rows_) {
      ++overflows_;
      return 1 + holder.area;
    }
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(rows_.size()));
      rows_.emplace_back();
    }
    found = index_.emplace(key, free_.back()).first;
    free_.pop_back();
    rows_[found->second] = Row{};
  }
  rows_[found->second].holder = holder;  // as it is called now
  last_[static_cast<size_t>(holder.kind)] = {holder.cgroup, holder.inode, holder.device,
                                             holder.tgid,   holder.area,  found->second};
  return found->second;
}

// Those that hold nothing any more make room.
void Holdings::forget_empty() {
  last_ = {};
  absl::erase_if(index_, [this](const auto& one) {
    const bool empty = rows_[one.second].is_empty();
    if (empty) free_.push_back(one.second);
    return empty;
  });
}

Holding Holdings::snapshot(uint32_t row) const {
  Holding out;
  out.holder = rows_[row].holder;
  out.shared = rows_[row].shared;
  out.found = rows_[row].found;
  for (size_t presence = 0; presence < kPresenceCount; ++presence)
    for (size_t where = 0; where < kWhereCount; ++where)
      out.counts[presence][where] =
          rows_[row]
              .pages[SlotState::of(static_cast<Where>(where), static_cast<Presence>(presence))];
  return out;
}

uint64_t Holding::pages() const {
  uint64_t all = 0;
  for (size_t presence = 0; presence < kPresenceCount; ++presence)
    all += pages(static_cast<Presence>(presence));
  return all;
}
uint64_t Holding::pages(Where where) const {
  uint64_t some = 0;
  for (const auto& present : counts) some += present[static_cast<size_t>(where)];
  return some;
}
uint64_t Holding::pages(Presence presence) const {
  const auto& some = counts[static_cast<size_t>(presence)];
  return std::accumulate(some.begin(), some.end(), uint64_t{0});
}

}  // namespace swaptrail::ledger
