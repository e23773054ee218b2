// A machine whose pages a test swaps out by hand, one function of the kernel after another.
#pragma once

#include <string_view>

#include "engine/machine/machine.h"

namespace swaptrail::engine {

inline Area swap_area(uint32_t type, uint64_t pages) {
  Area area;
  area.type = type;
  area.pages = pages;
  return area;
}

class HandMachine {
 public:
  // `features`: a set by name. Memory of `frames` pages, and one area with `slots` slots.
  HandMachine(std::string_view features, uint64_t frames, uint64_t slots, uint64_t seed = 1,
              bool zswap = false, double error_rate = 0)
      : options_(options_of(features, frames, slots, seed, zswap, error_rate)),
        machine_(options_, output_) {
    SWAPTRAIL_CHECK(machine_.begin().ok());
    process_ = machine_.start_process().value();
  }

  Machine& machine() { return machine_; }
  uint32_t process() const { return process_; }
  uint32_t fork() { return machine_.fork_process(process_).value(); }
  void write(uint64_t page) { SWAPTRAIL_CHECK(machine_.touch(process_, page, true).ok()); }
  void read(uint64_t page) { SWAPTRAIL_CHECK(machine_.touch(process_, page, false).ok()); }
  Folio& folio(uint64_t page) { return *machine_.folio_of(process_, page); }
  bool present(uint64_t page) { return machine_.entry_of(process_, page).present(); }
  bool swapped(uint64_t page) { return machine_.entry_of(process_, page).kind() == PteKind::kSwap; }
  // The page, locked and written to, as reclaim has it before it asks for a slot.
  Folio& locked(uint64_t page) {
    write(page);
    Folio& folio = this->folio(page);
    SWAPTRAIL_CHECK(machine_.world().lock(folio));
    return folio;
  }
  const SimulationResult& so_far() const { return machine_.so_far(); }

 private:
  class NoOutput : public EventOutput {
    void on_event(const swaptrail_event&, uint64_t) override {}
  };
  static SimulationOptions options_of(std::string_view features, uint64_t frames, uint64_t slots,
                                      uint64_t seed, bool zswap, double error_rate) {
    SimulationOptions options;
    options.features = features_named(features).value();
    options.cpus = 1;
    options.limit_pages = frames;
    options.seed = seed;
    options.max_events = 0;
    SimulatedArea& area = options.areas.emplace_back();
    area.area.pages = slots + 1;
    area.zswap = zswap;
    area.error_rate = error_rate;
    return options;
  }

  SimulationOptions options_;
  NoOutput output_;
  Machine machine_;
  uint32_t process_ = 0;
};

}  // namespace swaptrail::engine
