// `swaptrail stats` and `swaptrail matrix`: recent lifecycles, counted by groups.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/online/client_call.h"
#include "cli/online/commands.h"
#include "cli/online/filter.h"
#include "cli/online/lifecycle_text.h"
#include "cli/online/quantities.h"
#include "cli/online/table.h"
#include "cli/online/words.h"

namespace swaptrail::online {
namespace {

constexpr size_t kMostGroups = 3;  // of the contract
constexpr size_t kMostSpans = 8;

struct StatsOptions : ClientCall {
  FilterOptions filter;
  std::vector<std::string> by;
  std::vector<std::string> spans;
  int32_t groups = 100;
};

struct MatrixOptions : ClientCall {
  FilterOptions filter;
  int32_t cells = 50;
};

absl::StatusOr<v1::QueryStatsRequest> request_of(const StatsOptions& options) {
  v1::QueryStatsRequest request;
  const auto filter = filter_of(options.filter, absl::Now());
  if (!filter.ok()) return filter.status();
  if (options.by.size() > kMostGroups || options.spans.size() > kMostSpans)
    return absl::InvalidArgumentError(
        absl::StrCat("give at most ", kMostGroups, " of --by and ", kMostSpans, " of --span"));
  *request.mutable_filter() = *filter;
  for (const std::string& word : options.by)
    request.add_group_by(value_of<v1::StatsGroup>(word).value_or(v1::STATS_GROUP_UNSPECIFIED));
  for (const std::string& word : options.spans)
    request.add_spans(value_of<v1::LatencySpan>(word).value_or(v1::LATENCY_SPAN_UNSPECIFIED));
  request.set_max_groups(options.groups);
  return request;
}

std::vector<std::string> count_cells(const v1::StatsRow& row) {
  const uint64_t stayed = row.aborted_pages() - std::min(row.unneeded_pages(), row.aborted_pages());
  return {absl::StrCat(row.lifecycles()),     absl::StrCat(row.pages()),
          absl::StrCat(row.freed_pages()),    absl::StrCat(stayed),
          absl::StrCat(row.unneeded_pages()), absl::StrCat(row.returned_pages()),
          absl::StrCat(row.regretted_pages())};
}

void add_waits(const std::string& key, const v1::StatsRow& row, Table& table) {
  if (row.waits().faults() == 0) return;
  table.add({key, absl::StrCat(row.waits().faults()), absl::StrCat(row.waits().major_faults()),
             duration_text(row.waits().wait_ns())});
}

void add_latencies(const std::string& key, const v1::StatsRow& row, Table& table) {
  for (const v1::LatencyQuantiles& spread : row.latencies())
    table.add({key, word_of(spread.span()), absl::StrCat(spread.count()),
               duration_text(spread.p50_ns()), duration_text(spread.p90_ns()),
               duration_text(spread.p99_ns()), duration_text(spread.max_ns()),
               duration_text(spread.sum_ns())});
}

std::string stats_text(const v1::QueryStatsResponse& response, const Style& style) {
  Table counts({{"GROUP"},
                {"LIFECYCLES", Align::kRight},
                {"PAGES", Align::kRight},
                {"FREED", Align::kRight},
                {"STAYED", Align::kRight},
                {"UNNEEDED", Align::kRight},
                {"CAME BACK", Align::kRight},
                {"REGRETTED", Align::kRight}});
  Table latencies({{"GROUP"},
                   {"SPAN"},
                   {"COUNT", Align::kRight},
                   {"P50", Align::kRight},
                   {"P90", Align::kRight},
                   {"P99", Align::kRight},
                   {"MAX", Align::kRight},
                   {"SUM", Align::kRight}});
  Table waits({{"WHO WAITED"},
               {"FAULTS", Align::kRight},
               {"MAJOR", Align::kRight},
               {"WAIT", Align::kRight}});
  const auto add = [&](const std::string& key, const v1::StatsRow& row) {
    std::vector<std::string> cells = count_cells(row);
    cells.insert(cells.begin(), key);
    if (row.lifecycles() != 0 || row.pages() != 0) counts.add(std::move(cells));
    add_latencies(key, row, latencies);
    add_waits(key, row, waits);
  };
  for (const v1::StatsRow& row : response.rows())
    add(row.key_size() == 0 ? "all" : absl::StrJoin(row.key(), " | "), row);
  if (response.other_groups() != 0 || response.other().waits().faults() != 0)
    add(absl::StrCat("(", response.other_groups(), " others)"), response.other());
  std::string out = counts.rows() == 0 ? "no lifecycle matches\n" : counts.text(style);
  if (latencies.rows() != 0) absl::StrAppend(&out, "\n", latencies.text(style));
  if (waits.rows() != 0)
    absl::StrAppend(&out, "\n", waits.text(style), "waits: since swaptraild was started\n");
  if (counts.rows() == 0) return out;
  return absl::StrCat(out, "closed ", time_text(response.from()), " to ", time_text(response.to()),
                      "\n");
}

int stats(const StatsOptions& options) {
  const auto request = request_of(options);
  if (!request.ok()) return complain_of_answer(request.status());
  return ask_and_print(options, &v1::TraceService::Stub::QueryStats, *request, "rows", stats_text);
}

std::string matrix_text(const v1::GetMatrixResponse& response, const Style& style) {
  Table table({{"VICTIM"},
               {"RECLAIMER"},
               {"ORIGIN"},
               {"PAGES", Align::kRight},
               {"REGRETTED", Align::kRight},
               {"SHARE", Align::kRight}});
  for (const v1::MatrixCell& cell : response.cells())
    table.add({cgroup_text(cell.victim()), process_text(cell.reclaimer()), word_of(cell.origin()),
               absl::StrCat(cell.pages()), absl::StrCat(cell.regretted_pages()),
               percent_text(cell.regretted_pages(), cell.pages())});
  if (table.rows() == 0) return "no lifecycle matches\n";
  std::string out = table.text(style);
  if (response.other_pages() != 0)
    absl::StrAppend(&out, "and ", pages_text(response.other_pages()), " in smaller cells\n");
  return out;
}

int matrix(const MatrixOptions& options) {
  v1::GetMatrixRequest request;
  const auto filter = filter_of(options.filter, absl::Now());
  if (!filter.ok()) return complain_of_answer(filter.status());
  *request.mutable_filter() = *filter;
  request.set_max_cells(options.cells);
  return ask_and_print(options, &v1::TraceService::Stub::GetMatrix, request, "cells", matrix_text);
}

}  // namespace

void add_stats(CLI::App& app, int& code) {
  auto [command, options] = add_online_command<StatsOptions>(
      app, "stats", "counts and latencies of lifecycles, by groups", Finds::kNothing,
      "\nCounts are in base pages, of what is still in the store. STAYED are still in memory; UNNEEDED "
      "were given up because nobody needed them any more. Fault times and waits are of who waited; "
      "waits are exact, by one of processes, cgroups and devices.\n"
      "Examples:\n"
      "  swaptrail stats --by=victim_cgroup,outcome --since=10m\n"
      "  swaptrail stats --by=device --span=device_write,fault\n"
      "  swaptrail stats --regretted --by=reclaimer -o json");
  command->add_option("--by", options->by, "at most 3; none: all in one group")
      ->delimiter(',')
      ->check(CLI::IsMember(words_of<v1::StatsGroup>()));
  command->add_option("--span", options->spans, "also the latencies of these")
      ->delimiter(',')
      ->check(CLI::IsMember(words_of<v1::LatencySpan>()));
  command->add_option("--groups", options->groups, "the largest so many [100]")
      ->check(CLI::Range(1, 1000).description(""));
  add_lifecycle_filter(*command, options->filter);
  set_run(*command, options, code, stats);
}

void add_matrix(CLI::App& app, int& code) {
  auto [command, options] = add_online_command<MatrixOptions>(
      app, "matrix", "who pushes out whose pages", Finds::kNothing,
      "\nBase pages that were freed; SHARE is how many of them came back too soon.\n"
      "Examples:\n"
      "  swaptrail matrix --since=10m\n"
      "  swaptrail matrix --cgroup=/user.slice --cells=10");
  command->add_option("--cells", options->cells, "the largest so many [50]")
      ->check(CLI::Range(1, 1000).description(""));
  add_lifecycle_filter(*command, options->filter);
  set_run(*command, options, code, matrix);
}

}  // namespace swaptrail::online
