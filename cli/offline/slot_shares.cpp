#include "cli/offline/slot_shares.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "cli/base/errors.h"
#include "trace/decode.h"
#include "trace/report/json.h"
#include "trace/report/text.h"
#include "trace/utf8.h"
#include "validate/in_step.h"

namespace swaptrail::offline {
namespace {

namespace json = report::json;
using engine::SlotMiss;

engine::SlotOptions slot_options(const engine::Features& features, uint32_t cpus) {
  engine::SlotOptions options;
  options.generation = features.allocator;
  options.cpus = std::max<uint32_t>(cpus, 1);
  return options;
}

void share_line(std::string_view name, uint64_t part, uint64_t whole, std::string& out) {
  absl::StrAppendFormat(&out, "  %-24s %12d %9.3f %%\n", name, part,
                        100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace

SlotShares::SlotShares(const engine::Features& features, uint32_t cpus, bool fresh)
    : hidden_for_shmem_(features.shmem_slot_hidden),
      fresh_(fresh),
      prediction_(slot_options(features, cpus)) {}

// An area that the allocator refuses has no share.
void SlotShares::on_area(const recording::SwapArea& area) {
  const bool fresh =
      area.used_bytes == 0 || (area.used_bytes == recording::kUsedNotKnown && fresh_);
  if (area.bytes == 0)
    prediction_.remove_area(area.type).IgnoreError();
  else if (prediction_.add_area(validate::as_area(area), fresh).ok())
    devices_[area.type].path = area.path;
}

// The slots of shmem first show when they are written, if they do not pass the slot hook.
bool SlotShares::shows_allocation(const swaptrail_event& event) const {
  if (event.entry == 0 || !devices_.contains(entry_type(event.entry))) return false;
  if (event.kind == SWAPTRAIL_SLOT_ALLOCATED) return event.result == 0;
  return hidden_for_shmem_ && event.kind == SWAPTRAIL_WRITE_BEGIN &&
         (event.state & SWAPTRAIL_STATE_ANON) == 0 && !prediction_.slots().in_use(event.entry);
}

void SlotShares::on_event(const swaptrail_event& event) {
  if (event.kind == SWAPTRAIL_SLOT_FREED)
    return prediction_.free(event.cpu, event.entry, event.nr_pages,
                            (event.state & SWAPTRAIL_STATE_SWAPOFF) != 0);
  if (!shows_allocation(event)) return;
  const engine::PredictionCounts before = prediction_.counts();
  const engine::SlotCheck check = prediction_.take(event.cpu, event.nr_pages, event.entry);
  const engine::PredictionCounts& after = prediction_.counts();
  Device& device = devices_[entry_type(event.entry)];
  ++device.allocations;
  device.exact += after.exact - before.exact;
  device.turns += after.turns - before.turns;
  device.exact_turns += after.exact_turns - before.exact_turns;
  if (!check.exact()) ++device.misses[static_cast<size_t>(check.miss)];
}

void SlotShares::append_json(std::string& out) const {
  report::json::append_key("slots", out);
  out.push_back('[');
  for (const auto& [type, device] : devices_) {
    if (out.back() != '[') out.push_back(',');
    out.push_back('{');
    report::json::field("swap_type", uint64_t{type}, out);
    report::json::field("path", std::string_view(device.path), out);
    report::json::field("allocations", device.allocations, out);
    report::json::field("exact", device.exact, out);
    report::json::field("turns", device.turns, out);
    report::json::field("exact_turns", device.exact_turns, out);
    report::json::append_key("misses", out);
    out.push_back('{');
    for (size_t miss = 0; miss < device.misses.size(); ++miss)
      if (device.misses[miss] != 0)
        report::json::field(engine::slot_miss_name(static_cast<SlotMiss>(miss)),
                            device.misses[miss], out);
    out.append("}}");
  }
  out.push_back(']');
}

void SlotShares::append_text(std::string& out) const {
  const bool any = std::any_of(devices_.begin(), devices_.end(),
                               [](const auto& device) { return device.second.allocations != 0; });
  if (any) out.append("\nSlots foretold\n");
  for (const auto& [type, device] : devices_) {
    if (device.allocations == 0) continue;
    report::append_all(out, "  ", type, ": ", printable(device.path), ", ", device.allocations,
                       " allocations, ", device.turns, " of them not just the next slot\n");
    share_line("exact", device.exact, device.allocations, out);
    if (device.turns != 0)
      share_line("exact, not just the next", device.exact_turns, device.turns, out);
    for (size_t miss = 0; miss < device.misses.size(); ++miss)
      if (device.misses[miss] != 0)
        share_line(engine::slot_miss_name(static_cast<SlotMiss>(miss)), device.misses[miss],
                   device.allocations, out);
  }
}

bool was_fresh(const recording::Reading& begin) {
  bool known = false, used = false;
  for (const auto& [name, value] : begin.vmstat) {
    known |= name == "pswpout";
    used |= value != 0 && (name == "pswpout" || name == "zswpout" || name == "swpout_zero");
  }
  return known && !used;
}

}  // namespace swaptrail::offline
