#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/api/answers.h"
#include "daemon/api/convert.h"
#include "daemon/api/counted.h"
#include "daemon/api/filter.h"
#include "daemon/api/group_texts.h"
#include "daemon/store/stats.h"
#include "trace/decode.h"
#include "trace/utf8.h"

namespace swaptrail::api {
namespace {

using store::GroupBy;

constexpr size_t kUsualGroups = 100, kUsualCells = 50, kMostTable = 65536;
constexpr int kMostSpans = 8;

static_assert(
    static_cast<int>(v1::STATS_GROUP_VICTIM_CGROUP) ==
        static_cast<int>(GroupBy::kVictimCgroup) + 1 &&
    static_cast<int>(v1::STATS_GROUP_VICTIM_PROCESS) ==
        static_cast<int>(GroupBy::kVictimProcess) + 1 &&
    static_cast<int>(v1::STATS_GROUP_RECLAIMER) == static_cast<int>(GroupBy::kReclaimer) + 1 &&
    static_cast<int>(v1::STATS_GROUP_ORIGIN) == static_cast<int>(GroupBy::kOrigin) + 1 &&
    static_cast<int>(v1::STATS_GROUP_DEVICE) == static_cast<int>(GroupBy::kArea) + 1 &&
    static_cast<int>(v1::STATS_GROUP_OUTCOME) == static_cast<int>(GroupBy::kOutcome) + 1 &&
    static_cast<int>(v1::STATS_GROUP_BACKEND) == static_cast<int>(GroupBy::kBackend) + 1 &&
    v1::StatsGroup_MAX == static_cast<int>(GroupBy::kCount));

std::string text(std::string_view name) { return std::string(name); }

// The text in a row for the value of a group.
class KeyTexts {
 public:
  KeyTexts(Converter& converter, const AreaKeys& areas, const std::vector<GroupBy>& columns)
      : converter_(converter), areas_(areas), columns_(columns) {}

  std::string of(size_t column, const store::StatsRow& row) {
    const uint64_t value = row.key[column];
    switch (columns_[column]) {
      case GroupBy::kVictimCgroup:
        return cgroup_text(converter_, value);
      case GroupBy::kVictimProcess:
      case GroupBy::kReclaimer:
        return process_text(value, row.comms[column]);
      case GroupBy::kOrigin:
        return text(origin_name(static_cast<uint8_t>(value)));
      case GroupBy::kArea:
        return areas_.text_of(value);
      case GroupBy::kOutcome:
        return text(outcome_name(static_cast<Outcome>(value)));
      case GroupBy::kBackend:
        return text(backend_name(static_cast<uint8_t>(value)));
      case GroupBy::kCount:
        break;
    }
    return {};
  }

 private:
  Converter& converter_;
  const AreaKeys& areas_;
  const std::vector<GroupBy>& columns_;
};

absl::Status put_groups(const v1::QueryStatsRequest& request, store::StatsQuery& query) {
  if (request.group_by_size() > static_cast<int>(store::kMaxGroupBy)) {
    return out_of_bounds("group_by", absl::StrCat(request.group_by_size(), " values"), "at most 3");
  }
  for (int at = 0; at < request.group_by_size(); ++at) {
    const int value = request.group_by(at);
    const std::string field = absl::StrCat("group_by[", at, "]");
    if (value < 1 || value > v1::StatsGroup_MAX) {
      return out_of_bounds(field, absl::StrCat(value),
                           absl::StrCat("1 to ", static_cast<int>(v1::StatsGroup_MAX)));
    }
    const auto by = static_cast<GroupBy>(value - 1);
    if (std::ranges::find(query.group_by, by) != query.group_by.end()) {
      return out_of_bounds(field, absl::StrCat(value, " again"), "no two alike");
    }
    query.group_by.push_back(by);
  }
  return absl::OkStatus();
}

absl::Status put_spans(const v1::QueryStatsRequest& request, store::StatsQuery& query) {
  if (request.spans_size() > kMostSpans) {
    return out_of_bounds("spans", absl::StrCat(request.spans_size(), " values"), "at most 8");
  }
  for (int at = 0; at < request.spans_size(); ++at) {
    const int value = request.spans(at);
    const auto span = latency_of(value);
    if (!span) {
      return out_of_bounds(absl::StrCat("spans[", at, "]"), absl::StrCat(value),
                           absl::StrCat("1 to ", static_cast<int>(v1::LatencySpan_MAX)));
    }
    query.spans.push_back(*span);
  }
  return absl::OkStatus();
}

absl::StatusOr<store::StatsQuery> to_query(const Host& host, const Moment& moment,
                                           const v1::QueryStatsRequest& request) {
  store::StatsQuery query;
  auto filter = to_filter(request.filter(), host.cgroups, moment);
  if (!filter.ok()) return filter.status();
  query.filter = *std::move(filter);
  if (auto status = put_groups(request, query); !status.ok()) return status;
  if (auto status = put_spans(request, query); !status.ok()) return status;
  const auto groups = to_count("max_groups", request.max_groups(), kUsualGroups);
  if (!groups.ok()) return groups.status();
  query.max_groups = *groups;
  return query;
}

void put_row(const store::StatsRow& row, const std::vector<Latency>& spans, v1::StatsRow& out) {
  out.set_lifecycles(row.counts.lifecycles);
  out.set_pages(row.counts.pages);
  out.set_freed_pages(row.counts.freed_pages);
  out.set_aborted_pages(row.counts.aborted_pages);
  out.set_unneeded_pages(row.counts.unneeded_pages);
  out.set_returned_pages(row.counts.returned_pages);
  out.set_regretted_pages(row.counts.regretted_pages);
  for (size_t at = 0; at < row.latencies.size(); ++at) {
    const store::Quantiles& quantiles = row.latencies[at];
    v1::LatencyQuantiles& added = *out.add_latencies();
    added.set_span(to_proto(spans[at]));
    added.set_count(quantiles.count);
    added.set_p50_ns(quantiles.p50);
    added.set_p90_ns(quantiles.p90);
    added.set_p99_ns(quantiles.p99);
    added.set_max_ns(quantiles.max);
    added.set_sum_ns(quantiles.sum);
  }
}

// The row of a group that has no lifecycle in the store.
store::StatsRow only_waited(const counters::Row& row, size_t spans) {
  store::StatsRow out;
  out.key[0] = row.key[0];
  out.comms[0] = row.comm;
  out.latencies.resize(spans);
  return out;
}

}  // namespace

absl::Status answer(const Query& asked, const v1::QueryStatsRequest& request,
                    v1::QueryStatsResponse& response) {
  auto query = to_query(asked.host, asked.moment, request);
  if (!query.ok()) return query.status();
  query->stop = asked.stop;
  const AreaKeys areas(asked.host.areas.timeline());
  query->area_of = [&](uint32_t type, uint64_t at_ns) { return areas.key_of(type, at_ns); };
  const auto stats = store::query_stats(asked.host.store.snapshot(), *query);
  if (!stats.ok()) return stats.status();
  GroupWaits waiting(asked.host.counters, *query, areas);
  Converter converter(asked.host, asked.moment, true);
  KeyTexts keys(converter, areas, query->group_by);
  const auto add_row = [&](const store::StatsRow& row, const counters::Counts& waits) {
    v1::StatsRow& added = *response.add_rows();
    put_row(row, query->spans, added);
    if (waiting.are_known()) put_waits(waits, *added.mutable_waits());
    for (size_t column = 0; column < query->group_by.size(); ++column) {
      added.add_key(keys.of(column, row));
    }
  };
  for (const store::StatsRow& row : stats->rows) add_row(row, waiting.take(row.key[0]));
  counters::Counts other = waiting.other();
  uint64_t other_groups = stats->other_groups;
  size_t alone = 0;
  for (const counters::Row& row : waiting.rest()) {
    if (alone++ < query->max_groups) {
      add_row(only_waited(row, query->spans.size()), row.counts);
    } else {
      counters::add_to(other, row.counts);
      ++other_groups;
    }
  }
  if (stats->other.counts.lifecycles != 0 || other.faults != 0) {
    put_row(stats->other, query->spans, *response.mutable_other());
    if (waiting.are_known()) put_waits(other, *response.mutable_other()->mutable_waits());
  }
  response.set_other_groups(other_groups);
  if (stats->to_ns != 0) {
    *response.mutable_from() = asked.moment.wall(stats->from_ns);
    *response.mutable_to() = asked.moment.wall(stats->to_ns);
  }
  return absl::OkStatus();
}

absl::Status answer(const Query& asked, const v1::GetMatrixRequest& request,
                    v1::GetMatrixResponse& response) {
  const auto filter = to_filter(request.filter(), asked.host.cgroups, asked.moment);
  if (!filter.ok()) return filter.status();
  const auto cells = to_count("max_cells", request.max_cells(), kUsualCells);
  if (!cells.ok()) return cells.status();
  const store::Matrix matrix =
      store::query_matrix(asked.host.store.snapshot(), *filter, *cells, kMostTable, asked.stop);
  Converter converter(asked.host, asked.moment, true);
  for (const store::MatrixCell& cell : matrix.cells) {
    v1::MatrixCell& added = *response.add_cells();
    if (cell.victim_cgroup != 0) converter.put_cgroup(cell.victim_cgroup, *added.mutable_victim());
    Converter::put_process(cell.reclaimer, cell.reclaimer_comm, *added.mutable_reclaimer());
    added.set_origin(origin_to_proto(cell.origin));
    added.set_pages(cell.pages);
    added.set_regretted_pages(cell.regretted_pages);
  }
  response.set_other_pages(matrix.other_pages);
  return absl::OkStatus();
}

}  // namespace swaptrail::api
