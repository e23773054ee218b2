#include "cli/online/holder_text.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/online/lifecycle_text.h"
#include "cli/online/quantities.h"
#include "cli/online/table.h"

namespace swaptrail::online {
namespace {

std::string owners_text(v1::HolderKind kind) {
  switch (kind) {
    case v1::HOLDER_KIND_PROCESS:
      return "(processes)";
    case v1::HOLDER_KIND_OBJECT:
      return "(shared memory)";
    case v1::HOLDER_KIND_NOT_KNOWN:
      return "(nobody known)";
    default:
      return "(others)";
  }
}

std::string who(const v1::HolderRow& row, v1::HolderGroup by) {
  if (by == v1::HOLDER_GROUP_AREA) return absl::StrCat(row.area(), " ", row.area_path());
  if (by == v1::HOLDER_GROUP_UNIT && !row.unit().empty()) return row.unit();
  if (by == v1::HOLDER_GROUP_CGROUP || by == v1::HOLDER_GROUP_UNIT)
    return cgroup_text(row.cgroup());
  if (row.has_process())
    return absl::StrCat(process_text(row.process()), row.ended() ? " (ended)" : "");
  if (row.has_object()) return absl::StrCat(row.object().device(), " inode ", row.object().inode());
  return owners_text(row.kind());
}

// In swap for longer than an hour, as far as it is known.
uint64_t old_pages(const v1::HolderRow& row) {
  uint64_t pages = 0;
  for (const v1::AgeBucket& age : row.ages())
    if (!age.has_up_to() || age.up_to().seconds() > 3600) pages += age.pages();
  return pages;
}

std::vector<std::string> cells(const std::string& name, const v1::HolderRow& row, uint64_t all,
                               uint64_t page_bytes) {
  return {name,
          bytes_text(row.pages() * page_bytes),
          row.has_kernel_pages() ? bytes_text(row.kernel_pages() * page_bytes) : "-",
          percent_text(row.pages(), all),
          absl::StrCat(row.device_pages()),
          absl::StrCat(row.zswap_pages()),
          absl::StrCat(row.zero_pages()),
          absl::StrCat(row.unwritten_pages() + row.reserve_pages() + row.unknown_pages()),
          absl::StrCat(row.cached_pages()),
          absl::StrCat(row.mapped_pages()),
          absl::StrCat(row.shared_pages()),
          absl::StrCat(row.found_pages()),
          absl::StrCat(old_pages(row))};
}

}  // namespace

std::string holder_rows_text(const google::protobuf::RepeatedPtrField<v1::HolderRow>& rows,
                             const v1::HolderRow& other, uint64_t other_groups, v1::HolderGroup by,
                             uint64_t page_bytes, const Style& style) {
  Table table({{"HOLDER"},
               {"HOLDS", Align::kRight},
               {"KERNEL", Align::kRight},
               {"SHARE", Align::kRight},
               {"DEVICE", Align::kRight},
               {"ZSWAP", Align::kRight},
               {"ZERO", Align::kRight},
               {"NO COPY", Align::kRight},
               {"IN MEMORY TOO", Align::kRight},
               {"MAPPED", Align::kRight},
               {"SHARED", Align::kRight},
               {"FOUND", Align::kRight},
               {"OVER 1 H", Align::kRight}});
  uint64_t all = other.pages();
  for (const v1::HolderRow& row : rows) all += row.pages();
  for (const v1::HolderRow& row : rows) table.add(cells(who(row, by), row, all, page_bytes));
  if (other_groups != 0)
    table.add(cells(absl::StrCat("(", other_groups, " more)"), other, all, page_bytes));
  return table.rows() == 0 ? "" : table.text(style);
}

}  // namespace swaptrail::online
