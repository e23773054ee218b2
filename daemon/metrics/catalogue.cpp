#include "daemon/metrics/catalogue.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "trace/text.h"

namespace swaptrail::metrics {
namespace {

constexpr std::string_view kBeginning = R"(# Metrics

This file is made from the tables in `daemon/metrics/*_metrics.cpp` by the target `metrics_doc`; a test
fails if it is not up to date.

- Served at `/metrics` as text (0.0.4), or as OpenMetrics 1.0 to whoever prefers that in `Accept`.
- Base units. No pid, address or page number in a label.
- A metric that needs a hook which this kernel does not offer is absent, and `swaptrail_hook_state` shows
  why. Where several hooks are named, any one of them will do. With `--detail=counters` all that would be made from
  lifecycles is absent, and in its place there is `swaptrail_counted_*`.
- Series with few and fixed labels are there from the start, at 0, so that `increase()` sees the first event:
  by reason, cause, how, kind, origin (those that the mode of the hooks can distinguish), area (those in use)
  and backend (`device`, `zswap`, `zero`; `clean` too where it is counted). Other series of counters and
  histograms are there once there is something to count: lifecycles by outcome, those of a cgroup.

)";

constexpr std::string_view kEnd = R"(
## Words of the bounds

| word | how many |
|---|---|
| N | cgroups with series of their own: 100, can be set from 1 to 10,000 |
| areas | 34: area `0` to `31`, `other` (beyond), `none` (the lifecycle had no slot) |
| backends | 5: `unknown`, `none`, `device`, `zswap`, `zero` |
| origins | 12: `none`, `kswapd`, `direct`, `memcg_limit`, `proactive`, `node_reclaim`, `madv_pageout`, `damon`, `hibernation`, `memcg`, `unknown`, `lru_gen` |
| outcomes | 7: `freed_device`, `freed_zswap`, `freed_zero`, `freed_clean`, `aborted`, `in_flight`, `unknown` |
| stages | 6: `isolated_to_slot`, `slot_to_unmapped`, `unmapped_to_write`, `device_write`, `completed_to_removed`, `isolated_to_removed` |
| kinds | those of events: docs/EVENTS.md |
| hooks, programs | those of the attach plan: at most 22, and 64 |

A histogram has 27 series more for each set of labels. The borders are 1, 2.5 and 5 of each power of ten:
from 1 us to 100 s, and for `swaptrail_time_in_swap_seconds` from 1 ms to 100,000 s. `swaptrail_counted_seconds`
has 24 series more; its borders are powers of two of a nanosecond, from 0.5 us to 1.07 s.

## Cgroups

A cgroup gets a row with its first page, as long as there is room; then it has to be busier (pages out,
in, and reclaimed for it, and its faults, in one second) than the idlest that has one, which gives up its row. A cgroup
that was removed gives up its row within a second or two. The counts of a row that is given up are added
to `other`, and its series end; should the cgroup get a row again, its series begin at 0.

The label is the path; a control character in it is shown as `?`, and of cgroups whose labels would be the same one
has a series. A row whose path is not known yet is part of `other`; once it is known the series
begins with what comes from then on, or with everything if no scrape was in between. So every series only
grows, `other` as well, and their sum is exact in every scrape. A cgroup whose path can't be found never
has a series. Pages that are charged to no known cgroup are in `other`.

`swaptrail_table_used{table="awaited"}`: freed folios whose cgroup and origin are kept for when they come
back. When it is full an old one is forgotten: its return is counted, but for `other`, and as
`swaptrail_unattributed_return_pages_total`.
)";

bool is_chosen(absl::string_view hook, const probe::AttachPlan& plan) {
  const probe::HookPlan* found = plan.find(hook);
  return found != nullptr && found->state == probe::HookState::kChosen;
}

std::string in_code(std::string_view list, std::string_view separator, std::string_view between) {
  if (list.empty()) return "-";
  return absl::StrCat(
      "`",
      absl::StrReplaceAll(absl_view(list),
                          {{absl_view(separator), absl::StrCat("`", absl_view(between), "`")}}),
      "`");
}

}  // namespace

std::span<const Metric> catalogue() {
  static const auto* const kAll = [] {
    auto* const all = new std::vector<Metric>;
    for (const auto rows : {page_metrics(), cgroup_metrics(), holder_metrics(), status_metrics()})
      all->insert(all->end(), rows.begin(), rows.end());
    return all;
  }();
  return *kAll;
}

std::string_view type_name(Type type) {
  constexpr std::string_view kNames[] = {"counter", "gauge", "histogram"};
  return kNames[static_cast<size_t>(type)];
}

bool is_visible(const Metric& metric, const probe::AttachPlan& plan) {
  if (metric.hooks.empty()) return true;
  for (const absl::string_view hook : absl::StrSplit(absl_view(metric.hooks), '|')) {
    if (is_chosen(hook, plan)) return true;
  }
  return false;
}

std::string catalogue_text() {
  std::string text(kBeginning);
  absl::StrAppend(&text, "| name | type | unit | labels | series, at most | hook | meaning |\n",
                  "|---|---|---|---|---|---|---|\n");
  for (const Metric& metric : catalogue()) {
    absl::StrAppend(&text, "| `", absl_view(metric.name), "` | ", absl_view(type_name(metric.type)),
                    " | ", metric.unit.empty() ? "-" : absl_view(metric.unit), " | ",
                    in_code(metric.labels, ",", ", "), " | ", absl_view(metric.bound), " | ",
                    in_code(metric.hooks, "|", " or "), " | ", absl_view(metric.help), " |\n");
  }
  return absl::StrCat(text, absl_view(kEnd));
}

}  // namespace swaptrail::metrics
