// The memory of a simulated machine: page frames with their contents, and who maps them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/steps/folio.h"

namespace swaptrail::engine {

inline constexpr uint32_t kNoFrame = ~uint32_t{0};

// The content of a page: 16 bytes stand for all of it. Made from a number, so that 8 bytes are
// enough to know what a page must hold; 0 makes zeros, as the kernel fills a new page.
using Block = std::array<uint64_t, 2>;
inline void fill(Block& block, uint64_t token) {
  for (uint32_t i = 0; i < block.size(); ++i) {
    const uint64_t mixed = (token + i) * 0x9e3779b97f4a7c15;
    block[i] = token == 0 ? 0 : mixed ^ (mixed >> 29);
  }
}
inline bool is_filled(const Block& block, uint64_t token) {
  Block expected;
  fill(expected, token);
  return block == expected;
}

// What a struct folio has beyond the fields that decide its swap-out. `folio` is valid in a folio's
// first frame.
struct alignas(64) Frame {  // one line of a processor's cache
  Folio folio;
  uint32_t head = kNoFrame;         // the folio's first frame; kNoFrame: free
  uint32_t mappings = kNoFrame;     // of the folio: index into Mappings
  uint32_t log = kNoFrame;          // of the folio: its record in the SwapOutLog
  uint32_t shared_page = kNoFrame;  // shmem: page of the object
  bool locked = false;
  bool isolated = false;   // taken off the LRU by a reclaimer, which holds a reference
  bool from_swap = false;  // its content came from swap
  bool read_in = false;    // ... and nothing has mapped it since
  bool mapped = false;     // for each page of a folio that is `from_swap`: by a fault
  bool readahead = false;  // PG_readahead: read in, and not asked for yet
  bool written = false;    // to its slot, and not mapped since
};

// struct page of frame 0; a page frame number above 0, aligned to the largest folio.
inline constexpr uint64_t kPageStructs = 0xffffea0000000000 + (uint64_t{0x1000} << 6);
inline constexpr uint32_t kPageStructSize = 64;

static_assert(sizeof(Frame) == 64);

// All frames. Addresses are stable: nothing is ever moved.
class FrameTable {
 public:
  // `small` frames, and `blocks` aligned blocks of 2^order frames for large folios.
  FrameTable(uint32_t small, uint32_t blocks, uint32_t order);

  // A folio of 2^order frames (0, or the order above), with its address set. kNoFrame: none free.
  uint32_t allocate(uint32_t order);
  void release(uint32_t frame, uint32_t count);  // count: 1, or the whole folio

  Frame& operator[](uint32_t frame) { return frames_[frame]; }
  const Frame& operator[](uint32_t frame) const { return frames_[frame]; }
  Block& content(uint32_t frame) { return contents_[frame]; }
  // Hints to the processor: it will be needed soon.
  void prefetch(uint32_t frame) const { __builtin_prefetch(&frames_[frame]); }
  void prefetch_content(uint32_t frame) const { __builtin_prefetch(&contents_[frame]); }
  uint32_t size() const { return static_cast<uint32_t>(frames_.size()); }

  // Was it filled from swap, each of its pages mapped since, and not unmapped by reclaim?
  bool came_back(const Folio& folio) const;
  static uint32_t of(const Folio& folio) {
    return static_cast<uint32_t>((folio.address - kPageStructs) / kPageStructSize);
  }
  static uint64_t address(uint32_t frame) {
    return kPageStructs + uint64_t{frame} * kPageStructSize;
  }

 private:
  std::vector<Frame> frames_;
  std::vector<Block> contents_;
  std::vector<uint32_t> free_;         // small frames
  std::vector<uint32_t> free_blocks_;  // first frames
  std::vector<uint32_t> block_used_;   // frames of each block in use
  uint32_t small_;
  uint32_t order_;
};

// Reverse mappings (mm/rmap.c): for each folio the processes that map some of its pages.
struct MappingNode {
  uint32_t process = 0;
  uint32_t next = kNoFrame;
  int64_t first_page = 0;  // where the folio's first page would be in the process
};

class Mappings {
 public:
  void add(Frame& head, uint32_t process, int64_t first_page);
  void remove(Frame& head, uint32_t process);
  MappingNode& at(uint32_t index) { return nodes_[index]; }
  void prefetch(uint32_t index) const { __builtin_prefetch(&nodes_[index]); }
  bool has(const Frame& head, uint32_t process) const;

 private:
  std::vector<MappingNode> nodes_;
  uint32_t free_ = kNoFrame;
};

}  // namespace swaptrail::engine
