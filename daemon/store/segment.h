// A piece of the store: some thousand consecutive lifecycles, and a summary of them.
//
// The pipeline thread fills one segment at a time and publishes each record by increasing the
// count. A segment is never freed while the store or a snapshot lives: it is retired, and reused
// once nobody has it pinned. A reader checks its ordinal (1, 2, ...; 0 = retired) after pinning it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "daemon/store/bloom.h"
#include "daemon/store/record.h"

namespace swaptrail::store {

// The sizes that this host's kernel uses.
struct PageSizes {
  uint32_t page = 4096;       // bytes
  uint32_t struct_page = 64;  // bytes of a struct page: the distance of two pages of a folio
};

// Half-open range of units.
struct Units {
  uint64_t first = 0;
  uint32_t count = 0;  // 0 = not known
  bool covers(uint64_t unit) const { return unit - first < count; }
};
// Slots, numbered in its area.
Units slot_units(const Hot& hot);
// Struct pages.
Units folio_units(const Hot& hot, const PageSizes& sizes);
// User pages of a mapping of a folio of `nr_pages`.
Units mapped_units(const Mapping& mapping, uint16_t nr_pages, const PageSizes& sizes);

// A summary of all records of a sealed segment.
struct SegmentSummary {
  uint64_t min_closed_ns = ~uint64_t{0};
  uint64_t max_closed_ns = 0;
  uint64_t areas = 0;     // bit: number of the area
  uint32_t outcomes = 0;  // bit: Outcome
  uint32_t origins = 0;   // bit: swaptrail_origin, of the first reclaimer
  bool incomplete = false;
  bool unkept_mappings = false;         // some folio had more mappings than are kept
  Bloom tgids, comms, cgroups;          // of mappings; of what the folio is charged to
  RangeBloom slots, folios, addresses;  // by area; no space; by process
  // These still change as pages come back.
  std::array<std::atomic<uint64_t>, kLatencyCount> longest_ns{};
  std::atomic<bool> regretted{false};

  void clear();
};

class Segment {
 public:
  // `memory`: of memory_bytes(bytes), aligned as Hot is. It must outlive the segment, and is not touched before it is
  // needed. `bytes` is what they take together.
  Segment(std::byte* memory, size_t bytes, const PageSizes& sizes);
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  static size_t memory_bytes(size_t bytes);
  // How many lifecycles fit at most.
  static size_t max_records(size_t bytes);

  // For the pipeline thread. open() only while pinned() is false.
  void open(uint64_t ordinal, uint64_t first_sequence);
  bool append(const Lifecycle& lifecycle);  // false: no room, nothing is changed
  void seal() { sealed_.store(true, std::memory_order_release); }
  void retire() { ordinal_.store(0); }
  bool retired() const { return ordinal_.load(std::memory_order_relaxed) == 0; }
  bool pinned() const { return pins_.load() != 0; }
  void note_return(uint32_t index, const Return& entry_return, uint64_t regret_ns, Notes& notes);
  void note_stay(uint32_t index, const Stay& stay, Notes& notes);

  // For any thread. False: it is not that segment any more. Each true needs an unpin().
  bool pin(uint64_t ordinal);
  void unpin() { pins_.fetch_sub(1, std::memory_order_release); }

  // While pinned (or by the pipeline thread).
  uint64_t first_sequence() const { return first_sequence_; }
  bool sealed() const { return sealed_.load(std::memory_order_acquire); }
  uint32_t count() const { return count_.load(std::memory_order_acquire); }
  RecordView record(uint32_t index) const {  // index < count()
    const Hot& hot = *hot_at(index);
    return RecordView(hot, memory_ + hot.cold);
  }
  // Only if sealed.
  const SegmentSummary& summary() const { return summary_; }
  const PageSizes& sizes() const { return sizes_; }

 private:
  Hot* hot_at(uint32_t index) const { return reinterpret_cast<Hot*>(memory_ + hot_begin_) + index; }
  void summarize(const RecordView& record, const Lifecycle& lifecycle);
  void summarize_mappings(const RecordView& record);
  uint64_t hash_of(const Comm& comm);

  PageSizes sizes_;
  size_t bytes_;           // of memory_
  size_t hot_begin_;       // fixed parts grow up from here
  size_t cold_begin_ = 0;  // the others grow down from the end to here
  uint64_t first_sequence_ = 0;
  std::byte* memory_;  // filters, fixed parts, room, other parts
  SegmentSummary summary_;
  Comm hashed_{};  // the last one: mostly the next one too
  uint64_t hash_ = comm_hash(hashed_);
  std::atomic<uint64_t> ordinal_{0};
  std::atomic<uint32_t> pins_{0};
  std::atomic<uint32_t> count_{0};
  std::atomic<bool> sealed_{false};
};

}  // namespace swaptrail::store
