// `swaptrail status` and `swaptrail violations`: the state of swaptraild.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/online/client_call.h"
#include "cli/online/commands.h"
#include "cli/online/lifecycle_text.h"
#include "cli/online/quantities.h"
#include "cli/online/table.h"
#include "cli/online/words.h"
#include "daemon/base/late_sweep.h"
#include "trace/utf8.h"

namespace swaptrail::online {
namespace {

struct StatusOptions : ClientCall {
  bool check = false;
};

struct ViolationOptions : ClientCall {
  int32_t limit = 100;
};

// They differ by more than what moved while the two were read, or what one of them can't show.
bool differs(const v1::Reconciliation& row) {
  if (row.counter() == "emitted") return false;  // the difference is in the rings, for a moment
  const int64_t difference = row.difference();
  return static_cast<uint64_t>(difference < 0 ? -difference : difference) > row.allowance();
}

void append_hooks(const v1::GetStatusResponse& status, const Style& style, std::string& out) {
  Table table({{"HOOK"}, {"STATE"}, {"TARGET"}, {"WHY, AND WHAT IT COSTS"}});
  int chosen = 0;
  for (const v1::Hook& hook : status.hooks()) {
    chosen += hook.state() == "chosen" ? 1 : 0;
    if (hook.state() == "chosen" || hook.state() == "absent" || hook.state() == "left_out")
      continue;
    table.add({hook.name(), hook.state(), hook.target(),
               absl::StrCat(hook.reason(), hook.costs().empty() ? "" : "; ", hook.costs())});
  }
  absl::StrAppend(&out, style.bold("Hooks"), "\n");
  append_row("attached", absl::StrCat(chosen, " of ", status.hooks_size()), out);
  out += table.text(style);
}

void append_records(const v1::Loss& loss, const Style& style, std::string& out) {
  absl::StrAppend(&out, style.bold("Records"), "\n");
  append_row("made", absl::StrCat(loss.emitted()), out);
  append_row("received", absl::StrCat(loss.consumed()), out);
  append_row("dropped",
             absl::StrCat(loss.dropped_ring_full(), " (ring full), ", loss.dropped_no_ring(),
                          " (new CPU)"),
             out);
  append_row("not followed",
             absl::StrCat(loss.context_full(), " (table full), ", loss.skipped_runs(),
                          " runs left out, ", loss.late(), " late"),
             out);
  if (loss.lines_left_out() != 0)
    append_row("not printed",
               absl::StrCat(loss.lines_left_out(), " lines: their reader is too slow"), out);
  append_row("fullest ring", absl::StrFormat("%.1f %%", 100 * loss.ring_fill()), out);
}

void append_sampling(const v1::GetStatusResponse& status, const Style& style, std::string& out) {
  if (!status.has_sampling()) return;
  const v1::SamplingStatus& sampling = status.sampling();
  absl::StrAppend(&out, style.bold("Sample"), "\n");
  append_row("follows",
             sampling.one_in() == 1 ? "every page"
                                    : absl::StrCat("one page in ", sampling.one_in(),
                                                   "; totals are exact, all else is an estimate"),
             out);
  if (sampling.cpu_limit() == 0) return;
  append_row("CPU",
             absl::StrFormat("%.1f %% of one CPU lately; the limit is %d %%", sampling.cpu(),
                             sampling.cpu_limit()),
             out);
  if (sampling.changes() != 0)
    append_row("changed by it",
               absl::StrCat(sampling.changes(), " times, last ", time_text(sampling.changed())),
               out);
}

std::string inventory_text(const v1::InventoryStatus& inventory) {
  switch (inventory.state()) {
    case v1::INVENTORY_STATE_READING:
      return absl::StrCat("page tables of ", inventory.processes_read(), " of ",
                          inventory.processes(), " processes were read so far");
    case v1::INVENTORY_STATE_DONE:
      return absl::StrCat("page tables of ", inventory.processes(), " processes were read");
    case v1::INVENTORY_STATE_FAILED:
      return absl::StrCat("not all page tables were read: ", inventory.why());
    default:
      return absl::StrCat("page tables were not read: ", inventory.why());
  }
}

void append_inventory(const v1::GetStatusResponse& status, const Style& style, std::string& out) {
  if (!status.has_inventory()) return;
  const v1::InventoryStatus& inventory = status.inventory();
  absl::StrAppend(&out, style.bold("In swap before the start"), "\n");
  append_row("found by", inventory_text(inventory), out);
  if (!inventory.has_began()) return;
  append_row("slots",
             absl::StrCat(inventory.slots_found(), " found, by ", inventory.entries(), " entries"),
             out);
  if (inventory.processes_refused() != 0)
    append_row("not read",
               absl::StrCat(inventory.processes_refused(),
                            " processes: they have ended, or may not be looked at"),
               out);
  append_row("took",
             absl::StrCat(duration_text(nanoseconds_of(inventory.taken())), ", ",
                          duration_text(nanoseconds_of(inventory.used_cpu())), " of CPU time"),
             out);
}

void append_counted(const v1::GetStatusResponse& status, const Style& style, std::string& out) {
  constexpr size_t kRows = 20;
  Table table({{"WAY"},
               {"ORIGIN"},
               {"BACKEND"},
               {"PAGES", Align::kRight},
               {"OPERATIONS", Align::kRight},
               {"FAILED", Align::kRight},
               {"MEAN", Align::kRight},
               {"CGROUP"}});
  std::vector<const v1::Counted*> rows;
  for (const v1::Counted& row : status.counted()) rows.push_back(&row);
  std::ranges::stable_sort(rows, [](const v1::Counted* a, const v1::Counted* b) {
    return a->operations() > b->operations();
  });
  const size_t shown = std::min(rows.size(), kRows);
  for (size_t at = 0; at < shown; ++at) {
    const v1::Counted& row = *rows[at];
    table.add(
        {row.way() == v1::WAY_OUT ? "out" : "in", row.beyond() ? "-" : word_of(row.origin()),
         row.beyond() ? "-" : word_of(row.backend()), absl::StrCat(row.pages()),
         absl::StrCat(row.operations()), absl::StrCat(row.failed()),
         row.operations() == 0 ? "-" : duration_text(nanoseconds_of(row.wait()) / row.operations()),
         row.beyond() ? "(all others)" : cgroup_text(row.cgroup())});
  }
  out += table.text(style);
  if (shown < rows.size())
    append_row("more", absl::StrCat(rows.size() - shown, " rows: see -o json"), out);
}

void append_trust(const v1::GetStatusResponse& status, const Style& style, std::string& out) {
  Table table({{"TRUST"},
               {"KERNEL", Align::kRight},
               {"OURS", Align::kRight},
               {"DIFFERENCE", Align::kRight},
               {"NOTE"}});
  for (const v1::Reconciliation& row : status.reconciliation())
    table.add({row.counter(), absl::StrCat(row.kernel()), absl::StrCat(row.ours()),
               absl::StrCat(row.difference()),
               row.allowance() == 0
                   ? row.note()
                   : absl::StrCat(row.note(), " (up to ", row.allowance(), " is no error)")});
  out += table.text(style);
}

void append_store(const v1::GetStatusResponse& status, const Style& style, std::string& out) {
  const v1::StoreStatus& store = status.store();
  absl::StrAppend(&out, style.bold("Store"), "\n");
  append_row("holds",
             absl::StrCat(store.lifecycles(), " lifecycles, ", bytes_text(store.bytes()), " of ",
                          bytes_text(store.max_bytes())),
             out);
  append_row("reaches to", time_text(store.oldest()), out);
  append_row("had to go",
             absl::StrCat(store.evicted(), ", and ", store.unstored(), " that found no room"), out);
}

std::string recording_text(const v1::GetStatusResponse& status) {
  if (!status.has_recording()) return "none";
  const v1::RecordingStatus& recording = status.recording();
  const std::string what =
      recording.flight()
          ? absl::StrCat("in memory, ", recording.flights_written(), " times written, ",
                         recording.triggers_suppressed(), " triggers had to wait")
          : absl::StrCat("to files, part ", recording.parts(), ", ", recording.parts_dropped(),
                         " had to go");
  return absl::StrCat(recording.stopped() ? "STOPPED; " : "",
                      recording.folder_moved() ? "its folder was MOVED AWAY; " : "", what,
                      recording.writes_refused() == 0
                          ? ""
                          : absl::StrCat(", ", recording.writes_refused(), " writes refused"));
}

std::string status_text(const v1::GetStatusResponse& status, const Style& style) {
  std::string out =
      style.bold(printable(absl::StrCat("swaptraild ", status.version(), " on Linux ",
                                        status.kernel_release(), " ", status.machine()))) +
      "\n";
  append_row(
      "mode",
      absl::StrCat(status.mode(), status.mode_reason().empty() ? "" : ": ", status.mode_reason()),
      out);
  append_row("started",
             absl::StrCat(time_text(status.started()), ", ",
                          duration_text(nanoseconds_of(status.uptime())), " ago"),
             out);
  append_row("last sweep",
             absl::StrCat(duration_text(nanoseconds_of(status.last_sweep_age())), " ago"), out);
  append_row("seen",
             absl::StrCat(status.lifecycles(), " lifecycles, ", status.violations(), " violations"),
             out);
  if (!status.detail().empty()) append_row("detail", printable(status.detail()), out);
  append_row("memory", bytes_text(status.resident_bytes()), out);
  append_row("watchers", absl::StrCat(status.watchers()), out);
  append_row("pageout", status.pageout_enabled() ? "enabled" : "not enabled", out);
  append_row("recording", recording_text(status), out);
  if (status.has_validation()) {
    const v1::ValidationStatus& validation = status.validation();
    append_row("validation",
               absl::StrCat(validation.compared(), " compared, ", validation.agreed(), " agreed, ",
                            validation.findings(), " findings; one page in ", validation.sample()),
               out);
  }
  append_hooks(status, style, out);
  append_records(status.loss(), style, out);
  append_sampling(status, style, out);
  append_inventory(status, style, out);
  append_counted(status, style, out);
  append_trust(status, style, out);
  append_store(status, style, out);
  return out;
}

// The checks of --check: one line for each problem.
std::vector<std::string> troubles_of(const v1::GetStatusResponse& status) {
  std::vector<std::string> troubles;
  if (nanoseconds_of(status.last_sweep_age()) > base::kSweepIsLate_ns)
    troubles.push_back(absl::StrCat("nothing is observed: the rings were last read ",
                                    duration_text(nanoseconds_of(status.last_sweep_age())),
                                    " ago"));
  if (status.recording().stopped())
    troubles.push_back(absl::StrCat("not all is recorded: the disk refuses writes, ",
                                    status.recording().writes_refused(), " in all"));
  if (status.recording().folder_moved())
    troubles.emplace_back("the folder of the recording was moved away");
  for (const v1::Hook& hook : status.hooks())
    if (hook.state() == "missing")
      troubles.push_back(absl::StrCat("hook ", hook.name(), " is missing"));
  for (const v1::Reconciliation& row : status.reconciliation())
    if (differs(row))
      troubles.push_back(absl::StrCat("total ", row.counter(), " differs by ", row.difference()));
  const v1::Loss& loss = status.loss();
  const std::pair<uint64_t, const char*> counts[] = {
      {loss.dropped_ring_full(), "records lost: the ring was full"},
      {loss.dropped_no_ring(), "records lost: their CPU was new"},
      {loss.context_full(), "batches or faults not followed: the table was full"},
      {loss.skipped_runs(), "runs left out by the kernel"},
      {status.violations(), "violations"},
      {status.validation().findings(), "findings"}};
  for (const auto& [count, what] : counts)
    if (count != 0) troubles.push_back(absl::StrCat(count, " ", what));
  return troubles;
}

int check(const v1::GetStatusResponse& status) {
  const std::vector<std::string> troubles = troubles_of(status);
  for (const std::string& trouble : troubles)
    std::fprintf(stderr, "swaptrail: %s\n", printable(trouble).c_str());
  return troubles.empty() ? cli::kDone : cli::kFound;
}

int status(const StatusOptions& options) {
  auto connection = Connection::open(options.connection);
  if (!connection.ok()) return complain_of_answer(connection.status());
  const auto response = ask(**connection, (*connection)->trace(),
                            &v1::TraceService::Stub::GetStatus, v1::GetStatusRequest());
  if (!response.ok()) return complain_of_answer(response.status());
  const int code = print_answer(options, *response, "", status_text);
  return code == cli::kDone && options.check ? check(*response) : code;
}

std::string violations_text(const v1::ListViolationsResponse& response, const Style& style) {
  Table table({{"TIME"},
               {"RULE"},
               {"LIFECYCLE", Align::kRight},
               {"ENTRY", Align::kRight},
               {"WHAT WAS SEEN"}});
  for (const v1::Violation& violation : response.violations())
    table.add({time_text(violation.time()), violation.rule(),
               violation.lifecycle_id() == 0 ? "-" : absl::StrCat("#", violation.lifecycle_id()),
               violation.has_entry() ? entry_text(violation.entry()) : "-", violation.text()});
  return absl::StrCat(table.text(style), response.total(), " since the start\n");
}

// Page by page, until `limit`.
absl::StatusOr<v1::ListViolationsResponse> all_violations(Connection& connection, int32_t limit) {
  v1::ListViolationsResponse all;
  v1::ListViolationsRequest request;
  do {
    request.set_page_size(limit - all.violations_size());
    const auto page =
        ask(connection, connection.trace(), &v1::TraceService::Stub::ListViolations, request);
    if (!page.ok()) return page.status();
    all.mutable_violations()->MergeFrom(page->violations());
    all.set_total(page->total());
    all.set_next_page_token(page->next_page_token());
    request.set_page_token(page->next_page_token());
  } while (!all.next_page_token().empty() && all.violations_size() < limit);
  return all;
}

int violations(const ViolationOptions& options) {
  auto connection = Connection::open(options.connection);
  if (!connection.ok()) return complain_of_answer(connection.status());
  const auto response = all_violations(**connection, options.limit);
  if (!response.ok()) return complain_of_answer(response.status());
  const int code = print_answer(options, *response, "violations", violations_text);
  return code == cli::kDone && response->total() != 0 ? cli::kFound : code;
}

}  // namespace

void add_status(CLI::App& app, int& code) {
  auto [command, options] = add_online_command<StatusOptions>(
      app, "status", "what swaptraild sees, what it lost, and how far to trust it",
      Finds::kSomething,
      "\nExamples:\n"
      "  swaptrail status\n"
      "  swaptrail status --check || echo 'look at swaptrail status'\n"
      "  swaptrail status --address=db1:9444 --tls-ca=ca.pem -o json");
  command->add_flag(
      "--check", options->check,
      "exit with 1 if nothing is observed, a hook is missing, a record was lost, a total differs from the "
      "kernel's without a reason, a table was full, the kernel left out runs of "
      "programs, or there are violations or findings; standard error says which");
  set_run(*command, options, code, status);
}

void add_violations(CLI::App& app, int& code) {
  auto [command, options] = add_online_command<ViolationOptions>(
      app, "violations", "transitions that the kernel cannot make: there are none",
      Finds::kSomething,
      "\nThe youngest first. The exit code is 1 if there was one since the start.\n"
      "Examples:\n"
      "  swaptrail violations\n"
      "  swaptrail violations --limit=10 -o jsonl");
  command->add_option("--limit", options->limit, "at most so many [100]")
      ->check(CLI::Range(1, 1000).description(""));
  set_run(*command, options, code, violations);
}

}  // namespace swaptrail::online
