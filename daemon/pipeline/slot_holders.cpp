#include "daemon/pipeline/slot_holders.h"

#include <memory>
#include <utility>

#include "daemon/base/page_bytes.h"
#include "trace/decode.h"

namespace swaptrail::pipeline {

SlotHolders slot_holders(const ledger::Ledger* ledger, const host::AreaWatch& areas,
                         uint64_t now_ns) {
  SlotHolders out;
  out.at_ns = now_ns;
  out.possible = ledger != nullptr;
  if (ledger != nullptr) {
    out.counters = ledger->counters();
    out.bytes = ledger->bytes();
    ledger->for_each_holding(
        [&](const ledger::Holding& holding) { out.holdings.push_back(holding); });
  }
  const std::shared_ptr<const host::AreaTimeline> timeline = areas.timeline();
  for (recording::SwapArea& area : areas.now()) {
    SlotHolders::Area& one = out.areas.emplace_back();
    one.area = std::move(area);
    if (const host::AreaInstance* known = timeline->find(one.area.type, now_ns)) {
      one.since_ns = known->since_ns;
      one.at_start = known->seen.area.used_bytes / base::page_bytes();
    }
    if (ledger == nullptr || one.area.type >= kMostAreaTypes) continue;
    one.held = ledger->used(one.area.type);
    one.swapoff = ledger->swapoff(one.area.type);
  }
  return out;
}

}  // namespace swaptrail::pipeline
