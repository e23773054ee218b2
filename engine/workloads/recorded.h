// The accesses to memory that a recording of swaptrail implies, event by event.
//
// A recording shows a page only when it leaves memory and when a fault brings it back. So what comes out is a lower bound of
// what was accessed: of all accesses between, none is seen. What can be told, and what becomes of it:
//
//   fault on a swap entry     the process touches the page: a read. (A write is not told apart by the event; that it was one
//                             shows when the page leaves again.)
//   page seen first           it has contents, or it would not be in swap: the touch is a write. When it really was
//                             written is not known. A page that is seen leaving first is written at that moment, which is
//                             the latest that there can be; so the order in which pages leave stays the order of touches.
//   page leaves again, dirty, with the slot that it came back from
//                             it was written since it came back: a write
//   page leaves again, clean, with that slot
//                             it was read at most: nothing
//   page leaves again with another slot
//                             its slot was freed meanwhile: by a write, or for the kernel wanted it back. Not known: nothing,
//                             and counted
//
// What can't be told: accesses to pages that are in memory and stay there; pages that never leave; which pages processes
// share (each has its own here, so they are more); forks, exits, munmap (a page stays until the end, also if its process is
// gone or another one has its number). Shared memory is left out: its events do not name processes and addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "bpf/event.h"
#include "engine/workloads/workload_source.h"

namespace swaptrail::engine {

struct RecordedCounters {
  uint64_t faults = 0;          // that touched a page
  uint64_t left = 0;            // pages that left memory
  uint64_t first_seen = 0;      // steps: pages that were not known before
  uint64_t writes_seen = 0;     // steps: pages that were written since they had come back
  uint64_t writes_unknown = 0;  // pages that left with another slot than they had come back from
  uint64_t returns_unseen = 0;  // pages that left twice, and were not seen to come back
  uint64_t shared_memory = 0;   // events, left out
  uint64_t no_place =
      0;  // events without process or address (mode tracepoint, kernel threads), left out
  uint64_t pages_full = 0;  // touches of pages that found no room in the table, left out
  uint64_t processes_full =
      0;  // touches by processes that found no number, or no room for a page: left out
};

class RecordedAccesses {
 public:
  static constexpr size_t kMostPages = size_t{1}
                                       << 22;  // 24 bytes and what the table keeps free, each

  explicit RecordedAccesses(size_t most_pages = kMostPages) : most_pages_(most_pages) {}

  // In the order of the stream. Appends the steps that follow from it to `steps`: at most as many as an event has pages.
  // Any event is fine.
  void on_event(const swaptrail_event& event, std::vector<WorkloadStep>& steps);
  const RecordedCounters& counters() const { return counters_; }

 private:
  struct Page {
    uint64_t entry = 0;  // of the swap entry that it left to, or came back from
    bool back = false;   // it came back since
  };
  struct Place {
    uint32_t process;  // as steps number it
    uint64_t page;
    bool operator==(const Place&) const = default;
    template <typename Hash>
    friend Hash AbslHashValue(Hash hash, const Place& place) {
      return Hash::combine(std::move(hash), place.process, place.page);
    }
  };

  void on_unmapped_one(const swaptrail_event& event, std::vector<WorkloadStep>& steps);
  void on_swap_in(const swaptrail_event& event, std::vector<WorkloadStep>& steps);
  void leave(const swaptrail_event& event, Place place, uint64_t entry,
             std::vector<WorkloadStep>& steps);
  bool find_process(uint32_t tgid, uint32_t& process);
  Page* find_page(Place place, bool& is_new);

  size_t most_pages_;
  absl::flat_hash_map<uint32_t, uint32_t> processes_;  // numbers, by tgid
  absl::flat_hash_map<Place, Page> pages_;
  RecordedCounters counters_;
};

}  // namespace swaptrail::engine
