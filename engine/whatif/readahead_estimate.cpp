#include "engine/whatif/readahead_estimate.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
constexpr size_t kMostPlaces = size_t{1} << 22;
constexpr size_t kMostProcesses = 4096;
constexpr uint64_t kPageTable = 512;  // entries: readahead by address goes no further

}  // namespace

uint32_t readahead_window(uint64_t before, uint64_t now, uint32_t hits, uint32_t most_pages,
                          uint32_t last_window) {
  uint32_t pages = hits + 2;
  if (pages == 2) {
    if (now != before + 1 && now + 1 != before) pages = 1;
  } else {
    pages = std::max(4u, std::bit_ceil(pages));
  }
  return std::max({1u, std::min(pages, most_pages), std::min(last_window / 2, most_pages)});
}

void ReadaheadRun::fault(const SwappedPages& pages, uint64_t entry, PagePlace place, uint64_t left,
                         uint64_t residence) {
  ++counters_.faults;
  kept_for_ = drops_ ? residence : kNoLimit;
  const auto found = ahead_.find(entry);
  const bool hit = found != ahead_.end() && left - found->second <= kept_for_;
  if (found != ahead_.end()) ahead_.erase(found);
  Window& window = window_of(place);
  if (hit) {
    ++counters_.hits;
    window.hits = std::min(window.hits + 1, 63u);
    if (way_ == ReadaheadWay::kByAddress) window.before = place.page;
    return;
  }
  ++counters_.major;
  const bool by_address = way_ == ReadaheadWay::kByAddress && place.owner != 0;
  by_address ? read_by_address(pages, place, left) : read_by_slot(pages, entry, left);
}

void ReadaheadRun::unknown_fault() {
  ++counters_.faults;
  ++counters_.unknown;
}

ReadaheadRun::Window& ReadaheadRun::window_of(PagePlace place) {
  if (way_ == ReadaheadWay::kBySlot || place.owner == 0) return by_slot_;
  const auto found = by_process_.find(place.owner);
  if (found != by_process_.end()) return found->second;
  if (by_process_.size() >= kMostProcesses) by_process_.clear();  // they begin anew
  return by_process_[place.owner];
}

void ReadaheadRun::read_by_slot(const SwappedPages& pages, uint64_t entry, uint64_t left) {
  const uint64_t offset = entry_offset(entry);
  const uint32_t window = std::bit_floor(
      readahead_window(by_slot_.before, offset, by_slot_.hits, most_pages_, by_slot_.pages));
  if (by_slot_.hits == 0) by_slot_.before = offset;
  by_slot_.hits = 0;
  by_slot_.pages = window;
  const uint64_t first = entry - (offset & (window - 1));
  for (uint64_t at = first; at < first + window; ++at)
    if (at == entry || pages.has(at)) read(at, entry, left);
}

void ReadaheadRun::read_by_address(const SwappedPages& pages, PagePlace place, uint64_t left) {
  Window& state = window_of(place);
  const uint64_t before = state.before;
  const uint32_t window =
      readahead_window(before, place.page, state.hits, most_pages_, state.pages);
  state = {.before = place.page, .pages = window, .hits = 0};
  uint64_t first = place.page - std::min<uint64_t>(place.page, (window - 1) / 2);
  if (place.page == before + 1) first = place.page;
  if (place.page + 1 == before) first = place.page + 1 - std::min<uint64_t>(place.page + 1, window);
  const uint64_t table = place.page / kPageTable * kPageTable;
  const uint64_t end = std::min(first + window, table + kPageTable);
  const uint64_t wanted = pages.entry_at(place);
  for (uint64_t page = std::max(first, table); page < end; ++page)
    if (const uint64_t entry = pages.entry_at({place.owner, page}); entry != 0)
      read(entry, wanted, left);
}

void ReadaheadRun::read(uint64_t entry, uint64_t wanted, uint64_t left) {
  if (entry != wanted) {
    const auto [at, is_new] = ahead_.emplace(entry, left);
    if (!is_new && left - at->second <= kept_for_) return;
    at->second = left;
  }
  ++counters_.read;
}

ReadaheadEstimate::ReadaheadEstimate(const std::vector<uint32_t>& page_clusters, uint64_t page_size)
    : pages_(page_size) {
  for (const uint32_t page_cluster : page_clusters)
    for (const ReadaheadWay way : {ReadaheadWay::kBySlot, ReadaheadWay::kByAddress})
      for (const bool drops : {false, true}) runs_.emplace_back(way, page_cluster, drops);
}

void ReadaheadEstimate::on_lifecycle(const Lifecycle& lifecycle) {
  if (!is_freed(lifecycle.outcome) || lifecycle.entry == 0) return;
  left_ += lifecycle.nr_pages;
  for (uint32_t at = 0; at < lifecycle.nr_pages; ++at)
    for (ReadaheadRun& run : runs_) run.forget(lifecycle.entry + at);
  pages_.leave(lifecycle);
  const Mapping& mapping = lifecycle.mappings[0];
  if (mapping.tgid != 0) note_residence(pages_.place_of(lifecycle.entry));
}

// Of the first page of a folio: the others are the same.
void ReadaheadEstimate::note_residence(PagePlace place) {
  const auto found = came_back_.find(place);
  if (found == came_back_.end()) return;
  residences_.add(left_ - found->second);
  came_back_.erase(found);
}

uint64_t ReadaheadEstimate::shortest_residence() const {
  constexpr uint64_t kFewest = 100;
  return residences_.count() < kFewest ? kNoLimit : residences_.percentile(1);
}

void ReadaheadEstimate::on_return(const Return& back) {
  if (back.nr_pages == 0 || is_failed(back.how)) return;
  const bool needed = back.how == ReturnHow::kSwappedIn && back.fault_ns != 0;
  const uint64_t residence = needed ? shortest_residence() : 0;
  const PagePlace place = pages_.place_of(back.entry);
  const bool known = pages_.has(back.entry);
  for (ReadaheadRun& run : runs_) {
    if (needed && known) run.fault(pages_, back.entry, place, left_, residence);
    if (needed && !known) run.unknown_fault();
    for (uint32_t at = 0; at < back.nr_pages; ++at) run.forget(back.entry + at);
  }
  for (uint32_t at = 0; at < back.nr_pages; ++at) pages_.take(back.entry + at);
  if (!needed || place.owner == 0) return;
  if (came_back_.size() >= kMostPlaces) came_back_.clear();  // a sample is as good
  came_back_[place] = left_;
}

void ReadaheadEstimate::on_loss(const Loss& loss) {
  if (loss.is_time_mark()) return;
  pages_.clear();
  came_back_.clear();
  for (ReadaheadRun& run : runs_) run.clear();
}

ReadaheadEstimate::Answer ReadaheadEstimate::answer(size_t at, ReadaheadWay way) const {
  const size_t first = at * kRunsEach + (way == ReadaheadWay::kByAddress ? 2 : 0);
  return {runs_[first].counters(), runs_[first + 1].counters()};
}

}  // namespace swaptrail::engine
