// One stored lifecycle: a fixed part that queries look at, and a part of variable length for the
// rest.
//
// Everything except returns is written before the record is published, and never again. Returns are:
// one atomic word; a bit for each page of a large folio; the first return's details, written once
// before the word says that they are there; and the number of the newest note about the rest
// (notes.h).
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
// return the first one was. A fault that brought no page back does not count: it is in the notes.
struct Back {
  uint16_t gone_pages = 0;        // no longer in swap, however that came
  uint16_t swapped_in_pages = 0;  // of those: used again
  uint16_t regretted_pages = 0;   // of those: sooner than the regret time
  bool any = false;               // the first return's details may be read
  ReturnHow how = ReturnHow::kSwappedIn;
  uint8_t backend = 0;
  bool major = false;

  uint64_t packed() const;
  static Back unpacked(uint64_t word);
};

// For a larger folio it is not kept which of its pages came back.
inline constexpr size_t kMostPagesKept = 512;
using PageBits = std::array<uint64_t, kMostPagesKept / 64>;

// A lifecycle as queries yield it.
struct StoredLifecycle {
  uint64_t sequence = 0;  // 1, 2, ... in order of closing, without gaps
  Lifecycle lifecycle;
  Back back;
  std::optional<Return> first_return;  // a large folio may come back in parts
  NoteChain notes;                     // what else happened to it, as far as was asked for
  PageBits gone{};                     // for a large folio: bit n: page n is no longer in swap

  // Is page `index` of the folio no longer in swap? Nothing: that is not kept.
  std::optional<bool> is_gone(uint32_t index) const;
  // The return that took page `index` out of swap; null: it is still there, or that return is not
  // kept.
  const Return* return_of(uint32_t index) const;
};

// The fixed part. One cache line.
struct alignas(64) Hot {
  uint64_t closed_ns;
  uint64_t folio;
  uint64_t entry;
  uint64_t cgroup;
  std::atomic<uint64_t> back;  // Back::packed
  uint32_t cold;               // offset of the other part in the segment, bytes
  uint32_t victim;             // mappings[0].tgid
  uint32_t victim_comm;        // comm_hash of mappings[0], its low half
  uint32_t reclaimer;          // last.tgid
  uint16_t nr_pages;
  Outcome outcome;
  uint8_t backend;
  uint8_t first_origin;
  uint8_t last_origin;
  IncompleteReason incomplete;
  uint8_t mappings : 4;  // kept in detail
  uint8_t sample_shift : 4;

  uint64_t weight() const { return uint64_t{1} << sample_shift; }
};
static_assert(sizeof(Hot) == 64 && kMaxMappings < 16);

// Reads a published record. A view: valid as long as its segment is pinned.
class RecordView {
 public:
  RecordView(const Hot& hot, const std::byte* cold) : hot_(&hot), cold_(cold) {}

  const Hot& hot() const { return *hot_; }
  uint64_t id() const;
  uint64_t at(Stage stage) const;  // 0 = not seen
  uint64_t slot_ns() const;        // as slot_time_ns()
  std::span<const Mapping> mappings() const;
  Comm reclaimer_comm() const;  // of the process that freed it or gave it up
  Back back() const { return Back::unpacked(hot_->back.load(std::memory_order_acquire)); }
  // Nanoseconds; nothing if a stage was not seen, or the page has not come back (as far as `back`
  // knows). For a folio that came back in parts: until the first part.
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

// The part of variable length.
inline constexpr size_t kMinColdBytes = 176;
struct Cold {
  size_t bytes = 0;      // a multiple of 8; 0: there was no room
  uint8_t mappings = 0;  // in it
};
// Writes it up to `end`, which is aligned to 8, if it needs no more than `room`.
Cold write_cold(const Lifecycle& lifecycle, std::byte* end, size_t room);
// Makes the fixed part at `at`; `place` is where the other part is, `victim_comm` the comm_hash of the first mapping.
void write_hot(const Lifecycle& lifecycle, const Cold& cold, uint32_t place, uint64_t victim_comm,
               std::byte* at);
// Adds a return to a published record. True: its details have no place there, and need a note. Only
// for the single writer.
bool add_return(const Return& entry_return, uint64_t regret_ns, Hot& hot, std::byte* cold);
void set_last_note(uint64_t number, std::byte* cold);

// Hash of its text: bytes after the first NUL do not count.
uint64_t comm_hash(const Comm& comm);

}  // namespace swaptrail::store
