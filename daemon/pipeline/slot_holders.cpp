#include "daemon/pipeline/slot_holders.h"

#include <unistd.h>

#include <memory>
#include <utility>

namespace swaptrail::pipeline {

SlotHolders slot_holders(const ledger::Ledger* ledger, const host::AreaWatch& areas,
                         uint64_t now_ns) {
  SlotHolders out;
  out.at_ns = now_ns;
  out.possible = ledger != nullptr;
  if (ledger == nullptr) return out;
  out.counters = ledger->counters();
  out.bytes = ledger->bytes();
  ledger->for_each_holding(
      [&](const ledger::Holding& holding) { out.holdings.push_back(holding); });
  const std::shared_ptr<const host::AreaTimeline> timeline = areas.timeline();
  for (recording::SwapArea& area : areas.now()) {
    SlotHolders::Area& one = out.areas.emplace_back();
    one.area = std::move(area);
    one.held = ledger->used(one.area.type);
    put_start(*timeline, now_ns, static_cast<uint64_t>(sysconf(_SC_PAGESIZE)), one);
  }
  return out;
}

}  // namespace swaptrail::pipeline
