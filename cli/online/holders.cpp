// `swaptrail holders`: who holds swap now.
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "cli/online/client_call.h"
#include "cli/online/commands.h"
#include "cli/online/lifecycle_text.h"
#include "cli/online/quantities.h"
#include "cli/online/table.h"
#include "cli/online/words.h"

namespace swaptrail::online {
namespace {

struct HoldersOptions : ClientCall {
  std::string by = "process";
  int32_t rows = 20;
};

std::string kind_text(v1::HolderKind kind) {
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
  if (by == v1::HOLDER_GROUP_CGROUP) return cgroup_text(row.cgroup());
  if (row.has_process())
    return absl::StrCat(process_text(row.process()), row.ended() ? " (ended)" : "");
  if (row.has_object()) return absl::StrCat(row.object().device(), " inode ", row.object().inode());
  return kind_text(row.kind());
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
          absl::StrCat(row.found_pages())};
}

std::vector<std::string> area_cells(const v1::HeldArea& area) {
  if (area.not_known()) return {"?", area.path(), "-", "-", "-", area.note()};
  return {absl::StrCat(area.area()),        area.path(),
          absl::StrCat(area.used()),        absl::StrCat(area.held()),
          absl::StrCat(area.unexplained()), area.note()};
}

std::string holders_text(const v1::GetHoldersResponse& response, const Style& style) {
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
               {"FOUND", Align::kRight}});
  Table areas({{"AREA", Align::kRight},
               {"PATH"},
               {"USED SLOTS", Align::kRight},
               {"HELD", Align::kRight},
               {"NOT EXPLAINED", Align::kRight},
               {"WHY"}});
  uint64_t all = response.other().pages();
  for (const v1::HolderRow& row : response.rows()) all += row.pages();
  const auto add = [&](const std::string& name, const v1::HolderRow& row) {
    table.add(cells(name, row, all, response.page_bytes()));
  };
  for (const v1::HolderRow& row : response.rows()) add(who(row, response.group_by()), row);
  if (response.other_groups() != 0)
    add(absl::StrCat("(", response.other_groups(), " more)"), response.other());
  for (const v1::HeldArea& area : response.areas()) areas.add(area_cells(area));
  std::string out = table.rows() == 0 ? "nobody known holds swap\n" : table.text(style);
  if (response.estimated())
    absl::StrAppend(&out, "ESTIMATES: only some pages are followed (swaptrail status)\n");
  if (areas.rows() != 0) absl::StrAppend(&out, "\n", areas.text(style));
  return out;
}

int holders(const HoldersOptions& options) {
  v1::GetHoldersRequest request;
  request.set_group_by(
      value_of<v1::HolderGroup>(options.by).value_or(v1::HOLDER_GROUP_UNSPECIFIED));
  request.set_max_rows(options.rows);
  return ask_and_print(options, &v1::TraceService::Stub::GetHolders, request, "rows", holders_text);
}

}  // namespace

void add_holders(CLI::App& app, int& code) {
  auto [command, options] = add_online_command<HoldersOptions>(
      app, "holders", "who holds swap now", Finds::kNothing,
      "\nHOLDS are the used slots of each owner: of those that were taken since swaptraild started, all; "
      "of what was in use before, those that were FOUND in page tables (swaptrail status), with the "
      "cgroup of their process then. What is in none, such as shared memory, is NOT EXPLAINED until it "
      "is met. KERNEL is what the kernel says a moment later: a process's VmSwap, which has what it "
      "shares for each process and not what is mapped; memory.swap.current of a cgroup with none "
      "below. DEVICE, ZSWAP and ZERO are base pages by where they lie; NO COPY are not written yet, or "
      "nobody needs them any more. IN MEMORY TOO are in the swap cache, MAPPED those of them that "
      "processes use: their slots are only kept. SHARED had several mappings when they went out, or "
      "were found in several page tables.\n"
      "Examples:\n"
      "  swaptrail holders\n"
      "  swaptrail holders --by=cgroup --rows=5\n"
      "  swaptrail holders --by=area -o json");
  command->add_option("--by", options->by, "what the rows are [process]")
      ->check(CLI::IsMember(words_of<v1::HolderGroup>()));
  command->add_option("--rows", options->rows, "the largest so many [20]")
      ->check(CLI::Range(1, 1000).description(""));
  set_run(*command, options, code, holders);
}

}  // namespace swaptrail::online
