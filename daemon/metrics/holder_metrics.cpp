// Who holds swap: gauges of the ledger of slots.
#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "daemon/base/page_bytes.h"
#include "daemon/metrics/scrape.h"
#include "trace/decode.h"

namespace swaptrail::metrics {
namespace {

using ledger::Holding;
using ledger::kWhereCount;
using ledger::Where;

constexpr std::array<std::string_view, kWhereCount> kWhereNames = {
    "unwritten", "device", "zswap", "zero", "reserve", "unknown"};
static_assert(static_cast<size_t>(Where::kNowhere) == 0 &&
              static_cast<size_t>(Where::kUnknown) == 5);

bool is_known(const Scrape& scrape) {
  return scrape.holders != nullptr && scrape.holders->possible;
}

// With the labels that identify the area, of those whose number is known.
template <typename Visit>
void for_held_areas(const Scrape& scrape, const Visit& visit) {
  if (!is_known(scrape)) return;
  for (const pipeline::SlotHolders::Area& area : scrape.holders->areas)
    if (area.area.type != host::kTypeNotKnown)
      visit(area, Series::Labels{{"area", std::to_string(area.area.type)},
                                 {"path", label_text(area.area.path)}});
}

void fill_held(const Scrape& scrape, Series& out) {
  if (!is_known(scrape)) return;
  std::map<uint32_t, std::array<uint64_t, kWhereCount>> sums;  // by area
  for (const Holding& holding : scrape.holders->holdings)
    for (size_t where = 0; where < kWhereCount; ++where)
      sums[holding.holder.area][where] += holding.pages(static_cast<Where>(where));
  for_held_areas(scrape, [&](const pipeline::SlotHolders::Area& area, Series::Labels labels) {
    labels.push_back({"where", ""});
    for (size_t where = 0; where < kWhereCount; ++where) {
      labels.back().value = text_of(kWhereNames[where]);
      out.add(labels, sums[area.area.type][where]);
    }
  });
}

void fill_unexplained(const Scrape& scrape, Series& out) {
  for_held_areas(scrape, [&](const pipeline::SlotHolders::Area& area, Series::Labels labels) {
    if (area.area.used_bytes == recording::kUsedNotKnown) return;
    out.add(std::move(labels), static_cast<double>(area.area.used_bytes / base::page_bytes()) -
                                   static_cast<double>(area.held));
  });
}

// Those that hold most, by name. What is charged to none that is known, or to others, is together.
void fill_cgroup_held(const Scrape& scrape, Series& out) {
  if (!is_known(scrape)) return;
  std::map<uint64_t, uint64_t> by_cgroup;
  for (const Holding& holding : scrape.holders->holdings)
    by_cgroup[holding.holder.cgroup] += holding.pages();
  std::vector<std::pair<uint64_t, uint64_t>> sorted;  // pages, cgroup
  for (const auto& [cgroup, pages] : by_cgroup) sorted.emplace_back(pages, cgroup);
  std::ranges::sort(sorted, std::greater<>());
  std::map<std::string, uint64_t> named;
  uint64_t other = 0;
  for (const auto& [pages, cgroup] : sorted) {
    const auto path = named.size() < scrape.sources.most_cgroups
                          ? scrape.sources.cgroups.known_path(cgroup)
                          : std::nullopt;
    if (path)
      named[label_text(*path)] += pages;
    else
      other += pages;
  }
  for (const auto& [path, pages] : named) out.add({{"cgroup", path}}, pages);
  out.add({{"cgroup", text_of(CgroupSeries::kOther)}}, other);
}

// clang-format off: this is a table
constexpr Metric kHolderMetrics[] = {
    {"swaptrail_swap_area_held_pages", kGauge, "pages", "area,path,where", "6 x 32", "slot_freed",
     "Used slots of which it is known who holds them, by where they lie: device, zswap, zero (filled with zeroes), unwritten (only in memory yet), reserve (kept ready for a CPU, up to Linux 6.15), unknown (written before the start). With a sample an estimate. Absent, as the next two, when the pipeline does not answer in half a second.",
     fill_held},
    {"swaptrail_swap_area_unexplained_pages", kGauge, "pages", "area,path", "32", "slot_freed",
     "Used slots by /proc/swaps, less those: below 0 for a moment when the kernel has freed some whose records are on their way.",
     fill_unexplained},
    {"swaptrail_cgroup_held_pages", kGauge, "pages", "cgroup", "N + 1", "slot_freed",
     "Used slots that are charged to this cgroup, of those that hold most. What was in swap before the start is that of the cgroup in which its process was then.",
     fill_cgroup_held},
};
// clang-format on

}  // namespace

std::span<const Metric> holder_metrics() { return kHolderMetrics; }

}  // namespace swaptrail::metrics
