// GetHolders.
#include <unistd.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/api/answers.h"
#include "daemon/api/convert.h"
#include "daemon/api/filter.h"
#include "daemon/host/swapping_processes.h"
#include "trace/decode.h"
#include "trace/utf8.h"

namespace swaptrail::api {
namespace {

using ledger::Holder;
using ledger::Holding;
using ledger::OwnerKind;
using ledger::Where;

constexpr size_t kUsualHolders = 100;
constexpr absl::Duration kMostHoldersWait = absl::Seconds(2);

// What tells the groups apart: the rest of a holder is 0.
Holder group_of(const Holder& holder, v1::HolderGroup by) {
  Holder group;
  switch (by) {
    case v1::HOLDER_GROUP_CGROUP:
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

struct Group {
  Holding sum;
  v1::HolderKind kind = v1::HOLDER_KIND_UNSPECIFIED;

  void add(const Holding& holding) {
    for (size_t presence = 0; presence < ledger::kPresenceCount; ++presence)
      for (size_t where = 0; where < ledger::kWhereCount; ++where)
        sum.counts[presence][where] += holding.counts[presence][where];
    sum.shared += holding.shared;
    sum.found += holding.found;
    add(to_proto(holding.holder.kind));
  }
  void add(const Group& group) {
    add(group.sum);
    add(group.kind);
  }

 private:
  void add(v1::HolderKind other) {
    kind = kind == v1::HOLDER_KIND_UNSPECIFIED || kind == other ? other : v1::HOLDER_KIND_MIXED;
  }
};

std::vector<Group> groups_of(const std::vector<Holding>& holdings, v1::HolderGroup by) {
  using Key = std::tuple<OwnerKind, uint64_t, uint64_t, uint32_t, uint32_t, uint32_t>;
  std::map<Key, Group> groups;
  for (const Holding& holding : holdings) {
    const Holder holder = group_of(holding.holder, by);
    Group& group =
        groups[{holder.kind, holder.cgroup, holder.inode, holder.device, holder.tgid, holder.area}];
    group.sum.holder = holder;
    group.add(holding);
  }
  std::vector<Group> out;
  for (auto& [key, group] : groups) out.push_back(std::move(group));
  std::ranges::stable_sort(
      out, [](const Group& a, const Group& b) { return a.sum.pages() > b.sum.pages(); });
  return out;
}

void put_pages(const Group& group, v1::HolderRow& out) {
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
}

// What the kernel has of the group, to compare.
void put_kernel(const Holder& holder, v1::HolderGroup by, const Host& host, v1::HolderRow& out) {
  const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (by == v1::HOLDER_GROUP_CGROUP) {
    if (const auto bytes = host.cgroups.own_swap_bytes(holder.cgroup))
      out.set_kernel_pages(*bytes / page_bytes);
  } else if (by == v1::HOLDER_GROUP_PROCESS && holder.kind == OwnerKind::kProcess) {
    const auto process = host::swapping_process(holder.tgid);
    out.set_ended(!process);
    if (process) out.set_kernel_pages(process->swapped_bytes / page_bytes);
  }
}

void put_group(const Group& group, v1::HolderGroup by, Converter& converter, v1::HolderRow& out) {
  const Holder& holder = group.sum.holder;
  put_pages(group, out);
  switch (by) {
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
  out.set_used(area.area.used_bytes / static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  const auto unexplained = static_cast<int64_t>(out.used() - out.held());
  out.set_unexplained(unexplained);
  out.set_note(why_not_explained(holders, area, unexplained, inventory));
}

}  // namespace

absl::Status answer(const Query& asked, const v1::GetHoldersRequest& request,
                    v1::GetHoldersResponse& response) {
  const auto rows = to_count("max_rows", request.max_rows(), kUsualHolders);
  if (!rows.ok()) return rows.status();
  if (!v1::HolderGroup_IsValid(request.group_by()))
    return out_of_bounds("group_by", absl::StrCat(request.group_by()), "a HolderGroup");
  std::shared_ptr<const pipeline::SlotHolders> holders;
  const absl::Status looked =
      asked.host.requests.ask([&](pipeline::PipelineView& view) { holders = view.holders(); },
                              absl::Now() + kMostHoldersWait);
  if (!looked.ok()) return looked;
  if (!holders->possible)
    return absl::FailedPreconditionError(
        "who holds swap is not known: not every hook that it takes is attached (see GetStatus)");
  const v1::HolderGroup by = request.group_by() == v1::HOLDER_GROUP_UNSPECIFIED
                                 ? v1::HOLDER_GROUP_PROCESS
                                 : request.group_by();
  Converter converter(asked.host, asked.moment, true);
  size_t bytes = 0;
  Group other;
  uint64_t other_groups = 0;
  for (const Group& group : groups_of(holders->holdings, by)) {
    if (response.rows_size() < static_cast<int>(*rows) && bytes < kAnswerBytes) {
      v1::HolderRow& row = *response.add_rows();
      put_group(group, by, converter, row);
      put_kernel(group.sum.holder, by, asked.host, row);
      bytes += row.ByteSizeLong();
    } else {
      other.add(group);
      ++other_groups;
    }
  }
  if (other_groups != 0) put_pages(other, *response.mutable_other());
  response.set_other_groups(other_groups);
  for (const pipeline::SlotHolders::Area& area : holders->areas)
    put_area(*holders, area, asked.host.inventory, *response.add_areas());
  response.set_estimated(asked.host.status_board.newest()->sampling.ever());
  response.set_table_bytes(holders->bytes);
  response.set_group_by(by);
  response.set_page_bytes(static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  return absl::OkStatus();
}

}  // namespace swaptrail::api
