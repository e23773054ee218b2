// GetHolders.
#include <optional>

#include "absl/strings/str_cat.h"
#include "daemon/api/answers.h"
#include "daemon/api/filter.h"
#include "daemon/api/holder_groups.h"
#include "daemon/base/page_bytes.h"

namespace swaptrail::api {
namespace {
constexpr size_t kUsualHolders = 100;
}  // namespace

absl::Status answer(const Query& asked, const v1::GetHoldersRequest& request,
                    v1::GetHoldersResponse& response) {
  const auto rows = to_count("max_rows", request.max_rows(), kUsualHolders);
  if (!rows.ok()) return rows.status();
  if (!v1::HolderGroup_IsValid(request.group_by()))
    return out_of_bounds("group_by", absl::StrCat(request.group_by()), "a HolderGroup");
  const auto held = held_now(asked.host);
  if (!held.ok()) return held.status();
  std::optional<uint32_t> area;
  if (!request.area_path().empty()) {
    const auto one = area_named(*held->holders, request.area_path());
    if (!one.ok()) return one.status();
    area = (*one)->area.type;
  }
  const v1::HolderGroup by = request.group_by() == v1::HOLDER_GROUP_UNSPECIFIED
                                 ? v1::HOLDER_GROUP_PROCESS
                                 : request.group_by();
  Converter converter(asked.host, asked.moment, true);
  Grouped grouped = groups_of(*held, by, area, *rows, converter);
  size_t bytes = 0;
  for (const HolderGroup& group : grouped.rows) {
    if (bytes < kAnswerBytes) {
      v1::HolderRow& row = *response.add_rows();
      put_group(group, by, asked.host, converter, row);
      bytes += row.ByteSizeLong();
    } else {
      grouped.other.add(group);
      ++grouped.other_groups;
    }
  }
  if (grouped.other_groups != 0) put_pages(grouped.other, *response.mutable_other());
  response.set_other_groups(grouped.other_groups);
  for (const pipeline::SlotHolders::Area& one : held->holders->areas)
    if (!area || one.area.type == *area)
      put_area(*held->holders, one, asked.host.inventory, *response.add_areas());
  response.set_estimated(asked.host.status_board.newest()->sampling.ever());
  response.set_table_bytes(held->holders->bytes);
  response.set_group_by(by);
  response.set_page_bytes(base::page_bytes());
  return absl::OkStatus();
}

}  // namespace swaptrail::api
