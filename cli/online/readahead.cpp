// `swaptrail readahead`: whether the pages that readahead brings from swap are used.
#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "cli/online/client_call.h"
#include "cli/online/commands.h"
#include "cli/online/lifecycle_text.h"
#include "cli/online/quantities.h"
#include "cli/online/table.h"

namespace swaptrail::online {
namespace {

struct ReadaheadOptions : ClientCall {
  int32_t rows = 20;
};

std::vector<std::string> cells(const std::string& area, const std::string& cgroup,
                               const v1::ReadaheadRow& row) {
  const uint64_t settled = row.used_pages() + row.dropped_pages();
  return {area,
          cgroup,
          absl::StrCat(row.read_pages()),
          absl::StrCat(row.wanted_pages()),
          absl::StrCat(row.used_pages()),
          absl::StrCat(row.dropped_pages()),
          absl::StrCat(row.pending_pages()),
          settled == 0 ? "-" : percent_text(row.dropped_pages(), settled)};
}

std::string readahead_text(const v1::GetReadaheadResponse& response, const Style& style) {
  Table table({{"AREA"},
               {"CGROUP"},
               {"READ", Align::kRight},
               {"WANTED", Align::kRight},
               {"USED", Align::kRight},
               {"DROPPED", Align::kRight},
               {"PENDING", Align::kRight},
               {"IN VAIN", Align::kRight}});
  for (const v1::ReadaheadRow& row : response.rows())
    table.add(
        cells(row.area_path(), row.has_cgroup() ? cgroup_text(row.cgroup()) : "(not known)", row));
  if (response.other_rows() != 0)
    table.add(cells("", absl::StrCat("(", response.other_rows(), " more)"), response.other()));
  if (response.rows_size() + response.other_rows() > 1)
    table.add(cells("", "(all)", response.total()));
  std::string out =
      table.rows() == 0 ? "nothing was read into the swap cache yet\n" : table.text(style);
  if (response.estimated())
    absl::StrAppend(&out, "ESTIMATES: only some pages are followed (swaptrail status)\n");
  absl::StrAppend(&out, "\n");
  if (response.has_page_cluster())
    append_row(
        "reads ahead",
        response.page_cluster() == 0
            ? "nothing (vm.page-cluster is 0)"
            : absl::StrCat("up to ", (uint64_t{1} << std::min(response.page_cluster(), 30U)) - 1,
                           " pages, by ",
                           response.by_address() ? "address; shared memory by slot" : "slot"),
        out);
  if (response.has_kernel_read_ahead())
    append_row("the kernel",
               absl::StrCat(response.kernel_read_ahead(), " folios read ahead, ",
                            response.kernel_hits(), " of them looked up"),
               out);
  return out;
}

int readahead(const ReadaheadOptions& options) {
  v1::GetReadaheadRequest request;
  request.set_max_rows(options.rows);
  return ask_and_print(options, &v1::TraceService::Stub::GetReadahead, request, "rows",
                       readahead_text);
}

}  // namespace

void add_readahead(CLI::App& app, int& code) {
  auto [command, options] = add_online_command<ReadaheadOptions>(
      app, "readahead", "whether the pages that readahead brings from swap are used",
      Finds::kNothing,
      "\nSince the start, in base pages that were READ into the swap cache: WANTED by the fault that read them; USED: read "
      "ahead, and mapped by a later fault; DROPPED: read ahead, and gone before anybody mapped them. IN VAIN is DROPPED of "
      "USED and DROPPED. What is read past the swap cache, as from zram, has no readahead. If much is in vain, lower "
      "vm.page-cluster.\n"
      "Examples:\n"
      "  swaptrail readahead\n"
      "  swaptrail readahead --rows=5 -o json");
  command->add_option("--rows", options->rows, "so many, those with the most DROPPED [20]")
      ->check(CLI::Range(1, 1000).description(""));
  set_run(*command, options, code, readahead);
}

}  // namespace swaptrail::online
