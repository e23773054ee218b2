// What another vm.page-cluster would have read, and which faults would have found their page read already.
//
// Which pages are in swap at any time, in which slots and at which addresses, a recording knows. Pages leave and are needed
// again as they were; each fault on a page in swap either finds it read ahead, or reads it with its neighbours:
//  - by slot (swap_cluster_readahead in mm/swap_state.c): the aligned block of slots around it, whoever's pages they have;
//  - by address (swap_vma_readahead): pages beside it in the same process. Linux does so since 4.14 if no area is
//    rotational; shared memory always goes by slot.
// How many, 2^page-cluster at most, is the kernel's own rule (__swapin_nr_pages): more after hits, fewer without.
//
// What is not in a recording is how long a page that was read ahead would have stayed without being used. Two runs bound it:
// one keeps it until it is used; the other drops it after as many pages have left memory as a tenth of all pages that came
// back needed at most to leave again.
//
// It assumes that reading ahead pushes nothing else out, that accesses stay as they were, and that the window by address is one
// for each process (the kernel has one for each region of memory).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/whatif/rough_histogram.h"
#include "engine/whatif/swapped_pages.h"
#include "trace/lifecycle.h"

namespace swaptrail::engine {

enum class ReadaheadWay : uint8_t { kBySlot, kByAddress };

struct ReadaheadCounters {
  uint64_t faults = 0;   // on pages in swap
  uint64_t major = 0;    // of these: their page had to be read
  uint64_t hits = 0;     // of these: it was read ahead
  uint64_t unknown = 0;  // of these: how the page had left was not seen
  uint64_t read = 0;     // pages, with those read ahead
};

// The kernel's rule for the next window. Pages, 1 .. most_pages.
uint32_t readahead_window(uint64_t before, uint64_t now, uint32_t hits, uint32_t most_pages,
                          uint32_t last_window);

// One run: one page-cluster, one way, one rule of dropping. Not thread-safe.
class ReadaheadRun {
 public:
  // `page_cluster`: 0 .. 5.
  ReadaheadRun(ReadaheadWay way, uint32_t page_cluster, bool drops)
      : way_(way), most_pages_(1u << page_cluster), drops_(drops) {}

  // A fault on a page that is in swap. `left`: pages that have left memory so far; `residence`: how many may leave before a page
  // that was read ahead is dropped.
  void fault(const SwappedPages& pages, uint64_t entry, PagePlace place, uint64_t left,
             uint64_t residence);
  void unknown_fault();
  // It is in swap no more, or another page is in its slot.
  void forget(uint64_t entry) { ahead_.erase(entry); }
  void clear() { ahead_.clear(); }
  const ReadaheadCounters& counters() const { return counters_; }

 private:
  struct Window {
    uint64_t before = 0;  // slot or page of the fault that set it
    uint32_t pages = 0;
    uint32_t hits = 4;  // as the kernel begins
  };

  void read_by_slot(const SwappedPages& pages, uint64_t entry, uint64_t left);
  void read_by_address(const SwappedPages& pages, PagePlace place, uint64_t left);
  void read(uint64_t entry, uint64_t wanted, uint64_t left);
  Window& window_of(PagePlace place);

  const ReadaheadWay way_;
  const uint32_t most_pages_;
  const bool drops_;
  uint64_t kept_for_ = 0;  // pages that may leave before it is dropped
  Window by_slot_;
  absl::flat_hash_map<uint32_t, Window> by_process_;
  absl::flat_hash_map<uint64_t, uint64_t>
      ahead_;  // entries of pages read ahead: pages that had left then
  ReadaheadCounters counters_;
};

// All runs for some page-clusters over one stream. Not thread-safe.
class ReadaheadEstimate {
 public:
  struct Answer {
    ReadaheadCounters kept, dropped;
  };

  ReadaheadEstimate(const std::vector<uint32_t>& page_clusters, uint64_t page_size);

  void on_lifecycle(const Lifecycle& lifecycle);
  void on_return(const Return& back);
  void on_loss(const Loss& loss);
  // `at`: which of the page-clusters.
  Answer answer(size_t at, ReadaheadWay way) const;
  uint64_t full() const { return pages_.full(); }

 private:
  static constexpr size_t kRunsEach = 4;
  void note_residence(PagePlace place);

  SwappedPages pages_;
  uint64_t shortest_residence() const;
  RoughHistogram
      residences_;  // pages that left between a return and the next time that the page left
  absl::flat_hash_map<PagePlace, uint64_t> came_back_;  // pages that had left then
  uint64_t left_ = 0;
  std::vector<ReadaheadRun> runs_;
};

}  // namespace swaptrail::engine
