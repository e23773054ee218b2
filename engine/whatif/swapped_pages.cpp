#include "engine/whatif/swapped_pages.h"

namespace swaptrail::engine {

// Of the first mapping only: the others have the same page at other places, and readahead by address goes by one of them.
void SwappedPages::leave(const Lifecycle& lifecycle) {
  const Mapping& mapping = lifecycle.mappings[0];
  const bool placed = mapping.tgid != 0 && mapping.address != 0 &&
                      mapping.first_page < lifecycle.nr_pages && !lifecycle.shmem;
  const uint64_t first = placed ? mapping.address / page_size_ - mapping.first_page : 0;
  for (uint32_t at = 0; at < lifecycle.nr_pages; ++at) {
    const uint64_t entry = lifecycle.entry + at;
    take(entry);
    if (places_.size() >= most_pages_) {
      ++full_;
      continue;
    }
    const PagePlace place = placed ? PagePlace{mapping.tgid, first + at} : PagePlace{};
    places_[entry] = place;
    if (placed) entries_[place] = entry;
  }
}

void SwappedPages::take(uint64_t entry) {
  const auto found = places_.find(entry);
  if (found == places_.end()) return;
  const auto at = entries_.find(found->second);
  if (at != entries_.end() && at->second == entry) entries_.erase(at);
  places_.erase(found);
}

PagePlace SwappedPages::place_of(uint64_t entry) const {
  const auto found = places_.find(entry);
  return found == places_.end() ? PagePlace{} : found->second;
}

void SwappedPages::clear() {
  places_.clear();
  entries_.clear();
}

uint64_t SwappedPages::entry_at(PagePlace place) const {
  const auto found = entries_.find(place);
  return found == entries_.end() ? 0 : found->second;
}

}  // namespace swaptrail::engine
