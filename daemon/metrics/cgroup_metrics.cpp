// The rows and cells of cgroups.
#include <algorithm>

#include "daemon/metrics/scrape.h"
#include "trace/decode.h"

namespace swaptrail::metrics {
namespace {

template <size_t Column>
void fill_pages(const Scrape& scrape, Series& out) {
  for (const CgroupSeries::Row& row : scrape.cgroups.rows()) {
    out.add({{"cgroup", text_of(row.path)}}, row.counts[Column]);
  }
  out.add({{"cgroup", text_of(CgroupSeries::kOther)}}, scrape.cgroups.other()[Column]);
}

void fill_cgroup_fault_wait(const Scrape& scrape, Series& out) {
  const auto seconds = [](const Columns& counts) {
    return static_cast<double>(counts[kFaultWait_ns]) / 1e9;
  };
  for (const CgroupSeries::Row& row : scrape.cgroups.rows()) {
    out.add({{"cgroup", text_of(row.path)}}, seconds(row.counts));
  }
  out.add({{"cgroup", text_of(CgroupSeries::kOther)}}, seconds(scrape.cgroups.other()));
}

// The minor faults are the rest.
void add_faults(std::string_view cgroup, const Columns& counts, Series& out) {
  out.add({{"cgroup", text_of(cgroup)}, {"major", "false"}},
          counts[kFaults] - std::min(counts[kMajorFaults], counts[kFaults]));
  out.add({{"cgroup", text_of(cgroup)}, {"major", "true"}}, counts[kMajorFaults]);
}

void fill_cgroup_faults(const Scrape& scrape, Series& out) {
  for (const CgroupSeries::Row& row : scrape.cgroups.rows()) add_faults(row.path, row.counts, out);
  add_faults(CgroupSeries::kOther, scrape.cgroups.other(), out);
}

void add_reclaimed(std::string_view cgroup, const Columns& counts, size_t origin, Series& out) {
  out.add({{"cgroup", text_of(cgroup)}, {"origin", origin_text(origin)}},
          counts[kReclaimed + origin]);
}

// `other` and the node have all origins from the start, for increase().
void add_always(std::string_view cgroup, const Columns& counts, const Scrape& scrape, Series& out) {
  for (size_t origin = 0; origin < kOrigins; ++origin) {
    if (counts[kReclaimed + origin] == 0 && !can_occur(scrape, origin)) continue;
    add_reclaimed(cgroup, counts, origin, out);
  }
}

void fill_reclaimed(const Scrape& scrape, Series& out) {
  for (const CgroupSeries::Row& row : scrape.cgroups.rows()) {
    for (size_t origin = 0; origin < kOrigins; ++origin) {
      if (row.counts[kReclaimed + origin] == 0) continue;
      add_reclaimed(row.path, row.counts, origin, out);
    }
  }
  add_always(CgroupSeries::kNode, scrape.cgroups.node(), scrape, out);
  add_always(CgroupSeries::kOther, scrape.cgroups.other(), scrape, out);
}

void add_cell(std::string_view victim, std::string_view reclaimer, size_t origin, uint64_t pages,
              Series& out) {
  out.add({{"victim", text_of(victim)},
           {"reclaimer", text_of(reclaimer)},
           {"origin", origin_text(origin)}},
          pages);
}

void fill_matrix(const Scrape& scrape, Series& out) {
  for (const CgroupSeries::Cell& cell : scrape.cgroups.cells()) {
    add_cell(cell.victim, cell.reclaimer, cell.origin, cell.pages, out);
  }
  for (size_t origin = 0; origin < kOrigins; ++origin) {
    const uint64_t pages = scrape.cgroups.other_cells()[origin];
    if (pages == 0 && !can_occur(scrape, origin)) continue;
    add_cell(CgroupSeries::kOther, CgroupSeries::kOther, origin, pages, out);
  }
}

void fill_cgroups(const Scrape& scrape, Series& out) {
  out.add({{"state", "tracked"}}, uint64_t{scrape.cgroups.rows().size()});
  out.add({{"state", "collapsed"}}, scrape.cgroups.collapsed());
}

// clang-format off: this is a table
constexpr Metric kCgroupMetrics[] = {
    // cgroups
    {"swaptrail_cgroup_swapped_out_pages_total", kCounter, "pages", "cgroup", "N + 1",
     kFromRemovals, "Base pages of this cgroup that reclaim freed.", fill_pages<kSwappedOut>},
    {"swaptrail_cgroup_swapped_in_pages_total", kCounter, "pages", "cgroup", "N + 1", "swap_in",
     "Base pages of this cgroup brought back by a fault.", fill_pages<kSwappedIn>},
    {"swaptrail_cgroup_regretted_pages_total", kCounter, "pages", "cgroup", "N + 1", "swap_in",
     "Base pages of this cgroup swapped in again sooner than the regret time.",
     fill_pages<kRegretted>},
    {"swaptrail_cgroup_fault_wait_seconds_total", kCounter, "seconds", "cgroup", "N + 1", "swap_in",
     "Time that threads of this cgroup waited in faults for pages in swap, whosever they were.",
     fill_cgroup_fault_wait},
    {"swaptrail_cgroup_faults_total", kCounter, "", "cgroup,major", "2 x (N + 1)", "swap_in",
     "Faults for pages in swap of threads of this cgroup, whosever pages they were.",
     fill_cgroup_faults},
    {"swaptrail_cgroup_reclaimed_pages_total", kCounter, "pages", "cgroup,origin",
     "(N + 2) x origins", kFromRemovals,
     "Base pages freed by reclaim on behalf of this cgroup, whosever they were; (node): reclaim of the whole node.",
     fill_reclaimed},
    {"swaptrail_reclaim_matrix_pages_total", kCounter, "pages", "victim,reclaimer,origin",
     "4 x N, at least 64, + origins", kFromRemovals,
     "Base pages freed, by the cgroup that lost them and the one they were reclaimed for; both are other if one of them has no series, or there is no room for the pair.",
     fill_matrix},
    {"swaptrail_cgroups", kGauge, "", "state", "2", "",
     "Cgroups with series of their own (tracked), and how many were merged into other since the start (collapsed).",
     fill_cgroups},
};
// clang-format on

}  // namespace

std::span<const Metric> cgroup_metrics() { return kCgroupMetrics; }

}  // namespace swaptrail::metrics
