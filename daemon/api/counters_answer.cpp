// GetCounters: the counts since the start. The store is not used.
#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "daemon/api/answers.h"
#include "daemon/api/counted.h"
#include "daemon/api/filter.h"
#include "trace/decode.h"
#include "trace/utf8.h"

namespace swaptrail::api {
namespace {

using counters::Grouping;

// Then the largest table fits into an answer, whatever its rows are called.
constexpr size_t kMostNameBytes = 512;

static_assert(
    static_cast<int>(v1::COUNTER_GROUP_PROCESS) == static_cast<int>(Grouping::kProcess) + 1 &&
    static_cast<int>(v1::COUNTER_GROUP_CGROUP) == static_cast<int>(Grouping::kCgroup) + 1 &&
    static_cast<int>(v1::COUNTER_GROUP_DEVICE) == static_cast<int>(Grouping::kArea) + 1 &&
    static_cast<int>(v1::COUNTER_GROUP_ORIGIN) == static_cast<int>(Grouping::kOrigin) + 1 &&
    static_cast<int>(v1::COUNTER_GROUP_RECLAIMER) == static_cast<int>(Grouping::kReclaimer) + 1 &&
    v1::CounterGroup_MAX == static_cast<int>(Grouping::kCount));

// Which rows it asks for.
struct Request {
  Grouping grouping;
  store::Filter filter;
};

absl::StatusOr<Request> to_request(const Host& host, const Moment& moment,
                                   const v1::GetCountersRequest& request) {
  const int group = request.group_by();
  if (group < 1 || group > v1::CounterGroup_MAX) {
    return out_of_bounds("group_by", absl::StrCat(group),
                         absl::StrCat("1 to ", static_cast<int>(v1::CounterGroup_MAX)));
  }
  const auto grouping = static_cast<Grouping>(group - 1);
  auto filter = to_filter(request.filter(), host.cgroups, moment);
  if (!filter.ok()) return filter.status();
  std::string_view field = unanswerable(*filter, grouping);
  if (request.filter().has_since()) field = "since";
  if (request.filter().has_until()) field = "until";
  if (field.empty()) return Request{grouping, *std::move(filter)};
  return absl::InvalidArgumentError(
      absl::StrCat("filter.", std::string(field), ": given; allowed: what counts by ",
                   v1::CounterGroup_Name(request.group_by()),
                   "  can answer; QueryStats and ListLifecycles take all"));
}

std::string name_of(Grouping grouping, const counters::Row& row, const AreaKeys& areas,
                    Converter& converter) {
  switch (grouping) {
    case Grouping::kProcess:
    case Grouping::kReclaimer:
      return process_text(row.key[0], row.comm);
    case Grouping::kCgroup:
      return cgroup_text(converter, row.key[0]);
    case Grouping::kArea:
      return areas.text_of(area_key_of(areas, row));
    case Grouping::kOrigin:
      return std::string(origin_name(static_cast<uint8_t>(row.key[0])));
    case Grouping::kCount:
      break;
  }
  return {};
}

// Of a path that is too long, keeps the end, which says more.
std::string cut(std::string name) {
  if (name.size() <= kMostNameBytes) return name;
  return absl::StrCat("...", utf8(std::string_view(name).substr(name.size() - kMostNameBytes)));
}

void put_counts(const counters::Counts& counts, v1::CounterRow& out) {
  out.set_lifecycles(counts.lifecycles);
  out.set_pages(counts.pages);
  out.set_freed_pages(counts.freed_pages);
  out.set_aborted_pages(counts.aborted_pages);
  out.set_unneeded_pages(counts.unneeded_pages);
  out.set_returned_pages(counts.returned_pages);
  out.set_regretted_pages(counts.regretted_pages);
  put_waits(counts, *out.mutable_waits());
}

}  // namespace

absl::Status answer(const Query& asked, const v1::GetCountersRequest& request,
                    v1::GetCountersResponse& response) {
  const auto wanted = to_request(asked.host, asked.moment, request);
  if (!wanted.ok()) return wanted.status();
  const counters::TableCopy copy = asked.host.counters.copy(wanted->grouping);
  const AreaKeys areas(asked.host.areas.timeline());
  Converter converter(asked.host, asked.moment, true);
  for (const counters::Row& row : copy.rows) {
    if (!lets_pass(wanted->filter, wanted->grouping, row)) continue;
    v1::CounterRow& out = *response.add_rows();
    out.set_id(row.id);
    out.set_name(cut(name_of(wanted->grouping, row, areas, converter)));
    put_counts(row.counts, out);
  }
  if (lets_all_pass(wanted->filter)) put_counts(copy.other, *response.mutable_other());
  response.set_rows_made(copy.made);
  response.set_rows_given_up(copy.given_up);
  response.set_estimated(asked.host.status_board.newest()->sampling.ever());
  const uint64_t since_ns = asked.host.counters.since_ns();
  response.set_since_monotonic_ns(since_ns);
  response.set_read_monotonic_ns(asked.moment.now_ns());
  *response.mutable_since() = asked.moment.wall(since_ns);
  *response.mutable_read() = asked.moment.wall(asked.moment.now_ns());
  return absl::OkStatus();
}

}  // namespace swaptrail::api
