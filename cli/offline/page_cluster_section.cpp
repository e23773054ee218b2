// The section on readahead.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cli/offline/what_if_sections.h"

namespace swaptrail::offline {
namespace {

using engine::Quantity;
using engine::ReadaheadWay;
using recording::Known;

// As the kernel chooses: by address if no area is rotational.
Known by_address_here(const std::vector<recording::SwapArea>& areas) {
  const auto any = [&](Known value) {
    return std::ranges::any_of(
        areas, [&](const recording::SwapArea& area) { return area.rotational == value; });
  };
  if (any(Known::kYes)) return Known::kNo;
  return areas.empty() || any(Known::kUnknown) ? Known::kUnknown : Known::kYes;
}

std::string here_text(ReadaheadWay way, Known by_address) {
  if (by_address == Known::kUnknown) return "?";
  return (way == ReadaheadWay::kByAddress) == (by_address == Known::kYes) ? "yes" : "no";
}

EstimateRow row_of(uint32_t page_cluster, ReadaheadWay way, Known by_address,
                   const engine::ReadaheadEstimate::Answer& answer) {
  const engine::ReadaheadCounters &kept = answer.kept, &dropped = answer.dropped;
  EstimateRow row;
  const auto add = [&](std::string_view key, std::string_view title, uint64_t one, uint64_t other,
                       uint64_t unknown) {
    row.cells.push_back(number_cell(key, title, EstimateUnit::kCount, std::min(one, other),
                                    std::max(one, other) + unknown));
  };
  row.cells.push_back(text_cell("scenario", "WITH", absl::StrCat("page-cluster ", page_cluster)));
  row.cells.push_back(
      text_cell("way", "READAHEAD", way == ReadaheadWay::kBySlot ? "by slot" : "by address"));
  row.cells.push_back(text_cell("as_here", "AS HERE", here_text(way, by_address)));
  add("read_pages", "READ", kept.read, dropped.read, kept.unknown);
  add("major_faults", "MAJOR FAULTS", kept.major, dropped.major, kept.unknown);
  add("hits", "HITS", kept.hits, dropped.hits, kept.unknown);
  return row;
}

EstimateRow recorded_row(const WhatIfSubject& subject, const engine::VictimCache& victims,
                         Known by_address) {
  const uint64_t read =
      victims.estimate(Quantity::kRead, 0).seen + victims.estimate(Quantity::kLoaded, 0).seen;
  const uint64_t major = subject.faults - subject.hits;
  EstimateRow row{.recorded = true, .cells = {}};
  row.cells.push_back(text_cell("scenario", "WITH", "as recorded"));
  row.cells.push_back(text_cell("way", "READAHEAD",
                                by_address == Known::kUnknown ? "?"
                                : by_address == Known::kYes   ? "by address"
                                                              : "by slot"));
  row.cells.push_back(text_cell("as_here", "AS HERE", "yes"));
  row.cells.push_back(number_cell("read_pages", "READ", EstimateUnit::kCount, read, read));
  row.cells.push_back(
      number_cell("major_faults", "MAJOR FAULTS", EstimateUnit::kCount, major, major));
  row.cells.push_back(
      number_cell("hits", "HITS", EstimateUnit::kCount, subject.hits, subject.hits));
  return row;
}

std::string evidence_text(const engine::ReadaheadEvidence& evidence) {
  if (evidence.beside() == 0) return "No page was read beside that of a fault.";
  if (evidence.outside() == 0)
    return absl::StrCat(evidence.beside(),
                        " pages were read beside those of faults, all in the aligned block of "
                        "slots: either way is possible.");
  return absl::StrCat(evidence.outside(), " of ", evidence.beside(),
                      " pages that were read beside those of faults lie outside of the aligned "
                      "block of slots: readahead went by address.");
}

}  // namespace

EstimateSection page_cluster_section(const WhatIfSubject& subject,
                                     const engine::VictimCache& victims,
                                     const engine::ReadaheadEstimate& readahead,
                                     const engine::ReadaheadEvidence& evidence,
                                     const std::vector<recording::SwapArea>& areas,
                                     const std::vector<uint32_t>& asked) {
  const Known by_address = by_address_here(areas);
  EstimateSection section{.name = "page_cluster",
                          .title = "with another vm.page-cluster",
                          .rows = {recorded_row(subject, victims, by_address)},
                          .assumptions = {},
                          .not_known = subject.not_seen};
  section.not_known.push_back("vm.page-cluster itself is not in a recording.");
  for (size_t at = 0; at < asked.size(); ++at)
    for (const ReadaheadWay way : {ReadaheadWay::kBySlot, ReadaheadWay::kByAddress})
      section.rows.push_back(row_of(asked[at], way, by_address, readahead.answer(at, way)));
  section.assumptions = {
      "Linux reads ahead by address if no swap area is rotational (as on an SSD), else by slot.",
      "The two ways differ. Shared memory always goes by slot.",
      absl::StrCat("Seen here: ", evidence_text(evidence)),
      "How many pages are read beside the one that is needed follows the kernel's rule "
      "(__swapin_nr_pages), at most 2^page-cluster.",
      "Reading ahead pushes nothing else out of memory, and accesses stay as they were.",
      "One bound keeps a page that was read ahead until it is used; the other drops it as soon as "
      "a tenth of the pages that came back left again."};
  const bool synchronous = std::ranges::any_of(
      areas, [](const recording::SwapArea& area) { return area.synchronous == Known::kYes; });
  if (synchronous)
    section.assumptions.push_back(
        "An area here is synchronous, such as zram: of it the kernel reads pages that one process "
        "has without readahead, whatever vm.page-cluster is. That is not in these figures.");
  return section;
}

}  // namespace swaptrail::offline
