// What is behind the swap areas of a generation: the content of each slot, errors, and how far the head moves.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/generations/generation.h"
#include "engine/machine/workload.h"
#include "trace/decode.h"

namespace swaptrail::engine {

class SwapDevice {
 public:
  // The counters must outlive it: it adds to swapped_out, swapped_in, write_runs, seek_slots and write_errors.
  SwapDevice(const GenerationOptions& options, GenerationCounters& counters)
      : counters_(counters), state_(options.seed ^ 0x5357415044455649) {
    for (const GenerationArea& area : options.areas) {
      if (slots_.size() <= area.area.type)
        slots_.resize(area.area.type + 1), rates_.resize(area.area.type + 1);
      slots_[area.area.type].assign(area.area.pages, 0);
      rates_[area.area.type] = area.error_rate;
    }
  }

  // False: the device reports an error, and the slot holds what it held.
  bool write(uint64_t entry, uint64_t token) {
    move_to(entry);
    const double rate = rates_[entry_type(entry)];
    if (rate > 0 && static_cast<double>(splitmix64(state_) >> 11) * 0x1p-53 < rate) {
      ++counters_.write_errors;
      return false;
    }
    ++counters_.swapped_out;
    slots_[entry_type(entry)][entry_offset(entry)] = token;
    return true;
  }
  // A hint: it will be read soon.
  void prefetch(uint64_t entry) const {
    __builtin_prefetch(&slots_[entry_type(entry)][entry_offset(entry)]);
  }
  uint64_t read(uint64_t entry) {
    ++counters_.swapped_in;
    return slots_[entry_type(entry)][entry_offset(entry)];
  }

 private:
  void move_to(uint64_t entry) {
    if (next_ && *next_ != entry) {
      ++counters_.write_runs;
      const bool same = entry_type(*next_) == entry_type(entry);
      const uint64_t from = entry_offset(*next_), to = entry_offset(entry);
      if (same) counters_.seek_slots += from < to ? to - from : from - to;
    }
    next_ = entry + 1;
  }

  GenerationCounters& counters_;
  uint64_t state_;
  std::vector<std::vector<uint64_t>> slots_;  // tokens, by type
  std::vector<double> rates_;
  std::optional<uint64_t> next_;  // where the last write ended
};

}  // namespace swaptrail::engine
