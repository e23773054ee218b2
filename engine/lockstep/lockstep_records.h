// What the lockstep validator knows about slots, folios and batches. Internal to engine/.
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bpf/event.h"
#include "engine/lockstep/account.h"
#include "engine/steps/folio.h"
#include "engine/steps/shrink.h"
#include "trace/decode.h"
#include "trace/lifecycle.h"

namespace swaptrail::engine {

using Event = swaptrail_event;

// Of one pass of a fault.
inline uint64_t fault_begin_ns(const Event& event) {
  return event.time_ns - std::min<uint64_t>(event.time_ns, event.u.map.value);
}

inline constexpr size_t kMaxStrays = 4096;      // pairs of processes of which one page is odd
inline constexpr size_t kMaxThreads = 1 << 16;  // remembered at once; more and all are forgotten
inline constexpr uint64_t kElsewhere = 1;       // a folio in the cache whose address is not known

// One swap slot, and the page that last got it.
struct SlotRecord {
  uint64_t cached = 0;       // the folio in the swap cache, kElsewhere, 0 = none
  uint64_t last_ns = 0;      // its last event: a later loss may hide others
  uint64_t unmapped_ns = 0;  // the event that reported the two below
  uint64_t address = 0;      // where the page was unmapped from, 0 = not known, or several places
  uint32_t owner = 0;        // ... and from which process
  bool used = false;
  bool from_begin = false;  // we saw it allocated
  bool stored = false;      // it holds the page's content
  bool freed = false;       // we saw it freed, and not allocated since
  bool shmem = false;       // no page table refers to it
};

// A folio in the swap cache, or in reclaim on its way there.
struct FolioRecord {
  Folio model;
  Account account;
  uint64_t last_ns = 0;
  uint64_t last_batch_ns = 0;    // the batch that touched it last
  uint32_t last_tid = 0;         // ... and its thread
  bool in_pass = false;          // its pass is open
  bool lost_completion = false;  // ... because its writeback seemed to have ended unseen
  bool lost_track = false;       // a pass did not go as it must: what follows is not compared
  bool from_begin = false;       // we know how it got its slot
  bool kind_known = true;    // false: read in, and not mapped yet; the mapping makes it anonymous
  bool from_swap = false;    // its content came from swap, as far as we saw
  bool read_in = false;      // ... and nothing has mapped it since
  bool by_zswap = false;     // ... zswap made it, to write an older page to the device
  bool mapped_once = false;  // a fault that mapped it, or a copy of it, was seen
  std::bitset<512> mapped;   // ... and which of its pages
  struct Seen {
    uint64_t time_ns = 0;
    uint8_t kind = 0;
  };
  std::array<Seen, 8> history{};  // a ring
  uint8_t history_next = 0;
};

// The reclaim batch that a thread runs, and the folio that it works on.
struct Batch {
  uint64_t begin_ns = 0;  // batch_ns of its events
  uint32_t tid = 0;
  ScanControl control;
  uint64_t freed_pages = 0;
  bool begun = false;  // RECLAIM_BEGIN was seen
  uint64_t folio = 0;  // of the open pass, 0 = none
  uint64_t entry = 0;  // ... its slot, as far as reported
  uint32_t nr_pages = 1;
  bool followed = false;  // ... and we sample it
  uint8_t last_kind = 0;  // its last event
  struct FreedEarly {
    Event event;
    uint64_t holder = 0;    // the folio that was in the cache with that slot, 0 = none
    bool was_free = false;  // the slot was known to be free
  };
  std::vector<FreedEarly> freed_early;  // by its thread, of folios without an open pass
  std::vector<Event> events;            // of the open pass, in order
  std::vector<Lifecycle> lifecycles;    // of folios whose pass is open
};

}  // namespace swaptrail::engine
