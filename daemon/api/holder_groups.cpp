#include "daemon/api/holder_groups.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/base/page_bytes.h"
#include "daemon/host/cgroups.h"
#include "daemon/host/swapping_processes.h"
#include "trace/decode.h"
#include "trace/utf8.h"

namespace swaptrail::api {
namespace {

using ledger::Holder;
using ledger::Holding;
using ledger::OwnerKind;
using ledger::Where;

constexpr absl::Duration kMostHoldersWait = absl::Seconds(2);

// What tells the groups apart: the rest of a holder is 0.
Holder group_of(const Holder& holder, v1::HolderGroup by) {
  Holder group;
  switch (by) {
    case v1::HOLDER_GROUP_CGROUP:
    case v1::HOLDER_GROUP_UNIT:
      group.cgroup = holder.cgroup;
      break;
    case v1::HOLDER_GROUP_AREA:
      group.area = holder.area;
      break;
    case v1::HOLDER_GROUP_OBJECT:
      group.kind = holder.kind;
      group.inode = holder.inode;
      group.device = holder.device;
      break;
    default:
      group.kind = holder.kind;
      group.tgid = holder.tgid;
      group.comm = holder.comm;
  }
  return group;
}

using Key = std::tuple<std::string, OwnerKind, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t>;

// Cgroups of the same unit have the same key.
Key key_of(const Holder& group, const std::string& unit) {
  return {unit,       group.kind, unit.empty() ? group.cgroup : 0, group.inode, group.device,
          group.tgid, group.area};
}

std::string unit_of(v1::HolderGroup by, uint64_t cgroup, Converter& converter) {
  if (by != v1::HOLDER_GROUP_UNIT || cgroup == 0) return {};
  const std::string& path = converter.cgroup_path(cgroup);
  std::string unit = host::Cgroups::unit_in(path);
  return unit.empty() ? path : unit;
}

v1::HolderKind joined(v1::HolderKind one, v1::HolderKind other) {
  return one == v1::HOLDER_KIND_UNSPECIFIED || one == other ? other : v1::HOLDER_KIND_MIXED;
}

// What the kernel has of the group, to compare.
void put_kernel(const Holder& holder, v1::HolderGroup by, const Host& host, v1::HolderRow& out) {
  if (by == v1::HOLDER_GROUP_CGROUP) {
    if (const auto bytes = host.cgroups.own_swap_bytes(holder.cgroup))
      out.set_kernel_pages(*bytes / base::page_bytes());
  } else if (by == v1::HOLDER_GROUP_PROCESS && holder.kind == OwnerKind::kProcess) {
    const auto process = host::swapping_process(holder.tgid);
    out.set_ended(!process);
    if (process) out.set_kernel_pages(process->swapped_bytes / base::page_bytes());
  }
}

// Which of the slots that were in use at the start it can't have found, or not yet.
std::string why_not_found(const inventory::Progress& progress) {
  switch (progress.state) {
    case inventory::State::kOff:
      return absl::StrCat("page tables were not read: ", progress.why);
    case inventory::State::kReading:
      return absl::StrCat("page tables are being read, ", progress.processes_read, " of ",
                          progress.processes, " processes so far");
    case inventory::State::kFailed:
      return absl::StrCat("page tables were not all read: ", progress.why);
    case inventory::State::kDone:
      return absl::StrCat(
          "what no page table has is shared memory, or was in memory too",
          progress.processes_refused == 0
              ? ""
              : absl::StrCat(
                    "; ", progress.processes_refused,
                    " processes could not be read: they have ended, or may not be looked at"));
  }
  return {};
}

}  // namespace

void HolderGroup::add(const Holding& holding) {
  for (size_t presence = 0; presence < ledger::kPresenceCount; ++presence)
    for (size_t where = 0; where < ledger::kWhereCount; ++where)
      sum.counts[presence][where] += holding.counts[presence][where];
  sum.shared += holding.shared;
  sum.found += holding.found;
  kind = joined(kind, to_proto(holding.holder.kind));
}

void HolderGroup::add(const HolderGroup& group) {
  const v1::HolderKind both = joined(kind, group.kind);
  add(group.sum);
  ages.add(group.ages);
  kind = both;
}

uint64_t away_pages(const HolderGroup& group) {
  return group.sum.pages(ledger::Presence::kAway) - group.sum.pages(Where::kReserve);
}

absl::StatusOr<HeldNow> held_if_known(const Host& host) {
  HeldNow held;
  const absl::Status looked = host.requests.ask(
      [&](pipeline::PipelineView& view) {
        held.holders = view.holders();
        held.ages = view.ages();
      },
      absl::Now() + kMostHoldersWait);
  if (!looked.ok()) return looked;
  return held;
}

absl::StatusOr<const pipeline::SlotHolders::Area*> area_named(const pipeline::SlotHolders& holders,
                                                              const std::string& path) {
  std::vector<std::string> known;
  for (const pipeline::SlotHolders::Area& one : holders.areas) {
    known.push_back(utf8(one.area.path));
    if (known.back() != path) continue;
    if (one.area.type < kMostAreaTypes) return &one;
    return absl::FailedPreconditionError(
        absl::StrCat("the number that the kernel has for ", path, " is not known"));
  }
  return absl::NotFoundError(absl::StrCat("there is no swap area ", path, "; there is: ",
                                          known.empty() ? "none" : absl::StrJoin(known, ", ")));
}

absl::StatusOr<HeldNow> held_now(const Host& host) {
  auto held = held_if_known(host);
  if (held.ok() && !held->holders->possible)
    return absl::FailedPreconditionError(
        "who holds swap is not known: not every hook that it takes is attached (see GetStatus)");
  return held;
}

Grouped groups_of(const HeldNow& held, v1::HolderGroup by, std::optional<uint32_t> area,
                  size_t most, Converter& converter) {
  std::map<Key, HolderGroup> groups;
  const auto group_for = [&](const Holder& holder) -> HolderGroup& {
    const Holder rest = group_of(holder, by);
    std::string unit = unit_of(by, rest.cgroup, converter);
    HolderGroup& group = groups[key_of(rest, unit)];
    group.sum.holder = rest;
    group.unit = std::move(unit);
    return group;
  };
  for (const Holding& holding : held.holders->holdings)
    if (!area || holding.holder.area == *area) group_for(holding.holder).add(holding);
  // Of an owner that has let go of everything since, nothing is left to say.
  for (const ledger::HolderAges& one : *held.ages) {
    if (area && one.holder.area != *area) continue;
    HolderGroup& group = group_for(one.holder);
    if (group.kind != v1::HOLDER_KIND_UNSPECIFIED) group.ages.add(one.ages);
  }
  std::vector<HolderGroup> rows;
  for (auto& [key, group] : groups)
    if (group.sum.pages() != 0) rows.push_back(std::move(group));
  std::ranges::stable_sort(rows, [](const HolderGroup& a, const HolderGroup& b) {
    return a.sum.pages() > b.sum.pages();
  });
  Grouped out;
  for (size_t at = most; at < rows.size(); ++at) {
    out.other.add(rows[at]);
    ++out.other_groups;
  }
  rows.resize(std::min(rows.size(), most));
  out.rows = std::move(rows);
  return out;
}

void put_ages(const ledger::Ages& ages, google::protobuf::RepeatedPtrField<v1::AgeBucket>& out) {
  for (size_t at = 0; at < ages.pages.size(); ++at) {
    v1::AgeBucket& added = *out.Add();
    if (at < ledger::kAgeBounds.size())
      added.mutable_up_to()->set_seconds(
          static_cast<int64_t>(ledger::kAgeBounds[at] / 1'000'000'000));
    added.set_pages(ages.pages[at]);
  }
}

void put_pages(const HolderGroup& group, v1::HolderRow& out) {
  out.set_kind(group.kind);
  out.set_pages(group.sum.pages());
  out.set_device_pages(group.sum.pages(Where::kDevice));
  out.set_zswap_pages(group.sum.pages(Where::kZswap));
  out.set_zero_pages(group.sum.pages(Where::kZero));
  out.set_unwritten_pages(group.sum.pages(Where::kNowhere));
  out.set_reserve_pages(group.sum.pages(Where::kReserve));
  out.set_unknown_pages(group.sum.pages(Where::kUnknown));
  const uint64_t mapped = group.sum.pages(ledger::Presence::kMapped);
  out.set_cached_pages(group.sum.pages(ledger::Presence::kCached) + mapped);
  out.set_mapped_pages(mapped);
  out.set_shared_pages(group.sum.shared);
  out.set_found_pages(group.sum.found);
  put_ages(group.ages, *out.mutable_ages());
  out.set_older_pages(group.ages.before);
}

void put_group(const HolderGroup& group, v1::HolderGroup by, const Host& host, Converter& converter,
               v1::HolderRow& out) {
  const Holder& holder = group.sum.holder;
  put_pages(group, out);
  put_kernel(holder, by, host, out);
  switch (by) {
    case v1::HOLDER_GROUP_UNIT:
      if (!group.unit.starts_with("/")) out.set_unit(group.unit);
      if (!out.unit().empty()) break;
      [[fallthrough]];
    case v1::HOLDER_GROUP_CGROUP:
      if (holder.cgroup != 0) converter.put_cgroup(holder.cgroup, *out.mutable_cgroup());
      break;
    case v1::HOLDER_GROUP_AREA:
      out.set_area(holder.area);
      out.set_area_path(converter.area_path(holder.area, converter.moment().now_ns()));
      break;
    case v1::HOLDER_GROUP_OBJECT:
      if (holder.kind == OwnerKind::kShared)
        Converter::put_object({holder.inode, 0, holder.device}, *out.mutable_object());
      break;
    default:
      if (holder.kind == OwnerKind::kProcess)
        Converter::put_process(holder.tgid, holder.comm, *out.mutable_process());
  }
}

std::string why_not_explained(const pipeline::SlotHolders& holders,
                              const pipeline::SlotHolders::Area& area, int64_t unexplained,
                              const inventory::Inventory* inventory) {
  if (unexplained == 0) return {};
  if (unexplained < 0) return "the kernel has freed some whose records are on their way";
  std::vector<std::string> reasons;
  if (area.since_ns == 0 && area.at_start != 0) {
    reasons.push_back(
        absl::StrCat(area.at_start, " were in use when swaptraild started; of such slots, ",
                     holders.counters.older_freed, " were freed since, in all areas"));
    if (inventory != nullptr) reasons.push_back(why_not_found(inventory->progress()));
  }
  if (holders.counters.no_room != 0)
    reasons.push_back(absl::StrCat(holders.counters.no_room, " found no room in the table"));
  if (holders.counters.lost != 0)
    reasons.push_back(absl::StrCat(holders.counters.lost, " records were lost"));
  if (reasons.empty()) return "their records are on their way";
  return absl::StrJoin(reasons, "; ");
}

void put_area(const pipeline::SlotHolders& holders, const pipeline::SlotHolders::Area& area,
              const inventory::Inventory* inventory, v1::HeldArea& out) {
  out.set_path(utf8(area.area.path));
  out.set_held(area.held);
  if (area.area.type == host::kTypeNotKnown || area.area.used_bytes == recording::kUsedNotKnown) {
    out.set_not_known(true);
    out.set_note("the number that the kernel has for it is not known");
    return;
  }
  out.set_area(area.area.type);
  out.set_used(area.area.used_bytes / base::page_bytes());
  const auto unexplained = static_cast<int64_t>(out.used() - out.held());
  out.set_unexplained(unexplained);
  out.set_note(why_not_explained(holders, area, unexplained, inventory));
}

}  // namespace swaptrail::api
