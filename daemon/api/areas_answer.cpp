// GetSwapAreas.
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/api/answers.h"
#include "daemon/api/holder_groups.h"
#include "trace/utf8.h"

namespace swaptrail::api {
namespace {

using ledger::Presence;

constexpr size_t kMostOwners = 100;

void put_description(const recording::SwapArea& area, v1::SwapArea& out) {
  if (area.type == host::kTypeNotKnown) {
    out.set_type_unknown(true);
  } else {
    out.set_type(area.type);
  }
  out.set_path(utf8(area.path));
  out.set_size_bytes(area.bytes);
  if (area.used_bytes != recording::kUsedNotKnown) out.set_used_bytes(area.used_bytes);
  out.set_priority(area.priority);
  out.set_synchronous(area.synchronous == recording::Known::kYes);
  out.set_rotational(area.rotational == recording::Known::kYes);
}

// Of `group`: all that the area holds.
void put_slots(const HolderGroup& group, const v1::HeldArea& held, v1::AreaSlots& out) {
  out.set_used(held.used());
  out.set_reserve(group.sum.pages(ledger::Where::kReserve));
  out.set_cached(group.sum.pages(Presence::kCached) + group.sum.pages(Presence::kMapped));
  out.set_away(group.sum.pages() - out.cached() - out.reserve());
  out.set_unexplained(held.unexplained());
}

void put_owners(const std::vector<HolderGroup>& cgroups, size_t most_bytes, Converter& converter,
                v1::SwapArea& out) {
  size_t bytes = 0;
  for (const HolderGroup& group : cgroups) {
    if (away_pages(group) == 0) continue;
    v1::SwapOwner& added = *out.add_owners();
    converter.put_cgroup(group.sum.holder.cgroup, *added.mutable_cgroup());
    added.set_pages(away_pages(group));
    bytes += added.ByteSizeLong();
    if (bytes <= most_bytes) continue;
    out.mutable_owners()->RemoveLast();
    break;
  }
}

std::string note_of(const HeldNow& held, const v1::HeldArea& area,
                    const pipeline::Sampling& sampling) {
  if (!held.holders->possible)
    return "not every hook that sees pages come back is attached: what is still in swap is not known";
  if (!sampling.ever()) return area.note();
  return absl::StrCat("only 1 page in ", sampling.one_in, sampling.changes == 0 ? "" : " now",
                      " is followed: all but USED SLOTS are estimates",
                      area.note().empty() ? "" : "; ", area.note());
}

}  // namespace

absl::Status answer(const Query& asked, const v1::GetSwapAreasRequest&,
                    v1::GetSwapAreasResponse& response) {
  const auto held = held_if_known(asked.host);
  if (!held.ok()) return held.status();
  const auto status = asked.host.status_board.newest();
  Converter converter(asked.host, asked.moment, true);
  for (const pipeline::SlotHolders::Area& one : held->holders->areas) {
    v1::SwapArea& added = *response.add_areas();
    put_description(one.area, added);
    v1::HeldArea area;
    put_area(*held->holders, one, asked.host.inventory, area);
    added.set_note(note_of(*held, area, status->sampling));
    if (!held->holders->possible || area.not_known()) continue;
    Grouped all = groups_of(*held, v1::HOLDER_GROUP_AREA, one.area.type, 1, converter);
    if (all.rows.empty()) all.rows.emplace_back();
    put_slots(all.rows[0], area, *added.mutable_slots());
    put_ages(all.rows[0].ages, *added.mutable_ages());
    added.set_older_pages(all.rows[0].ages.before);
    put_owners(
        groups_of(*held, v1::HOLDER_GROUP_CGROUP, one.area.type, kMostOwners, converter).rows,
        kAnswerBytes / held->holders->areas.size(), converter, added);
  }
  return absl::OkStatus();
}

}  // namespace swaptrail::api
