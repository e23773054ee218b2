// `swaptrail holders`: who holds swap now.
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "cli/online/client_call.h"
#include "cli/online/commands.h"
#include "cli/online/holder_text.h"
#include "cli/online/table.h"
#include "cli/online/words.h"

namespace swaptrail::online {
namespace {

struct HoldersOptions : ClientCall {
  std::string by = "process", area;
  int32_t rows = 20;
};

std::vector<std::string> area_cells(const v1::HeldArea& area) {
  if (area.not_known()) return {"?", area.path(), "-", "-", "-", area.note()};
  return {absl::StrCat(area.area()),        area.path(),
          absl::StrCat(area.used()),        absl::StrCat(area.held()),
          absl::StrCat(area.unexplained()), area.note()};
}

std::string holders_text(const v1::GetHoldersResponse& response, const Style& style) {
  Table areas({{"AREA", Align::kRight},
               {"PATH"},
               {"USED SLOTS", Align::kRight},
               {"HELD", Align::kRight},
               {"NOT EXPLAINED", Align::kRight},
               {"WHY"}});
  for (const v1::HeldArea& area : response.areas()) areas.add(area_cells(area));
  std::string out = holder_rows_text(response.rows(), response.other(), response.other_groups(),
                                     response.group_by(), response.page_bytes(), style);
  if (out.empty()) out = "nobody known holds swap\n";
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
  request.set_area_path(options.area);
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
      "were found in several page tables. OVER 1 H are not in memory, and for longer than that; in JSON all "
      "ages.\n"
      "Examples:\n"
      "  swaptrail holders\n"
      "  swaptrail holders --by=cgroup --rows=5\n"
      "  swaptrail holders --by=unit --area=/dev/zram0\n"
      "  swaptrail holders --by=area -o json");
  command->add_option("--by", options->by, "what the rows are [process]")
      ->check(CLI::IsMember(words_of<v1::HolderGroup>()));
  command->add_option("--area", options->area, "only what this device or file has")
      ->type_name("AREA");
  command->add_option("--rows", options->rows, "the largest so many [20]")
      ->check(CLI::Range(1, 1000).description(""));
  set_run(*command, options, code, holders);
}

}  // namespace swaptrail::online
