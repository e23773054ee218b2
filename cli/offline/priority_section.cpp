// The section on the priorities of swap areas.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cli/offline/what_if_sections.h"

namespace swaptrail::offline {
namespace {

using engine::AreaLoad;

EstimateRow row_of(bool recorded, std::string area, std::string priority, const AreaLoad& load,
                   bool has_most) {
  constexpr EstimateUnit kCount = EstimateUnit::kCount;
  EstimateRow row{.recorded = recorded, .cells = {}};
  row.cells.push_back(text_cell("scenario", "WITH", recorded ? "as recorded" : "as asked"));
  row.cells.push_back(text_cell("area", "AREA", std::move(area)));
  row.cells.push_back(text_cell("priority", "PRIORITY", std::move(priority)));
  row.cells.push_back(number_cell("slots_given", "SLOTS GIVEN", kCount, load.given, load.given));
  row.cells.push_back(
      has_most ? number_cell("most_used", "MOST USED", kCount, load.most_used, load.most_used)
               : unknown_cell("most_used", "MOST USED", kCount));
  row.cells.push_back(
      number_cell("major_faults", "MAJOR FAULTS", kCount, load.faults, load.faults));
  row.cells.push_back(load.wait_known ? number_cell("wait_ns", "WAITED", EstimateUnit::kNs,
                                                    load.low_wait_ns, load.high_wait_ns)
                                      : unknown_cell("wait_ns", "WAITED", EstimateUnit::kNs));
  return row;
}

AreaLoad sum_of(const std::vector<AreaLoad>& loads) {
  AreaLoad sum;
  for (const AreaLoad& load : loads) {
    sum.given += load.given;
    sum.faults += load.faults;
    sum.low_wait_ns += load.low_wait_ns;
    sum.high_wait_ns += load.high_wait_ns;
    sum.wait_known = sum.wait_known && load.wait_known;
  }
  return sum;
}

}  // namespace

EstimateSection priority_section(const WhatIfSubject& subject,
                                 const engine::PriorityEstimate& estimate,
                                 const std::vector<recording::SwapArea>& areas,
                                 const std::vector<int32_t>& priorities) {
  EstimateSection section{.name = "priority",
                          .title = "with other priorities of the swap areas",
                          .rows = {},
                          .assumptions = {},
                          .not_known = subject.not_seen};
  for (const bool recorded : {true, false}) {
    const std::vector<AreaLoad> loads = recorded ? estimate.seen() : estimate.estimated();
    for (size_t at = 0; at < areas.size(); ++at)
      section.rows.push_back(row_of(recorded, areas[at].path,
                                    absl::StrCat(recorded ? areas[at].priority : priorities[at]),
                                    loads[at], true));
    section.rows.push_back(row_of(recorded, "all", "-", sum_of(loads), false));
    for (size_t at = 0; at < areas.size(); ++at)
      if (!loads[at].wait_known)
        section.not_known.push_back(absl::StrCat("No wait for ", areas[at].path,
                                                 " was measured: how long pages would "
                                                 "have taken from there is not known."));
  }
  section.assumptions = {
      "A page goes to the area of the highest priority that has room; areas of the same priority "
      "take turns.",
      "An area is as fast with more work as it was with what it had. A page that would have been "
      "elsewhere waits as measured there: by the median and by the mean, which are the bounds.",
      "A page that would have been in an area which frees slots when pages come back (such as zram) "
      "gets a new one each time it leaves; which do is learnt from the recording.",
      "Areas were on all the time, with the size and the use that were noted first; what was in "
      "swap before stays where it is."};
  if (const uint64_t pages = estimate.without_room(); pages != 0)
    section.assumptions.push_back(
        absl::StrCat(pages, " pages found no area with room: they are left where they were."));
  if (const uint64_t pages = estimate.not_followed(); pages != 0)
    section.not_known.push_back(
        absl::StrCat(pages,
                     " pages have a slot of an area that the recording does not describe, or "
                     "found no room in the table of slots."));
  return section;
}

}  // namespace swaptrail::offline
