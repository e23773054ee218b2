#include "cli/offline/replay.h"

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "cli/base/errors.h"
#include "cli/base/standard_printer.h"
#include "cli/offline/filter_options.h"
#include "cli/offline/playback.h"
#include "trace/report/readings.h"

namespace swaptrail::offline {
namespace {

// As live. For a part of the time there is no trust number, because the readings cover the whole.
void print_summary(const Observation& observation, const TimeRange& range, const Played& played,
                   report::Printer& printer) {
  std::vector<recording::Reading> readings;
  if (range.whole() && played.damage.ok()) readings = observation.readings();
  report::StreamCounters stream = report::stream_counters_of(readings);
  stream.late = std::max(stream.late, played.late);
  const uint64_t visible_kinds = observation.header().reconstruction.visible_kinds;
  std::vector<report::ReconcileRow> rows = report::reconcile_readings(readings, visible_kinds);
  if (!rows.empty()) report::add_balance(readings, played.counters, visible_kinds, rows);
  printer.print_summary(played.counters, stream, std::move(rows));
}

// Even without damage, writing may have stopped between two records.
void report_if_unfinished(const Observation& observation) {
  if (observation.contents(observation.parts() - 1).finished) return;
  cli::complain(cli::kDone, "the recording was not finished",
                "its last event is taken for its end");
}

}  // namespace

int replay(const ReplayOptions& options) {
  cli::Progress progress("replay",
                         cli::Progress::style_here(options.print != report::PrintFormat::kNone));
  auto observation = Observation::open(options.files, progress);
  if (!observation.ok()) return cli::complain_of_input(observation.status());
  const auto range = parse_range(options.from, options.to, observation->header());
  if (!range.ok())
    return cli::complain(cli::kUnusable, std::string(range.status().message()),
                         "see swaptrail replay --help");

  complain_of_lacks(observation->header());
  RecordedNames names(*observation);
  cli::StandardPrinter printer(options.print, options.filter, names);
  printer.set_start(observation->header().reconstruction.start_ns);
  const Played played = play(*observation, *range, names, printer);
  print_summary(*observation, *range, played, printer);
  if (!played.damage.ok()) return cli::complain_of_input(played.damage);
  report_if_unfinished(*observation);
  return printer.exit_code(printer.summary().violations() > 0 ? cli::kFound : cli::kDone);
}

void add_replay(CLI::App& app, int& code) {
  auto options = std::make_shared<ReplayOptions>();
  CLI::App* command =
      app.add_subcommand("replay", "print what swaptraild printed while this was recorded");
  command->footer(std::string(cli::kExitCodes) +
                  "\nExamples:\n"
                  "  swaptrail replay run.swaptrail\n"
                  "  swaptrail replay /var/lib/swaptrail/*.swaptrail --print=jsonl --pid=4711\n"
                  "  swaptrail replay run.swaptrail --from=1.5s --to=1.7s");
  command->add_option("FILE", options->files, "a recording, or all parts of one")->required();
  const std::map<std::string, report::PrintFormat> formats{{"text", report::PrintFormat::kText},
                                                           {"jsonl", report::PrintFormat::kJsonl},
                                                           {"none", report::PrintFormat::kNone}};
  command->add_option("--print", options->print, "text, jsonl or none")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("FORMAT");
  add_filter_options(*command, options->filter);
  add_range_options(*command, options->from, options->to);
  command->callback([options, &code] { code = replay(*options); });
}

}  // namespace swaptrail::offline
