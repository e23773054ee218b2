#include "cli/offline/edit.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/base/atomic_file.h"
#include "cli/base/errors.h"
#include "cli/base/standard_output.h"
#include "cli/offline/observation.h"
#include "trace/recording/edit.h"
#include "trace/utf8.h"

namespace swaptrail::offline {
namespace {

void say(const std::string& line, std::string& out) {
  absl::StrAppend(&out, printable(line), "\n");
}

std::string amounts(const recording::Inspection& inspection) {
  return absl::StrCat(inspection.events, " events in ", inspection.blocks, " blocks, ",
                      inspection.losses, " losses, ", inspection.gaps, " gaps");
}

void report_inspection(const std::string& path, const recording::Inspection& inspection,
                       std::string& out) {
  const char* state = !inspection.damages.empty() ? "damaged"
                      : !inspection.finished      ? "not finished, nothing damaged"
                                                  : "ok";
  say(absl::StrCat(path, ": ", state, ": ", amounts(inspection)), out);
  for (const recording::Damage& damage : inspection.damages)
    say(absl::StrCat("  ", damage.status().message()), out);
}

// Opens the sources, lets `work` read them and write, puts the output in place, and reports it.
template <typename Work>
int rewrite(const char* label, int passes, const EditOptions& options, Work work) {
  cli::Progress progress(label, cli::Progress::style_here(false));
  std::vector<std::unique_ptr<WatchedFile>> files;
  std::vector<const recording::ByteSource*> sources;
  for (const std::string& path : options.files) {
    auto file = WatchedFile::open(path, progress, passes);
    if (!file.ok()) return cli::complain_of_input(file.status());
    files.push_back(*std::move(file));
    sources.push_back(files.back().get());
  }
  auto output = cli::AtomicFile::create(options.output, options.force);
  if (!output.ok()) return cli::complain_of_output(output.status());
  std::string report;
  if (const int code = work(sources, **output, report); code != cli::kDone) return code;
  if (absl::Status status = (*output)->commit(); !status.ok())
    return cli::complain_of_output(status);
  cli::StandardOutput lines;
  lines.write(report);
  return lines.exit_code(cli::kDone);
}

// The library's errors do not name the side that failed: a full disk is the output's.
int complain_of_work(const absl::Status& status, const EditOptions& options) {
  if (absl::IsResourceExhausted(status) || absl::IsInternal(status))
    return cli::complain_of_output(status);
  return cli::complain_of_input(options.files.size() == 1 ? cli::with_path(status, options.files[0])
                                                          : status);
}

int report_written(const EditOptions& options,
                   const absl::StatusOr<recording::RecordingWriter::Counters>& counters,
                   std::string& report) {
  if (!counters.ok()) return complain_of_work(counters.status(), options);
  say(absl::StrCat(options.output, ": ", counters->events, " events in ", counters->blocks,
                   " blocks, ", counters->bytes, " bytes"),
      report);
  return cli::kDone;
}

int cut_one(const EditOptions& options, const recording::ByteSource& source,
            recording::ByteSink& sink, std::string& report) {
  auto reader = recording::RecordingReader::open(source);
  if (!reader.ok()) return complain_of_work(reader.status(), options);
  const recording::RecordingContents& contents = (*reader)->contents();
  const auto range = parse_range(options.from, options.to, contents.header);
  if (!range.ok())
    return cli::complain(cli::kUnusable, std::string(range.status().message()),
                         "see swaptrail cut --help");
  if (range->from_ns > contents.last_ns || range->to_ns <= contents.first_ns) {
    const uint64_t start_ns = contents.header.reconstruction.start_ns;
    const auto seconds = [&](uint64_t time_ns) {
      return static_cast<double>(time_ns - std::min(time_ns, start_ns)) / 1e9;
    };
    return cli::complain(cli::kUnusable,
                         absl::StrCat(options.files[0], " has nothing between --from and --to"),
                         absl::StrCat("its events are from ", seconds(contents.first_ns), " s to ",
                                      seconds(contents.last_ns), " s"));
  }
  return report_written(
      options, recording::cut_recording(source, sink, range->from_ns, range->to_ns, {}), report);
}

void add_output_options(CLI::App& command, EditOptions& options) {
  command.add_option("-o,--output", options.output, "the recording to be written")->required();
  command.add_flag("--force", options.force, "replace what is there");
}

}  // namespace

int verify(const std::vector<std::string>& files) {
  int worst = cli::kDone;
  cli::StandardOutput output;
  for (const std::string& path : files) {
    cli::Progress progress("verify", cli::Progress::style_here(files.size() > 1));
    auto file = WatchedFile::open(path, progress);
    if (!file.ok()) {
      worst = std::max(worst, cli::complain_of_input(file.status()));
      continue;
    }
    const auto inspection = recording::verify_recording(**file);
    if (!inspection.ok()) {
      worst = std::max(worst, cli::complain_of_input(cli::with_path(inspection.status(), path)));
      continue;
    }
    std::string report;
    report_inspection(path, *inspection, report);
    output.write(report);
    if (!inspection->clean()) worst = std::max<int>(worst, cli::kFound);
  }
  return output.exit_code(worst);
}

int repair(const EditOptions& options) {
  return rewrite("repair", 3, options,
                 [&](const auto& sources, recording::ByteSink& sink, std::string& report) -> int {
                   const auto inspection = recording::repair_recording(*sources[0], sink);
                   if (!inspection.ok()) return complain_of_work(inspection.status(), options);
                   report_inspection(options.files[0], *inspection, report);
                   say(absl::StrCat(options.output, ": ", inspection->events, " events"), report);
                   return cli::kDone;
                 });
}

int cut(const EditOptions& options) {
  return rewrite("cut", 1, options,
                 [&](const auto& sources, recording::ByteSink& sink, std::string& report) {
                   return cut_one(options, *sources[0], sink, report);
                 });
}

int merge(const EditOptions& options) {
  return rewrite("merge", 1, options,
                 [&](const auto& sources, recording::ByteSink& sink, std::string& report) {
                   return report_written(options, recording::merge_recordings(sources, sink, {}),
                                         report);
                 });
}

void add_edits(CLI::App& app, int& code) {
  auto options = std::make_shared<EditOptions>();
  CLI::App* command = app.add_subcommand("verify", "read everything and report what is damaged");
  command->footer(cli::kExitCodes);
  command->add_option("FILE", options->files, "recordings")->required();
  command->callback([options, &code] { code = verify(options->files); });

  command = app.add_subcommand("repair", "save what is readable into a clean recording");
  command->footer(std::string(cli::kExitCodes) + " A repair that worked is 0, whatever it found.");
  command->add_option("FILE", options->files, "a recording")->required()->expected(1);
  add_output_options(*command, *options);
  command->callback([options, &code] { code = repair(*options); });

  command = app.add_subcommand("cut", "copy a part of the time");
  command->footer(
      std::string(cli::kExitCodes) +
      "\nExample:\n  swaptrail cut run.swaptrail --from=1.5s --to=1.7s -o part.swaptrail");
  command->add_option("FILE", options->files, "a recording")->required()->expected(1);
  add_output_options(*command, *options);
  command->add_option("--from", options->from, std::string("begin here: ") + kMomentSyntax);
  command->add_option("--to", options->to, "end before this, in the same form");
  command->callback([options, &code] { code = cut(*options); });

  command = app.add_subcommand("merge", "join parts of one observation, or flight recordings");
  command->footer(cli::kExitCodes);
  command->add_option("FILE", options->files, "recordings, in any order")->required();
  add_output_options(*command, *options);
  command->callback([options, &code] { code = merge(*options); });
}

}  // namespace swaptrail::offline
