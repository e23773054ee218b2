// GetReadahead.
#include <algorithm>

#include "absl/strings/numbers.h"
#include "daemon/api/answers.h"
#include "daemon/api/convert.h"
#include "daemon/api/filter.h"
#include "daemon/base/files.h"
#include "daemon/host/proc.h"

namespace swaptrail::api {
namespace {

constexpr size_t kUsualReadaheadRows = 100;
constexpr absl::Duration kMostReadaheadWait = absl::Seconds(2);

void put_counts(const readahead::Counts& counts, v1::ReadaheadRow& out) {
  out.set_read_pages(counts.read);
  out.set_wanted_pages(counts.wanted);
  out.set_used_pages(counts.used);
  out.set_dropped_pages(counts.dropped);
  out.set_pending_pages(counts.pending());
  out.set_not_followed_pages(counts.not_followed);
}

// What the kernel is set to, and what it counted since the start.
void put_kernel(const pipeline::ReadaheadNow& now, v1::GetReadaheadResponse& out) {
  uint32_t cluster = 0;
  if (absl::SimpleAtoi(base::first_line("/proc/sys/vm/page-cluster"), &cluster))
    out.set_page_cluster(cluster);
  const std::string by_address = base::first_line("/sys/kernel/mm/swap/vma_ra_enabled");
  if (!by_address.empty()) out.set_by_address(by_address == "true");
  const auto vmstat = host::read_vmstat();
  if (!vmstat.ok() || !now.at_start) return;
  const report::Vmstat &first = now.at_start->values, &last = vmstat->values;
  const auto since_start = [&](const char* counter, auto set) {
    const auto before = first.find(counter), after = last.find(counter);
    if (before != first.end() && after != last.end()) set(after->second - before->second);
  };
  since_start("swap_ra", [&](uint64_t count) { out.set_kernel_read_ahead(count); });
  since_start("swap_ra_hit", [&](uint64_t count) { out.set_kernel_hits(count); });
}

}  // namespace

absl::Status answer(const Query& asked, const v1::GetReadaheadRequest& request,
                    v1::GetReadaheadResponse& response) {
  const auto most = to_count("max_rows", request.max_rows(), kUsualReadaheadRows);
  if (!most.ok()) return most.status();
  std::shared_ptr<const pipeline::ReadaheadNow> now;
  const absl::Status looked =
      asked.host.requests.ask([&](pipeline::PipelineView& view) { now = view.readahead(); },
                              absl::Now() + kMostReadaheadWait);
  if (!looked.ok()) return looked;
  if (!now->possible)
    return absl::FailedPreconditionError(
        "what becomes of pages that are read ahead is not known: not every hook that it takes is attached (see "
        "GetStatus)");
  std::vector<readahead::Row> rows = now->rows;
  std::ranges::stable_sort(rows, [](const readahead::Row& a, const readahead::Row& b) {
    return a.counts.dropped > b.counts.dropped;
  });
  Converter converter(asked.host, asked.moment, true);
  readahead::Counts total, other;
  size_t bytes = 0;
  for (const readahead::Row& row : rows) {
    total.add(row.counts);
    if (response.rows_size() >= static_cast<int>(*most) || bytes >= kAnswerBytes) {
      other.add(row.counts);
      response.set_other_rows(response.other_rows() + 1);
      continue;
    }
    v1::ReadaheadRow& added = *response.add_rows();
    added.set_area_path(converter.area_path(row.area, asked.moment.now_ns()));
    if (row.cgroup != 0) converter.put_cgroup(row.cgroup, *added.mutable_cgroup());
    put_counts(row.counts, added);
    bytes += added.ByteSizeLong();
  }
  if (response.other_rows() != 0) put_counts(other, *response.mutable_other());
  put_counts(total, *response.mutable_total());
  put_kernel(*now, response);
  response.set_estimated(asked.host.status_board.newest()->sampling.ever());
  return absl::OkStatus();
}

}  // namespace swaptrail::api
