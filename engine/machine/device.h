// What is behind a swap area: the device with the contents of its slots, zswap in front of it, the
// map of zero-filled slots, and the writes under way.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/machine/frames.h"

namespace swaptrail::engine {

enum class Device : uint8_t { kSynchronous, kAsynchronous };

// Where the content of a slot is.
enum class Home : uint8_t { kNowhere, kDevice, kZswap, kZero };

// The slots of one area. Contents are copied in and out, byte by byte.
class Store {
 public:
  explicit Store(uint64_t pages) : slots_(pages), disk_(pages) {}

  void write_device(uint64_t offset, const Block& content);
  void write_zswap(uint64_t offset, const Block& content);
  void write_zero(uint64_t offset);
  // Fills `content` from wherever it is. kNowhere: nothing was ever written, and nothing is filled.
  Home read(uint64_t offset, Block& content) const;
  // zswap gives up what was read into the swap cache: an exclusive load (mm/zswap.c: zswap_load).
  void forget_zswap(uint64_t offset);
  void forget(uint64_t offset);  // the slot was freed
  // True if `content` is what was last written there.
  bool is_what_went_out(uint64_t offset, const Block& content) const;

  // The swap count of the slot (si->swap_map): how many page tables and shmem objects refer to it.
  uint16_t& count(uint64_t offset) { return slots_[offset].count; }
  bool cached(uint64_t offset) const { return slots_[offset].cached; }
  void set_cached(uint64_t offset, bool cached) { slots_[offset].cached = cached; }
  uint64_t pages() const { return slots_.size(); }
  void prefetch(uint64_t offset) const {
    __builtin_prefetch(&slots_[offset]);
    __builtin_prefetch(&disk_[offset]);
  }

 private:
  struct Slot {
    uint64_t digest = 0;  // of the content that went out
    uint32_t compressed = kNoFrame;
    uint16_t count = 0;
    Home home = Home::kNowhere;
    bool cached = false;  // SWAP_HAS_CACHE
  };
  std::vector<Slot> slots_;
  std::vector<Block> disk_;
  std::vector<Block> zswap_;
  std::vector<uint32_t> zswap_free_;
};

// A write that the device has not finished.
struct Flight {
  uint64_t done_ns = 0;
  uint64_t number = 0;  // in order of submission: breaks ties
  uint32_t frame = 0;
  uint32_t cpu = 0;  // the CPU whose interrupt reports the end
  bool failed = false;
};

// Writes under way on all devices, ordered by their end. No allocation once it has grown.
class Flights {
 public:
  void add(Flight flight);
  uint64_t next_ns() const { return heap_.empty() ? ~uint64_t{0} : heap_.front().done_ns; }
  bool empty() const { return heap_.empty(); }
  Flight take();  // the next; must not be empty

 private:
  std::vector<Flight> heap_;
  uint64_t numbers_ = 0;
};

}  // namespace swaptrail::engine
