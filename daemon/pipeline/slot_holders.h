// Who holds the used slots, as the ledger knows it, beside what the kernel says of its areas.
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/host/area_watch.h"
#include "trace/ledger/ledger.h"
#include "trace/recording/contents.h"

namespace swaptrail::pipeline {

// Who holds the used slots of the swap areas, at one moment. Pages are base pages.
struct SlotHolders {
  struct Area {
    recording::SwapArea area;  // with the kernel's used_bytes
    uint64_t held = 0;         // slots of it that are in `holdings`
    uint64_t since_ns = 0;     // 0 = on before the start
    uint64_t at_start = 0;     // in use when it was first seen
    ledger::Swapoff swapoff;   // the last one that was seen
  };
  uint64_t at_ns = 0;     // monotonic
  bool possible = false;  // else only the areas are known: not every hook that it takes is attached
  std::vector<ledger::Holding> holdings;
  std::vector<Area> areas;  // those that are on
  ledger::LedgerCounters counters;
  uint64_t bytes = 0;  // that the ledger takes
};

// At `now_ns`. `ledger` may be null: then it is not possible.
SlotHolders slot_holders(const ledger::Ledger* ledger, const host::AreaWatch& areas,
                         uint64_t now_ns);

}  // namespace swaptrail::pipeline
