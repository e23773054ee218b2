// `swaptrail trace` and `swaptrail list`: lifecycles as they end, and recent ones.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <limits>

#include "absl/strings/str_cat.h"
#include "cli/online/client_call.h"
#include "cli/online/commands.h"
#include "cli/online/ending.h"
#include "cli/online/filter.h"
#include "cli/online/lifecycle_output.h"
#include "cli/online/quantities.h"

namespace swaptrail::online {
namespace {

constexpr uint64_t kMostOfAPage = 1000;  // of the contract

struct TraceOptions : ClientCall {
  FilterOptions filter;
  bool block = false;
  uint64_t count = std::numeric_limits<uint64_t>::max();
  std::string during;  // --for
};

struct ListOptions : ClientCall {
  FilterOptions filter;
  bool block = false;
  bool oldest_first = false;
  uint64_t limit = 100;
};

int complain_of_value(const absl::Status& status) { return complain_of_answer(status); }

// Reads until `options.count`, or until the stream ends.
void read_all(const TraceOptions& options, grpc::ClientReader<v1::WatchLifecyclesResponse>& reader,
              LifecycleOutput& output, uint64_t& missed) {
  v1::WatchLifecyclesResponse response;
  while (output.open() && output.count() < options.count && reader.Read(&response)) {
    if (response.missed() != 0) {
      missed += response.missed();
      std::fprintf(stderr, "swaptrail: missed %llu lifecycles: reading was too slow\n",
                   static_cast<unsigned long long>(response.missed()));
    }
    for (const v1::Lifecycle& lifecycle : response.lifecycles())
      if (output.open() && output.count() < options.count) output.add(lifecycle);
  }
}

int trace(const TraceOptions& options) {
  std::optional<absl::Duration> limit;
  if (!options.during.empty()) {
    const auto during = parse_duration(options.during);
    if (!during.ok()) return complain_of_value(during.status());
    limit = *during;
  }
  v1::WatchLifecyclesRequest request;
  const auto filter = filter_of(options.filter, absl::Now());
  if (!filter.ok()) return complain_of_value(filter.status());
  *request.mutable_filter() = *filter;

  Ending ending(limit);
  auto connection = Connection::open(options.connection);
  if (!connection.ok()) return complain_of_answer(connection.status());
  grpc::ClientContext context;
  ending.start([&context] { context.TryCancel(); });
  const auto reader = (*connection)->trace().WatchLifecycles(&context, request);
  LifecycleOutput output(options.format, options.block);
  v1::WatchLifecyclesResponse rest;
  uint64_t missed = 0;
  read_all(options, *reader, output, missed);
  const bool wanted = ending.reached() || !output.open() || output.count() >= options.count;
  if (wanted) context.TryCancel();
  const absl::Status status = status_of(reader->Finish());
  rest.set_missed(missed);
  output.finish(rest);
  if (output.open())
    std::fprintf(stderr, "swaptrail: %llu lifecycles of %s, %llu missed\n",
                 static_cast<unsigned long long>(output.count()),
                 pages_text(output.pages()).c_str(), static_cast<unsigned long long>(missed));
  if (!status.ok() && !wanted) return complain_of_answer(status);
  return output.exit_code(cli::kDone);
}

int list(const ListOptions& options) {
  const auto filter = filter_of(options.filter, absl::Now());
  if (!filter.ok()) return complain_of_value(filter.status());
  auto connection = Connection::open(options.connection);
  if (!connection.ok()) return complain_of_answer(connection.status());
  v1::ListLifecyclesRequest request;
  *request.mutable_filter() = *filter;
  request.set_order(options.oldest_first ? v1::LIFECYCLE_ORDER_OLDEST_FIRST
                                         : v1::LIFECYCLE_ORDER_NEWEST_FIRST);
  std::optional<LifecycleOutput> output;
  v1::ListLifecyclesResponse rest;
  for (uint64_t left = options.limit; left != 0;) {
    request.set_page_size(static_cast<int32_t>(std::min(left, kMostOfAPage)));
    const auto page =
        ask(**connection, (*connection)->trace(), &v1::TraceService::Stub::ListLifecycles, request);
    if (!page.ok()) return complain_of_answer(page.status());
    if (!output) output.emplace(options.format, options.block);
    for (const v1::Lifecycle& lifecycle : page->lifecycles()) output->add(lifecycle);
    rest.set_evicted_between(rest.evicted_between() + page->evicted_between());
    rest.set_next_page_token(page->next_page_token());
    if (page->next_page_token().empty() || !output->open()) break;
    request.set_page_token(page->next_page_token());
    left -= std::min<uint64_t>(left, page->lifecycles_size());
  }
  output->finish(rest);
  if (rest.evicted_between() != 0)
    std::fprintf(stderr, "swaptrail: %llu lifecycles left the store while they were listed\n",
                 static_cast<unsigned long long>(rest.evicted_between()));
  return output->exit_code(cli::kDone);
}

}  // namespace

void add_trace(CLI::App& app, int& code) {
  auto [command, options] = add_online_command<TraceOptions>(
      app, "trace", "lifecycles as they end, until SIGINT", Finds::kNothing,
      "\nA lifecycle is printed when its outcome is known. What is missed because the "
      "reader is too slow is reported on stderr.\n"
      "Examples:\n"
      "  swaptrail trace --cgroup=/system.slice --block\n"
      "  swaptrail trace --slower-than=device_write:50ms --for=1m\n"
      "  swaptrail trace --pid=4711 --count=100 -o jsonl");
  command->add_flag("--block", options->block, "several lines each: with stages and reclaimers");
  command->add_option("--count", options->count, "stop after so many")
      ->check(CLI::PositiveNumber.description(""));
  command->add_option("--for", options->during, "stop after this long")->type_name("DURATION");
  add_lifecycle_filter(*command, options->filter);
  set_run(*command, options, code, trace);
}

void add_list(CLI::App& app, int& code) {
  auto [command, options] = add_online_command<ListOptions>(
      app, "list", "lifecycles that are still in the store", Finds::kNothing,
      "\nThe youngest first. swaptrail status shows how far the store reaches back.\n"
      "Examples:\n"
      "  swaptrail list --outcome=aborted --since=5m\n"
      "  swaptrail list --regretted --cgroup=/user.slice --limit=1000\n"
      "  swaptrail list --pid=4711 --block");
  command->add_flag("--block", options->block, "several lines each: with stages and reclaimers");
  command->add_flag("--oldest-first", options->oldest_first, "in the other order");
  command->add_option("--limit", options->limit, "at most so many [100]")
      ->check(CLI::PositiveNumber.description(""));
  add_lifecycle_filter(*command, options->filter);
  set_run(*command, options, code, list);
}

}  // namespace swaptrail::online
