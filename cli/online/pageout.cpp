// `swaptrail pageout` and `swaptrail flight`: commands that change something on the host.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/online/client_call.h"
#include "cli/online/commands.h"
#include "cli/online/ending.h"
#include "cli/online/lifecycle_output.h"
#include "cli/online/quantities.h"
#include "trace/utf8.h"

namespace swaptrail::online {
namespace {

constexpr absl::Duration kUsualWait = absl::Seconds(5);  // of the contract, for 0
constexpr absl::Duration kLongestWait = absl::Seconds(60);

struct PageoutOptions : ClientCall {
  uint32_t pid = 0;
  std::string address;
  std::string length;
  std::string wait;
  bool block = false;
};

struct FlightOptions : ClientCall {
  std::string reason = "swaptrail";
};

absl::StatusOr<v1::PageOutRequest> request_of(const PageoutOptions& options) {
  const auto address = parse_number(options.address);
  if (!address.ok()) return address.status();
  const auto length = parse_size_bytes(options.length);
  if (!length.ok()) return length.status();
  v1::PageOutRequest request;
  request.set_pid(options.pid);
  request.set_address(*address);
  request.set_length_bytes(*length);
  if (options.wait.empty()) return request;
  const auto wait = parse_duration(options.wait);
  if (!wait.ok()) return wait.status();
  if (*wait < absl::Milliseconds(1) || *wait > kLongestWait)
    return absl::InvalidArgumentError("--wait is at least 1ms, and at most 60s");
  request.set_wait_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(*wait)));
  return request;
}

void print_result(const v1::PageOutResponse& rest, const LifecycleOutput& output) {
  const v1::PageOutResult& result = rest.result();
  std::string text = absl::StrCat(output.count(), " lifecycles of ", pages_text(output.pages()),
                                  ", ", rest.missed(), " missed");
  if (rest.has_result())
    absl::StrAppend(&text, "; ", bytes_text(result.advised_bytes()), " advised, resident ",
                    pages_text(result.resident_before_pages()), " before and ",
                    result.resident_after_pages(), " now, swapped ",
                    pages_text(result.swapped_after_pages()));
  std::fprintf(stderr, "swaptrail: %s\n", text.c_str());
}

int pageout(const PageoutOptions& options) {
  const auto request = request_of(options);
  if (!request.ok()) return complain_of_answer(request.status());
  Ending ending(std::nullopt);
  auto connection = Connection::open(options.connection);
  if (!connection.ok()) return complain_of_answer(connection.status());
  grpc::ClientContext context;
  const absl::Duration wait =
      request->wait_ms() == 0 ? kUsualWait : absl::Milliseconds(request->wait_ms());
  (*connection)->limit(context, wait);
  ending.start([&context] { context.TryCancel(); });
  const auto reader = (*connection)->control().PageOut(&context, *request);
  std::optional<LifecycleOutput> output;
  v1::PageOutResponse response, rest;
  while ((!output || output->open()) && reader->Read(&response)) {
    if (!output) output.emplace(options.format, options.block);
    for (const v1::Lifecycle& lifecycle : response.lifecycles()) output->add(lifecycle);
    rest.set_missed(rest.missed() + response.missed());
    if (response.has_result()) *rest.mutable_result() = response.result();
  }
  const bool wanted = ending.reached() || (output && !output->open());
  if (wanted) context.TryCancel();
  const absl::Status status = status_of(reader->Finish());
  if (!status.ok() && !wanted && !output) return complain_of_answer(status);
  if (!output) output.emplace(options.format, options.block);
  output->finish(rest);
  if (options.format == Format::kJsonl && rest.has_result()) output->write(json_line(rest));
  print_result(rest, *output);
  if (!status.ok() && !wanted) return complain_of_answer(status);
  return output->exit_code(cli::kDone);
}

std::string flight_text(const v1::TriggerFlightRecorderResponse& response, const Style&) {
  std::string text;
  for (const std::string& path : response.paths()) absl::StrAppend(&text, printable(path), "\n");
  return absl::StrCat(text, "reaches back to ", time_text(response.since()), "\n");
}

int flight(const FlightOptions& options) {
  v1::TriggerFlightRecorderRequest request;
  request.set_reason(options.reason);
  auto connection = Connection::open(options.connection);
  if (!connection.ok()) return complain_of_answer(connection.status());
  const auto response = ask(**connection, (*connection)->control(),
                            &v1::ControlService::Stub::TriggerFlightRecorder, request);
  if (!response.ok()) return complain_of_answer(response.status());
  return print_answer(options, *response, "", flight_text);
}

}  // namespace

void add_pageout(CLI::App& app, int& code) {
  auto [command, options] = add_online_command<PageoutOptions>(
      app, "pageout", "swap out a range of a process, and report what becomes of it",
      Finds::kNothing,
      "\nIt does so at once, without call. swaptraild must have been started with it "
      "enabled; the process goes on, and faults its pages back as it needs them.\n"
      "Examples:\n"
      "  swaptrail pageout --pid=4711 --addr=0x7f8946000000 --length=64M\n"
      "  swaptrail pageout --pid=4711 --addr=0x7f8946000000 --length=4K --block");
  command->add_option("--pid", options->pid, "whose")->required();
  command->add_option("--addr", options->address, "its first address, at the begin of a page")
      ->type_name("ADDRESS")
      ->required();
  command->add_option("--length", options->length, "of whole pages: bytes, or with K, M or G")
      ->type_name("SIZE")
      ->required();
  command->add_option("--wait", options->wait, "for pages on their way, at most 60s [5s]")
      ->type_name("DURATION");
  command->add_flag("--block", options->block, "several lines each: with stages and reclaimers");
  set_run(*command, options, code, pageout);
}

void add_flight(CLI::App& app, int& code) {
  auto [command, options] = add_online_command<FlightOptions>(
      app, "flight", "write what the flight recorder holds to a file now", Finds::kNothing,
      "\nThe paths are those that swaptraild sees.\n"
      "Examples:\n"
      "  swaptrail flight --reason=slow-login");
  command->add_option("--reason", options->reason,
                      "for the log and the file's name: letters, digits, - and _ [swaptrail]");
  set_run(*command, options, code, flight);
}

}  // namespace swaptrail::online
