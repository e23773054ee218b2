// `swaptrail areas` and `swaptrail swapoff-plan`: swap areas, and what it takes to swap one off.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/online/client_call.h"
#include "cli/online/commands.h"
#include "cli/online/ending.h"
#include "cli/online/holder_text.h"
#include "cli/online/lifecycle_text.h"
#include "cli/online/quantities.h"
#include "cli/online/table.h"
#include "trace/utf8.h"

namespace swaptrail::online {
namespace {

struct SwapoffOptions : ClientCall {
  std::string area;
  int32_t rows = 10;
  bool watch = false;
};

std::string access_text(const v1::SwapArea& area) {
  return absl::StrCat(area.synchronous() ? "synchronous" : "asynchronous",
                      area.rotational() ? ", rotating" : "");
}

// What the kernel's used slots consist of, in pages.
std::vector<std::string> slots_cells(const std::string& number, const v1::SwapArea& area) {
  if (!area.has_slots()) return {number, "-", "-", "-", "-", "-", area.note()};
  const v1::AreaSlots& slots = area.slots();
  return {number,
          absl::StrCat(slots.used()),
          absl::StrCat(slots.away()),
          absl::StrCat(slots.cached()),
          absl::StrCat(slots.reserve()),
          absl::StrCat(slots.unexplained()),
          area.note()};
}

std::string areas_text(const v1::GetSwapAreasResponse& response, const Style& style) {
  Table areas({{"AREA", Align::kRight},
               {"PATH"},
               {"SIZE", Align::kRight},
               {"USED", Align::kRight},
               {"SHARE", Align::kRight},
               {"PRIORITY", Align::kRight},
               {"KIND"}});
  Table slots({{"AREA", Align::kRight},
               {"USED SLOTS", Align::kRight},
               {"AWAY", Align::kRight},
               {"IN MEMORY TOO", Align::kRight},
               {"RESERVE", Align::kRight},
               {"NOT EXPLAINED", Align::kRight},
               {"WHY"}});
  Table owners({{"AREA", Align::kRight}, {"CGROUP"}, {"PAGES", Align::kRight}});
  Table ages({{"AREA", Align::kRight}, {"IN SWAP FOR UP TO"}, {"PAGES", Align::kRight}});
  for (const v1::SwapArea& area : response.areas()) {
    const std::string number = area.type_unknown() ? "?" : absl::StrCat(area.type());
    areas.add({number, area.path(), bytes_text(area.size_bytes()), bytes_text(area.used_bytes()),
               percent_text(area.used_bytes(), area.size_bytes()), absl::StrCat(area.priority()),
               access_text(area)});
    slots.add(slots_cells(number, area));
    for (const v1::SwapOwner& owner : area.owners())
      owners.add({number, cgroup_text(owner.cgroup()), absl::StrCat(owner.pages())});
    for (const v1::AgeBucket& age : area.ages())
      ages.add({number, age.has_up_to() ? duration_text(nanoseconds_of(age.up_to())) : "longer",
                absl::StrCat(age.pages())});
    if (area.older_pages() != 0)
      ages.add({number, "not known: from before swaptraild", absl::StrCat(area.older_pages())});
  }
  if (areas.rows() == 0) return "no swap area is on\n";
  std::string out = areas.text(style);
  for (const Table* table : {&slots, &owners, &ages})
    if (table->rows() != 0) absl::StrAppend(&out, "\n", table->text(style));
  return out;
}

std::string verdict_text(v1::SwapoffVerdict verdict) {
  switch (verdict) {
    case v1::SWAPOFF_VERDICT_FITS:
      return "memory suffices";
    case v1::SWAPOFF_VERDICT_MOVES:
      return "only if other pages go to other swap areas";
    default:
      return "memory does not suffice";
  }
}

// On one line, without its end.
std::string progress_text(const v1::GetSwapoffPlanResponse& plan) {
  const v1::SwapoffProgress& progress = plan.progress();
  const uint64_t all = progress.done_pages() + progress.left_pages();
  std::string out =
      absl::StrCat(percent_text(progress.done_pages(), all), ": ",
                   pages_text(progress.done_pages()), " back, ", progress.left_pages(), " left");
  if (progress.running())
    absl::StrAppend(&out, absl::StrFormat(", %.0f a second", progress.pages_per_second()));
  if (progress.has_left())
    absl::StrAppend(&out, ", ", duration_text(nanoseconds_of(progress.left())), " more");
  return absl::StrCat(out, "; by ", process_text(progress.process()),
                      progress.running() ? "" : ", which does not go on");
}

std::string plan_text(const v1::GetSwapoffPlanResponse& plan, const Style& style) {
  const auto bytes = [&](uint64_t pages) { return bytes_text(pages * plan.page_bytes()); };
  std::string out;
  append_row("area", plan.area().path(), out);
  append_row("swapoff", verdict_text(plan.verdict()), out);
  for (const std::string& reason : plan.reasons()) append_row("", reason, out);
  append_row("to bring back",
             absl::StrCat(bytes(plan.need_pages()), " of ", bytes(plan.area().used())), out);
  append_row("memory",
             absl::StrCat(bytes(plan.available_pages()), " available; ",
                          bytes(plan.other_swap_pages()), " free in other areas"),
             out);
  append_row("takes",
             plan.has_expected()
                 ? absl::StrCat("about ", duration_text(nanoseconds_of(plan.expected())), " (",
                                plan.expected_from(), ")")
                 : absl::StrCat("not known: ", plan.expected_from()),
             out);
  if (plan.has_progress()) append_row("progress", progress_text(plan), out);
  if (plan.estimated())
    append_row("", "ESTIMATES: only some pages are followed (swaptrail status)", out);
  Table cgroups(
      {{"CGROUP"}, {"TO TAKE BACK", Align::kRight}, {"ROOM", Align::kRight}, {"LIMIT OF"}});
  for (const v1::SwapoffCgroup& one : plan.cgroups())
    cgroups.add({one.has_cgroup() ? cgroup_text(one.cgroup()) : "(not known)", bytes(one.pages()),
                 one.has_room_pages() ? bytes(one.room_pages()) : "-", one.limited_by()});
  const std::string holders = holder_rows_text(plan.holders(), plan.other(), plan.other_groups(),
                                               v1::HOLDER_GROUP_PROCESS, plan.page_bytes(), style);
  if (!holders.empty()) absl::StrAppend(&out, "\n", holders);
  if (cgroups.rows() != 0) absl::StrAppend(&out, "\n", cgroups.text(style));
  return out;
}

// A line a second until the area is off, or the swapoff ends in another way.
int watch(const SwapoffOptions& options, const v1::GetSwapoffPlanRequest& request) {
  Ending ending(std::nullopt);
  auto connection = Connection::open(options.connection);
  if (!connection.ok()) return complain_of_answer(connection.status());
  ending.start([] {});
  cli::StandardOutput output;
  bool began = false;
  while (!ending.reached() && output.open()) {
    const auto plan =
        ask(**connection, (*connection)->trace(), &v1::TraceService::Stub::GetSwapoffPlan, request);
    if (!plan.ok() && began && absl::IsNotFound(plan.status())) {
      output.write(absl::StrCat(printable(request.area_path()), " is off\n"));
      return output.exit_code(cli::kDone);
    }
    if (!plan.ok()) return complain_of_answer(plan.status());
    if (began && !plan->progress().running()) {
      output.write(absl::StrCat(printable(progress_text(*plan)), "\n"));
      return output.exit_code(cli::kFound);
    }
    began = plan->progress().running();
    output.write(began ? absl::StrCat(printable(progress_text(*plan)), "\n")
                       : "no swapoff of it is seen yet\n");
    for (int tenth = 0; tenth < 10 && !ending.reached(); ++tenth) usleep(100'000);
  }
  return output.exit_code(cli::kDone);
}

int swapoff_plan(const SwapoffOptions& options) {
  v1::GetSwapoffPlanRequest request;
  request.set_area_path(options.area);
  request.set_max_rows(options.rows);
  if (options.watch) return watch(options, request);
  return ask_and_print(options, &v1::TraceService::Stub::GetSwapoffPlan, request, "", plan_text);
}

}  // namespace

void add_areas(CLI::App& app, int& code) {
  auto [command, call] = add_online_command<ClientCall>(
      app, "areas", "swap areas, and whose pages lie in them for how long", Finds::kNothing,
      "\nAWAY are slots of pages that are not in memory; owners and ages are theirs. NOT EXPLAINED are used "
      "slots of which nobody is known: see swaptrail holders --help.\n"
      "Examples:\n"
      "  swaptrail areas\n"
      "  swaptrail areas -o jsonl");
  add_call_options(*command, *call);
  command->callback([call = call, &code] {
    code = ask_and_print(*call, &v1::TraceService::Stub::GetSwapAreas, v1::GetSwapAreasRequest(),
                         "areas", areas_text);
  });
}

void add_swapoff_plan(CLI::App& app, int& code) {
  auto [command, options] = add_online_command<SwapoffOptions>(
      app, "swapoff-plan", "what it takes to swap an area off, and how far a running swapoff is",
      Finds::kSomething,
      "\nIt swaps nothing off. TO TAKE BACK are pages that are charged to the cgroup and not in memory; "
      "ROOM is what memory.max leaves, its own or that of a cgroup above. If memory does not suffice, swapoff "
      "fails, or the OOM killer ends it first. With --watch the exit code is 1 if the swapoff ends and the "
      "area is still on.\n"
      "Examples:\n"
      "  swaptrail swapoff-plan /dev/nvme0n1p3\n"
      "  swaptrail swapoff-plan /swapfile -o json\n"
      "  swapoff /swapfile & swaptrail swapoff-plan /swapfile --watch");
  command->add_option("area", options->area, "its device or file, as swaptrail areas shows it")
      ->required()
      ->type_name("AREA");
  command->add_option("--rows", options->rows, "the largest so many holders and cgroups [10]")
      ->check(CLI::Range(1, 1000).description(""));
  command->add_flag("--watch", options->watch, "a line each second until the swapoff has ended");
  set_run(*command, options, code, swapoff_plan);
}

}  // namespace swaptrail::online
