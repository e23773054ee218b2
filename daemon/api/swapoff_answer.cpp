// GetSwapoffPlan.
#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/api/answers.h"
#include "daemon/api/counted.h"
#include "daemon/api/explanation_words.h"
#include "daemon/api/filter.h"
#include "daemon/api/holder_groups.h"
#include "daemon/base/files.h"
#include "daemon/base/page_bytes.h"
#include "daemon/host/swapping_processes.h"
#include "trace/utf8.h"

namespace swaptrail::api {
namespace {

constexpr size_t kUsualRows = 10;

google::protobuf::Duration to_duration(double seconds) {
  google::protobuf::Duration out;
  out.set_seconds(static_cast<int64_t>(seconds));
  out.set_nanos(static_cast<int32_t>((seconds - static_cast<double>(out.seconds())) * 1e9));
  return out;
}

// MemAvailable of /proc/meminfo, in pages; 0 if it can't be read.
uint64_t available_pages() {
  const auto text = base::read_file("/proc/meminfo");
  if (!text.ok()) return 0;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    uint64_t kib = 0;
    if (!absl::ConsumePrefix(&line, "MemAvailable:") || !absl::ConsumeSuffix(&line, " kB"))
      continue;
    if (absl::SimpleAtoi(line, &kib)) return kib * 1024 / base::page_bytes();
  }
  return 0;
}

void put_cgroups(const std::vector<HolderGroup>& groups, const host::Cgroups& cgroups,
                 Converter& converter, v1::GetSwapoffPlanResponse& out) {
  for (const HolderGroup& group : groups) {
    if (away_pages(group) == 0) continue;
    v1::SwapoffCgroup& added = *out.add_cgroups();
    added.set_pages(away_pages(group));
    if (group.sum.holder.cgroup == 0) continue;
    converter.put_cgroup(group.sum.holder.cgroup, *added.mutable_cgroup());
    if (const auto room = cgroups.room(group.sum.holder.cgroup)) {
      added.set_room_pages(room->bytes / base::page_bytes());
      added.set_limited_by(utf8(room->path));
    }
  }
}

void judge(v1::GetSwapoffPlanResponse& out) {
  const uint64_t need = out.need_pages(), memory = out.available_pages();
  uint64_t crowded = 0;  // beyond the limits of their cgroups
  out.set_verdict(v1::SWAPOFF_VERDICT_FITS);
  if (need > memory) {
    out.set_verdict(v1::SWAPOFF_VERDICT_MOVES);
    out.add_reasons(absl::StrCat(need, " pages must come back, and memory has room for ", memory));
  }
  for (const v1::SwapoffCgroup& one : out.cgroups()) {
    if (!one.has_room_pages() || one.pages() <= one.room_pages()) continue;
    crowded += one.pages() - one.room_pages();
    out.set_verdict(v1::SWAPOFF_VERDICT_MOVES);
    out.add_reasons(absl::StrCat(one.pages(), " pages are charged to ", one.cgroup().path(),
                                 ", and memory.max of ", one.limited_by(), " leaves room for ",
                                 one.room_pages()));
  }
  const uint64_t beyond = std::max(need - std::min(need, memory), crowded);
  if (beyond > out.other_swap_pages()) {
    out.set_verdict(v1::SWAPOFF_VERDICT_FAILS);
    out.add_reasons(absl::StrCat(
        "the other swap areas have room for ", out.other_swap_pages(), " of these ", beyond,
        ": swapoff fails, or the OOM killer ends it, or processes of the cgroup"));
  } else if (beyond != 0) {
    out.add_reasons(
        absl::StrCat("so other pages go to other swap areas meanwhile, which have room for ",
                     out.other_swap_pages()));
  }
  if (out.area().unexplained() > 0)
    out.add_reasons(
        absl::StrCat("whose ", out.area().unexplained(), " of the pages are is not known"));
}

// By its own speed, if it runs; else by how long readers waited for pages of the area.
void expect(const Query& asked, uint32_t type, v1::GetSwapoffPlanResponse& out) {
  const v1::SwapoffProgress& progress = out.progress();
  if (progress.running() && progress.has_left()) {
    *out.mutable_expected() = progress.left();
    out.set_expected_from(
        absl::StrFormat("it runs, and frees %.0f slots a second", progress.pages_per_second()));
    return;
  }
  const AreaKeys areas(asked.host.areas.timeline());
  const uint64_t key = areas.key_of(type, asked.moment.now_ns());
  uint64_t pages = 0, wait_ns = 0;
  for (const counters::Row& row : asked.host.counters.copy(counters::Grouping::kArea).rows) {
    if (area_key_of(areas, row) != key) continue;
    pages += row.counts.returned_pages;
    wait_ns += row.counts.wait_ns;
  }
  if (pages == 0 || wait_ns == 0) {
    out.set_expected_from("nothing has come back from it yet");
    return;
  }
  const double each_ns = static_cast<double>(wait_ns) / static_cast<double>(pages);
  *out.mutable_expected() = to_duration(static_cast<double>(out.need_pages()) * each_ns / 1e9);
  out.set_expected_from(absl::StrCat(duration(static_cast<uint64_t>(each_ns)),
                                     " a page, as long as readers waited for the ", pages,
                                     " that came back from it"));
}

void put_progress(const ledger::Swapoff& swapoff, uint64_t left, const Moment& moment,
                  v1::SwapoffProgress& out) {
  const auto process = host::swapping_process(swapoff.tgid);
  Converter::put_process(swapoff.tgid, process ? process->comm : Comm{}, *out.mutable_process());
  out.set_done_pages(swapoff.pages);
  out.set_left_pages(left);
  *out.mutable_began() = moment.wall(swapoff.first_ns);
  *out.mutable_last() = moment.wall(swapoff.last_ns);
  out.set_running(process.has_value() &&
                  moment.now_ns() < swapoff.last_ns + ledger::kSwapoffPause_ns);
  const double taken_s = static_cast<double>(swapoff.last_ns - swapoff.first_ns) / 1e9;
  if (taken_s <= 0) return;
  out.set_pages_per_second(static_cast<double>(swapoff.pages) / taken_s);
  if (out.running())
    *out.mutable_left() = to_duration(static_cast<double>(left) / out.pages_per_second());
}

}  // namespace

absl::Status answer(const Query& asked, const v1::GetSwapoffPlanRequest& request,
                    v1::GetSwapoffPlanResponse& response) {
  const auto rows = to_count("max_rows", request.max_rows(), kUsualRows);
  if (!rows.ok()) return rows.status();
  const auto held = held_now(asked.host);
  if (!held.ok()) return held.status();
  const auto found = area_named(*held->holders, request.area_path());
  if (!found.ok()) return found.status();
  const pipeline::SlotHolders::Area& area = **found;
  Converter converter(asked.host, asked.moment, true);
  put_area(*held->holders, area, asked.host.inventory, *response.mutable_area());
  response.set_page_bytes(base::page_bytes());
  response.set_estimated(asked.host.status_board.newest()->sampling.ever());

  const Grouped processes =
      groups_of(*held, v1::HOLDER_GROUP_PROCESS, area.area.type, *rows, converter);
  for (const HolderGroup& group : processes.rows)
    put_group(group, v1::HOLDER_GROUP_PROCESS, asked.host, converter, *response.add_holders());
  if (processes.other_groups != 0) put_pages(processes.other, *response.mutable_other());
  response.set_other_groups(processes.other_groups);
  put_cgroups(groups_of(*held, v1::HOLDER_GROUP_CGROUP, area.area.type, *rows, converter).rows,
              asked.host.cgroups, converter, response);

  const Grouped all = groups_of(*held, v1::HOLDER_GROUP_AREA, area.area.type, 1, converter);
  const uint64_t in_memory =
      all.rows.empty() ? 0 : all.rows[0].sum.pages() - away_pages(all.rows[0]);
  const uint64_t used = response.area().used();
  response.set_need_pages(used - std::min(used, in_memory));
  response.set_available_pages(available_pages());
  uint64_t free_bytes = 0;
  for (const pipeline::SlotHolders::Area& other : held->holders->areas)
    if (&other != &area && other.area.used_bytes != recording::kUsedNotKnown)
      free_bytes += other.area.bytes - std::min(other.area.bytes, other.area.used_bytes);
  response.set_other_swap_pages(free_bytes / base::page_bytes());
  if (area.swapoff.pages != 0)
    put_progress(area.swapoff, used, asked.moment, *response.mutable_progress());
  judge(response);
  expect(asked, area.area.type, response);
  return absl::OkStatus();
}

}  // namespace swaptrail::api
