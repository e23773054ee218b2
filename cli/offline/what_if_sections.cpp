#include "cli/offline/what_if_sections.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trace/report/print.h"

namespace swaptrail::offline {
namespace {

using engine::Estimate;
using engine::Quantity;
using engine::VictimCache;

struct QuantityColumn {
  Quantity quantity;
  std::string_view key;
  std::string_view title;
  EstimateUnit unit;
};
constexpr QuantityColumn kMemoryColumns[] = {
    {Quantity::kLeft, "left_pages", "LEFT", EstimateUnit::kCount},
    {Quantity::kWritten, "written_pages", "WRITTEN", EstimateUnit::kCount},
    {Quantity::kStored, "stored_pages", "IN ZSWAP", EstimateUnit::kCount},
    {Quantity::kRead, "read_pages", "READ", EstimateUnit::kCount},
    {Quantity::kReturned, "returned_pages", "NEEDED AGAIN", EstimateUnit::kCount},
    {Quantity::kMajorFaults, "major_faults", "MAJOR FAULTS", EstimateUnit::kCount},
    {Quantity::kWaitNs, "wait_ns", "WAITED", EstimateUnit::kNs},
};

EstimateCell cell_of(const QuantityColumn& column, const Estimate& estimate) {
  return number_cell(column.key, column.title, column.unit, estimate.low, estimate.high);
}

EstimateRow memory_row(const VictimCache& victims, uint64_t pages, uint64_t page_size) {
  EstimateRow row;
  row.cells.push_back(
      text_cell("scenario", "WITH", absl::StrCat("+", size_text(pages * page_size))));
  row.cells.push_back(number_cell("extra_bytes", "BYTES", EstimateUnit::kBytes, pages * page_size,
                                  pages * page_size));
  for (const QuantityColumn& column : kMemoryColumns)
    row.cells.push_back(cell_of(column, victims.estimate(column.quantity, pages)));
  return row;
}

EstimateRow recorded_row(const VictimCache& victims) {
  EstimateRow row{.recorded = true, .cells = {}};
  row.cells.push_back(text_cell("scenario", "WITH", "as recorded"));
  row.cells.push_back(number_cell("extra_bytes", "BYTES", EstimateUnit::kBytes, 0, 0));
  for (const QuantityColumn& column : kMemoryColumns) {
    const uint64_t seen = victims.estimate(column.quantity, 0).seen;
    row.cells.push_back(number_cell(column.key, column.title, column.unit, seen, seen));
  }
  return row;
}

std::vector<std::string> unknowns_of(const WhatIfSubject& subject, const VictimCache& victims) {
  const engine::VictimCounters& counters = victims.counters();
  std::vector<std::string> texts = subject.not_seen;
  const auto add = [&](uint64_t pages, const char* what) {
    if (pages != 0) texts.push_back(absl::StrCat(pages, pages == 1 ? " page " : " pages ", what));
  };
  add(subject.pages_at_start, "lay in swap when the recording began: how long is not known");
  add(counters.unknown_pages, "came back, and it was not seen when they left: in the upper bounds");
  add(counters.lost_pages, "were in swap when events were lost: in the upper bounds");
  add(counters.doubtful_pages, "may be in swap or not: how their swap-out ended is not known");
  add(counters.superseded, "left again, and were not seen to come back");
  add(counters.full, "found no room in the table of pages in swap");
  return texts;
}

std::string duration_of(uint64_t ns) {
  std::string text;
  report::append_duration(ns, text);
  return text;
}

std::string ratio_text(uint32_t percent) { return absl::StrFormat("%.2f", percent / 100.0); }

// One of the two ways in which a full pool may act.
struct PoolAnswer {
  Estimate written, read, loaded, wait_ns;
};

// A page that would have been in the pool takes a load instead of its wait.
PoolAnswer answer_of(const VictimCache& pool, uint64_t room, uint64_t load_ns) {
  const auto at = [&](Quantity quantity) { return pool.estimate(quantity, room); };
  const Estimate written = at(Quantity::kWritten), stored = at(Quantity::kStored);
  const Estimate read = at(Quantity::kRead), loaded = at(Quantity::kLoaded);
  const Estimate major = at(Quantity::kMajorFaults), wait = at(Quantity::kWaitNs);
  const uint64_t reads = read.seen + loaded.seen;
  PoolAnswer answer;
  answer.written = {0, written.low + stored.low, written.high + stored.high};
  answer.read = {0, read.low + loaded.low, read.high + loaded.high};
  answer.loaded = {0, reads - answer.read.high, reads - answer.read.low};
  // Whether a load is shorter than the wait that it replaces is not certain.
  const auto [shorter, longer] = std::minmax({wait.low + (major.seen - major.low) * load_ns,
                                              wait.high + (major.seen - major.high) * load_ns});
  answer.wait_ns = {0, shorter, longer};
  return answer;
}

PoolAnswer answer_of(const engine::RefusingPool& pool, uint64_t load_ns) {
  const engine::RefusingPoolCounters& counters = pool.counters();
  const auto certain = [](uint64_t number) { return Estimate{0, number, number}; };
  return {certain(counters.written), certain(counters.read), certain(counters.loaded),
          certain(counters.wait_ns + counters.load_faults * load_ns)};
}

EstimateRow zswap_row(const AskedPool& asked, uint64_t bytes, uint64_t room, const PoolAnswer& one,
                      const PoolAnswer& other) {
  EstimateRow row;
  const auto add = [&](std::string_view key, std::string_view title, EstimateUnit unit,
                       Estimate PoolAnswer::*value) {
    row.cells.push_back(number_cell(key, title, unit,
                                    std::min((one.*value).low, (other.*value).low),
                                    std::max((one.*value).high, (other.*value).high)));
  };
  row.cells.push_back(text_cell("scenario", "WITH", absl::StrCat(size_text(bytes), " pool")));
  row.cells.push_back(text_cell("ratio", "RATIO", ratio_text(asked.ratio_percent)));
  row.cells.push_back(number_cell("pool_pages", "HOLDS", EstimateUnit::kCount, room, room));
  add("written_pages", "WRITTEN", EstimateUnit::kCount, &PoolAnswer::written);
  add("read_pages", "READ", EstimateUnit::kCount, &PoolAnswer::read);
  add("loaded_pages", "LOADED", EstimateUnit::kCount, &PoolAnswer::loaded);
  add("wait_ns", "WAITED", EstimateUnit::kNs, &PoolAnswer::wait_ns);
  return row;
}

EstimateRow recorded_zswap_row(const VictimCache& pool) {
  const auto seen = [&](Quantity quantity) { return pool.estimate(quantity, 0).seen; };
  EstimateRow row{.recorded = true, .cells = {}};
  const auto add = [&](std::string_view key, std::string_view title, EstimateUnit unit,
                       Quantity quantity) {
    row.cells.push_back(number_cell(key, title, unit, seen(quantity), seen(quantity)));
  };
  row.cells.push_back(text_cell("scenario", "WITH", "as recorded"));
  row.cells.push_back(unknown_cell("ratio", "RATIO", EstimateUnit::kText));
  row.cells.push_back(unknown_cell("pool_pages", "HOLDS", EstimateUnit::kCount));
  add("written_pages", "WRITTEN", EstimateUnit::kCount, Quantity::kWritten);
  add("read_pages", "READ", EstimateUnit::kCount, Quantity::kRead);
  add("loaded_pages", "LOADED", EstimateUnit::kCount, Quantity::kLoaded);
  add("wait_ns", "WAITED", EstimateUnit::kNs, Quantity::kWaitNs);
  return row;
}

}  // namespace

EstimateSection memory_section(const WhatIfSubject& subject, const VictimCache& victims,
                               const std::vector<AskedSize>& asked) {
  EstimateSection section{
      .name = "memory", .title = "", .rows = {}, .assumptions = {}, .not_known = {}};
  const uint64_t most = victims.counters().most_pages;
  section.title = absl::StrCat("with more memory (at most ", size_text(most * subject.page_size),
                               " of what is followed were in swap at a time)");
  section.rows.push_back(recorded_row(victims));
  for (const AskedSize& size : asked)
    section.rows.push_back(
        memory_row(victims, size.pages(most, subject.page_size), subject.page_size));
  section.assumptions = {
      "Pages leave memory in the order in which they were last used (LRU).",
      "All of the room goes to pages that were swapped out here: none to files, page tables or "
      "other cgroups.",
      "The accesses, their order and readahead are the same, however much faster they get.",
      "Lower bounds: the place of a page that leaves swap is of use to those that left before it, and "
      "what is not known would have been avoided. Upper bounds: neither."};
  section.not_known = unknowns_of(subject, victims);
  return section;
}

EstimateSection zswap_section(const WhatIfSubject& subject, const VictimCache& pool,
                              const std::vector<engine::RefusingPool>& refusing,
                              const std::vector<AskedPool>& asked, uint64_t load_ns) {
  EstimateSection section{.name = "zswap",
                          .title = "with zswap in front of the swap areas",
                          .rows = {},
                          .assumptions = {},
                          .not_known = {}};
  const bool measured = load_ns == 0 && subject.loads != 0;
  if (load_ns == 0) load_ns = measured ? subject.load_wait_ns / subject.loads : kAssumedLoadNs;
  section.rows.push_back(recorded_zswap_row(pool));
  const uint64_t most = pool.counters().most_pages;
  for (size_t at = 0; at < asked.size(); ++at) {
    const uint64_t room = asked[at].room(most, subject.page_size);
    section.rows.push_back(
        zswap_row(asked[at], asked[at].size.pages(most, subject.page_size) * subject.page_size,
                  room, answer_of(pool, room, load_ns), answer_of(refusing[at], load_ns)));
  }
  section.assumptions = {
      "Every page compresses by the ratio that is given (3 if none is); none is refused. Pages of "
      "zeros need no room in the pool.",
      "One bound: a full pool writes what it has had for longest. The other: it refuses what comes, "
      "which goes to the device. The kernel does some of each.",
      "The pool's memory comes besides: if it is taken from the memory that the pages had, more is "
      "swapped out, and a recording can't tell how much.",
      absl::StrCat("A major fault on a page in the pool takes ", duration_of(load_ns),
                   measured ? ", as measured here." : ": not measured here.")};
  section.not_known = unknowns_of(subject, pool);
  return section;
}

}  // namespace swaptrail::offline
