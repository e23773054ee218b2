#include "cli/offline/export.h"

#include <CLI/CLI.hpp>
#include <map>

#include "cli/base/atomic_file.h"
#include "cli/base/errors.h"
#include "cli/base/standard_output.h"
#include "cli/offline/filter_options.h"
#include "cli/offline/playback.h"

namespace swaptrail::offline {
namespace {

class JsonlExporter : public Exporter {
 public:
  JsonlExporter(const report::Names& names, recording::ByteSink& sink)
      : Exporter(sink), names_(names) {}

  void on_lifecycle(const Lifecycle& lifecycle) override {
    report::append_json(lifecycle, names_, out());
    flush_if_full();
  }
  void on_return(const Return& entry_return) override {
    report::append_json(entry_return, out());
    flush_if_full();
  }
  void on_violation(const Violation& violation) override {
    report::append_json(violation, names_, out());
    flush_if_full();
  }
  void on_loss(const Loss& loss) override {
    report::append_json(loss, out());
    flush_if_full();
  }

 private:
  const report::Names& names_;
};

std::unique_ptr<Exporter> make_exporter(ExportFormat format, const RecordedNames& names,
                                        uint64_t start_ns, recording::ByteSink& sink) {
  switch (format) {
    case ExportFormat::kCsv:
      return make_csv_exporter(names, sink);
    case ExportFormat::kPerfetto:
      return make_perfetto_exporter(names, start_ns, sink);
    case ExportFormat::kJsonl:
      break;
  }
  return make_jsonl_exporter(names, sink);
}

// Problems found on the way from the recording to the sink.
struct Written {
  absl::Status damage;  // of the recording
  absl::Status output;  // of the sink
};

Written write_to(recording::ByteSink& sink, const ExportOptions& options, Observation& observation,
                 const TimeRange& range) {
  RecordedNames names(observation);
  const uint64_t start_ns = observation.header().reconstruction.start_ns;
  const auto exporter = make_exporter(options.format, names, start_ns, sink);
  exporter->begin();
  const Played played = play(observation, range, names, *exporter);
  exporter->end();
  return {played.damage, exporter->flush()};
}

int exit_code(const Written& written) {
  return written.damage.ok() ? cli::kDone : cli::complain_of_input(written.damage);
}

}  // namespace

absl::Status Exporter::flush() {
  if (status_.ok() && !buffer_.empty()) status_ = sink_.append(buffer_);
  buffer_.clear();
  return status_;
}

std::unique_ptr<Exporter> make_jsonl_exporter(const report::Names& names,
                                              recording::ByteSink& sink) {
  return std::make_unique<JsonlExporter>(names, sink);
}

int export_recording(const ExportOptions& options) {
  cli::Progress progress("export", cli::Progress::style_here(options.output.empty()));
  auto observation = Observation::open(options.files, progress);
  if (!observation.ok()) return cli::complain_of_input(observation.status());
  complain_of_lacks(observation->header());
  const auto range = parse_range(options.from, options.to, observation->header());
  if (!range.ok())
    return cli::complain(cli::kUnusable, std::string(range.status().message()),
                         "see swaptrail export --help");
  if (options.output.empty()) {
    cli::StandardOutput output;
    const Written written = write_to(output, options, *observation, *range);
    return output.exit_code(exit_code(written));
  }
  auto output = cli::AtomicFile::create(options.output, options.force);
  if (!output.ok()) return cli::complain_of_output(output.status());
  const Written written = write_to(**output, options, *observation, *range);
  if (!written.output.ok()) return cli::complain_of_output(written.output);
  if (absl::Status status = (*output)->commit(); !status.ok())
    return cli::complain_of_output(status);
  return exit_code(written);
}

void add_export(CLI::App& app, int& code) {
  auto options = std::make_shared<ExportOptions>();
  CLI::App* command =
      app.add_subcommand("export", "write lifecycles in the format of another tool");
  command->footer(std::string(cli::kExitCodes) +
                  "\nFormats:\n"
                  "  jsonl     as swaptrail replay --print=jsonl, without the summary\n"
                  "  csv       a row for each lifecycle, with a heading\n"
                  "  perfetto  Chrome JSON: open it at https://ui.perfetto.dev\n"
                  "Example:\n"
                  "  swaptrail export run.swaptrail --format=perfetto -o run.json");
  command->add_option("FILE", options->files, "a recording, or all parts of one")->required();
  const std::map<std::string, ExportFormat> formats{{"jsonl", ExportFormat::kJsonl},
                                                    {"csv", ExportFormat::kCsv},
                                                    {"perfetto", ExportFormat::kPerfetto}};
  command->add_option("--format", options->format, "jsonl, csv or perfetto")
      ->required()
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("FORMAT");
  command->add_option("-o,--output", options->output, "a file [standard output]");
  command->add_flag("--force", options->force, "replace what is there");
  add_range_options(*command, options->from, options->to);
  command->callback([options, &code] { code = export_recording(*options); });
}

}  // namespace swaptrail::offline
