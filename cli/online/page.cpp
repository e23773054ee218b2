// `swaptrail page`: one page, where it is, what happened to it, and what has not happened yet.
#include <CLI/CLI.hpp>
#include "absl/strings/str_cat.h"

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/online/client_call.h"
#include "cli/online/commands.h"
#include "cli/online/lifecycle_text.h"
#include "cli/online/quantities.h"
#include "cli/online/words.h"
#include "trace/utf8.h"

namespace swaptrail::online {
namespace {

struct PageOptions : ClientCall {
  uint32_t pid = 0;
  std::string address;
  std::string pfn;
  std::string entry;
  int32_t history = 20;
};

absl::StatusOr<v1::ExplainPageRequest> request_of(const PageOptions& options) {
  v1::ExplainPageRequest request;
  request.set_max_history(options.history);
  if (!options.address.empty()) {
    const auto address = parse_number(options.address);
    if (!address.ok()) return address.status();
    request.mutable_virtual_page()->set_pid(options.pid);
    request.mutable_virtual_page()->set_address(*address);
  } else if (!options.pfn.empty()) {
    const auto pfn = parse_number(options.pfn);
    if (!pfn.ok()) return pfn.status();
    request.set_pfn(*pfn);
  } else {
    const auto entry = parse_entry(options.entry);
    if (!entry.ok()) return entry.status();
    *request.mutable_entry() = *entry;
  }
  return request;
}

std::string where_text(const v1::ExplainPageResponse& page) {
  std::string text = page.state() == v1::PAGE_STATE_UNSPECIFIED ? "where it is now is not known"
                                                                : word_of(page.state());
  if (page.has_pfn()) absl::StrAppend(&text, absl::StrFormat(", pfn 0x%x", page.pfn()));
  if (page.has_entry()) absl::StrAppend(&text, ", entry ", entry_text(page.entry()));
  if (page.frame_flags_size() != 0)
    absl::StrAppend(&text, ", flags ", absl::StrJoin(page.frame_flags(), " "));
  return printable(text);
}

std::string page_text(const v1::ExplainPageResponse& page, const Style& style) {
  std::string name = "page";
  if (page.address() != 0) absl::StrAppend(&name, absl::StrFormat(" 0x%x", page.address()));
  if (page.has_process()) absl::StrAppend(&name, " of ", process_text(page.process()));
  std::string out = absl::StrCat(style.bold(name), ": ", where_text(page), "\n");
  for (const std::string& sentence : page.explanation())
    absl::StrAppend(&out, "  ", printable(sentence), "\n");
  if (page.outstanding_size() != 0) {
    std::vector<std::string> stages;
    for (int index = 0; index < page.outstanding_size(); ++index)
      stages.push_back(word_of(page.outstanding(index)));
    absl::StrAppend(&out, style.bold("still to come"), ": ", absl::StrJoin(stages, ", "), "\n");
  }
  absl::StrAppend(&out, style.bold("history"), ": ", page.history_size(),
                  page.history_size() == 1 ? " attempt" : " attempts", " since ",
                  time_text(page.store_reaches_back_to()), "\n");
  for (const v1::Lifecycle& lifecycle : page.history())
    absl::StrAppend(&out, lifecycle_block(lifecycle, style));
  return out;
}

int page(const PageOptions& options) {
  const auto request = request_of(options);
  if (!request.ok()) return complain_of_answer(request.status());
  return ask_and_print(options, &v1::TraceService::Stub::ExplainPage, *request, "", page_text);
}

}  // namespace

void add_page(CLI::App& app, int& code) {
  auto [command, options] = add_online_command<PageOptions>(
      app, "page", "one page: where it is, what happened to it, and what is still to come",
      Finds::kNothing,
      "\nName it by --pid and --addr, by --pfn, or by --entry.\n"
      "Examples:\n"
      "  swaptrail page --pid=4711 --addr=0x7f8946161000\n"
      "  swaptrail page --entry=0:131984\n"
      "  swaptrail page --pfn=0x10a2b3 -o json");
  CLI::Option* pid = command->add_option("--pid", options->pid, "whose page");
  CLI::Option* address = command->add_option("--addr", options->address, "any address inside it")
                             ->type_name("ADDRESS")
                             ->needs(pid);
  pid->needs(address);
  CLI::Option* pfn = command->add_option("--pfn", options->pfn, "its page frame number")
                         ->type_name("NUMBER")
                         ->excludes(pid);
  CLI::Option* entry = command->add_option("--entry", options->entry, "its place in swap")
                           ->type_name("TYPE:OFFSET")
                           ->excludes(pid)
                           ->excludes(pfn);
  command->add_option("--history", options->history, "so many attempts at most [20]")
      ->check(CLI::Range(1, 1000).description(""));
  add_call_options(*command, *options);
  command->callback([options = options, address, pfn, entry, &code] {
    if (address->empty() && pfn->empty() && entry->empty())
      throw CLI::RequiredError("--pid with --addr, --pfn or --entry");
    code = page(*options);
  });
}

}  // namespace swaptrail::online
