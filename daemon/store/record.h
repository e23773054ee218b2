// One stored lifecycle: a fixed part that queries look at, and a part of its own length for the rest.
//
// Everything but what came back of its pages is written before the record is published, and never
// again. What came back is: one atomic word; a bit for each page of a large folio; the first return's
// details, written once before the word says that they are there; and the number of the newest note
// about the rest (notes.h).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "daemon/base/mixed.h"
#include "daemon/store/notes.h"
#include "trace/latency.h"
#include "trace/lifecycle.h"

namespace swaptrail::store {

// What came back of a lifecycle's pages so far, in base pages (each stops at 65535), and what kind of
// return the first one was. A fault that brought no page back is none: it is in the notes.
struct Back {
  uint16_t gone_pages = 0;        // no longer in swap, however that came
  uint16_t swapped_in_pages = 0;  // of those: somebody used them again
  uint16_t regretted_pages = 0;   // of those: sooner than the regret time
  bool any = false;               // the first return's details may be read
  ReturnHow how = ReturnHow::kSwappedIn;
  uint8_t backend = 0;
  bool major = false;

  uint64_t packed() const;
  static Back unpacked(uint64_t word);
};

// Of a larger folio it is not kept which of its pages came back.
inline constexpr size_t kMostPagesKept = 512;
using PageBits = std::array<uint64_t, kMostPagesKept / 64>;

// A lifecycle as queries yield it.
struct StoredLifecycle {
  uint64_t sequence = 0;  // 1, 2, ... in order of closing, without gaps
  Lifecycle lifecycle;
  Back back;
  std::optional<Return> first_return;  // a large folio may come back in parts
  NoteChain notes;                     // what else became of it, as far as was asked for
  PageBits gone{};                     // of a large folio: bit n: page n is no longer in swap

  // Is page `index` of the folio no longer in swap? Nothing: not kept.
  std::optional<bool> is_gone(uint32_t index) const;
  // The return that took page `index` out of swap; null: it is there, or that return is not kept.
  const Return* return_of(uint32_t index) const;
};

// The fixed part. One cache line.
struct alignas(64) Hot {
  uint64_t closed_ns;
  uint64_t folio;
  uint64_t entry;
  uint64_t cgroup;
  std::atomic<uint64_t> back;  // Back::packed
  uint32_t cold;               // where the rest is, bytes into the segment
  uint32_t victim;             // mappings[0].tgid
  uint32_t victim_comm;        // comm_hash of mappings[0], its low half
  uint32_t reclaimer;          // last.tgid
  uint16_t nr_pages;
  Outcome outcome;
  uint8_t backend;
  uint8_t first_origin;
  uint8_t last_origin;
  IncompleteReason incomplete;
  uint8_t mappings;  // kept in detail
};
static_assert(sizeof(Hot) == 64);

// Reads a published record. A view: valid as long as its segment is pinned.
class RecordView {
 public:
  RecordView(const Hot& hot, const std::byte* cold) : hot_(&hot), cold_(cold) {}

  const Hot& hot() const { return *hot_; }
  uint64_t id() const;
  uint64_t at(Stage stage) const;  // 0 = not seen
  uint64_t slot_ns() const;        // as slot_time_ns()
  std::span<const Mapping> mappings() const;
  Comm reclaimer_comm() const;  // of who freed it or gave it up
  Back back() const { return Back::unpacked(hot_->back.load(std::memory_order_acquire)); }
  // Nanoseconds; nothing if a stage was not seen, or the page has not come back (as far as `back`
  // knows). Of a folio that came back in parts: the first part's.
  std::optional<uint64_t> span_ns(Latency span, const Back& back) const;
  Lifecycle lifecycle() const;
  // Only if `back.any`.
  Return first_return(const Back& back) const;
  AbortReason abort_reason() const;
  uint32_t mapping_count() const;
  // Number of its newest note, 0 = none.
  uint64_t last_note() const;
  // Without its notes: Snapshot::stored() has them.
  StoredLifecycle stored(uint64_t sequence) const;

 private:
  const Hot* hot_;
  const std::byte* cold_;
};

// The part of its own length.
inline constexpr size_t kMinColdBytes = 176, kMaxColdBytes = 504;
struct Cold {
  size_t bytes;      // a multiple of 8
  uint8_t mappings;  // in it
};
// Writes it to `at`, which is aligned to 8 and has kMaxColdBytes of room.
Cold write_cold(const Lifecycle& lifecycle, std::byte* at);
// Makes the fixed part at `at`; `place` is where the other will be.
void write_hot(const Lifecycle& lifecycle, const Cold& cold, uint32_t place, std::byte* at);
// Adds a return to a published record. True: its details have no place there, and need a note. The
// single writer's.
bool add_return(const Return& entry_return, uint64_t regret_ns, Hot& hot, std::byte* cold);
void set_last_note(uint64_t number, std::byte* cold);

// Of its text: what stands behind the first NUL does not count.
uint64_t comm_hash(const Comm& comm);

}  // namespace swaptrail::store
