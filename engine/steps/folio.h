// A folio as reclaim sees it: the flags, counts and swap entry that decide what happens to it.
#pragma once

#include <cstdint>

namespace swaptrail::engine {

// include/linux/page-flags.h; all of one folio, small or large.
struct Folio {
  uint64_t address = 0;   // of its first struct page: its identity
  uint64_t entry = 0;     // of its first page, while `swapcache`
  uint32_t nr_pages = 1;  // base pages
  uint32_t mapped = 0;    // page table entries that map it (folio_mapcount)
  uint16_t extra_references =
      0;             // beside those of the page tables, the cache and the one who isolated it
  bool anon = true;  // otherwise shmem
  bool ksm = false;
  bool swapbacked = true;
  bool swapcache = false;
  bool dirty = false;
  bool writeback = false;
  bool reclaim = false;     // PG_reclaim: rotate it when writeback ends
  bool referenced = false;  // PG_referenced
  bool active = false;
  bool mlocked = false;
  bool pinned = false;            // folio_maybe_dma_pinned
  bool partially_mapped = false;  // large, on the deferred split list
};

}  // namespace swaptrail::engine
