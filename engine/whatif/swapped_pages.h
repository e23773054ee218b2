// Which pages are in swap, in which slots, and at which addresses: what readahead finds beside a page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "trace/lifecycle.h"

namespace swaptrail::engine {

// A page of a process. owner 0: not known.
struct PagePlace {
  uint32_t owner = 0;  // tgid
  uint64_t page = 0;   // address divided by the size of a page
  bool operator==(const PagePlace&) const = default;
  template <typename Hash>
  friend Hash AbslHashValue(Hash hash, const PagePlace& place) {
    return Hash::combine(std::move(hash), place.owner, place.page);
  }
};

// Not thread-safe. About 100 bytes for a page in swap.
class SwappedPages {
 public:
  explicit SwappedPages(uint64_t page_size, size_t most_pages = size_t{1} << 22)
      : page_size_(page_size), most_pages_(most_pages) {}

  // A lifecycle that was freed. Pages that find no room are counted, and are not found later.
  void leave(const Lifecycle& lifecycle);
  // It is in swap no more; no effect if it was not.
  void take(uint64_t entry);
  void clear();

  bool has(uint64_t entry) const { return places_.contains(entry); }
  // Owner 0: it is not in swap, or where it is mapped is not known.
  PagePlace place_of(uint64_t entry) const;
  // The slot of the page there; 0: it is not in swap, or not known to be.
  uint64_t entry_at(PagePlace place) const;
  uint64_t full() const { return full_; }

 private:
  const uint64_t page_size_;
  const size_t most_pages_;
  absl::flat_hash_map<uint64_t, PagePlace> places_;  // by entry
  absl::flat_hash_map<PagePlace, uint64_t> entries_;
  uint64_t full_ = 0;
};

}  // namespace swaptrail::engine
