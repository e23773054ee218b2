#include "cli/offline/simulate.h"

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/base/atomic_file.h"
#include "cli/base/errors.h"
#include "cli/base/standard_printer.h"
#include "cli/compare/compare.h"
#include "cli/offline/finding_report.h"
#include "engine/generations/generation.h"
#include "engine/workloads/synthetic.h"
#include "trace/recording/bytes.h"
#include "trace/recording/writer.h"
#include "trace/report/json.h"
#include "validate/in_step.h"

namespace swaptrail::offline {
namespace {

using engine::SimulationResult;

class SimulatedNames : public report::Names {
 public:
  explicit SimulatedNames(const recording::RecordingHeader& header)
      : base_(header.page_frames_base), size_(header.reconstruction.page_struct_size) {}
  std::optional<uint64_t> pfn_of(uint64_t folio) const override {
    if (folio < base_) return std::nullopt;
    return (folio - base_) / size_;
  }

 private:
  uint64_t base_;
  uint64_t size_;
};

// --record: the file appears only if the whole run is in it.
class Recording {
 public:
  static absl::StatusOr<std::unique_ptr<Recording>> create(
      const SimulateOptions& options, const recording::RecordingHeader& header,
      const std::vector<engine::SimulatedArea>& areas) {
    auto file = cli::AtomicFile::create(options.record, options.force);
    if (!file.ok()) return file.status();
    auto writer = recording::RecordingWriter::create(**file, header);
    if (!writer.ok()) return writer.status();
    for (const engine::SimulatedArea& area : areas)
      if (absl::Status status = (*writer)->add(simulated_area(area)); !status.ok()) return status;
    return std::make_unique<Recording>(*std::move(file), *std::move(writer));
  }
  Recording(std::unique_ptr<cli::AtomicFile> file,
            std::unique_ptr<recording::RecordingWriter> writer)
      : file_(std::move(file)), writer_(std::move(writer)) {}

  void add(const swaptrail_event& event, uint64_t sequence) {
    if (status_.ok()) status_ = writer_->add(event, sequence);
  }
  // Errors: the first one, also of add().
  absl::Status commit(uint64_t end_ns) {
    if (status_.ok()) status_ = writer_->finish(end_ns);
    return status_.ok() ? file_->commit() : status_;
  }

 private:
  std::unique_ptr<cli::AtomicFile> file_;
  std::unique_ptr<recording::RecordingWriter> writer_;  // writes to the file
  absl::Status status_;
};

// Observes the simulated machine as swaptraild observes a real one.
class Observer : public engine::EventOutput {
 public:
  // `recording` may be null. All must outlive it.
  Observer(const recording::RecordingHeader& header,
           const std::optional<engine::LockstepOptions>& lockstep, FindingReport& report,
           report::Printer& printer, Recording* recording)
      : report_(report),
        recording_(recording),
        slots_(lockstep.value_or(engine::LockstepOptions{}).features, header.cpus, true),
        in_step_(lockstep ? std::make_unique<validate::InStep>(*lockstep, report, printer)
                          : nullptr),
        reconstructor_(header.reconstruction, in_step_ ? in_step_->lifecycles() : printer) {
    if (in_step_) in_step_->hand_on_to(reconstructor_);
  }

  void on_area(const recording::SwapArea& area) {
    if (!in_step_) return;
    slots_.on_area(area);
    in_step_->on_area(area);
  }

  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    end_ns_ = event.time_ns + 1;
    if (recording_ != nullptr) recording_->add(event, sequence);
    if (!in_step_) return reconstructor_.on_event(event, sequence);
    report_.on_event(event);
    slots_.on_event(event);
    in_step_->on_event(event, sequence);
  }

  void finish() { in_step_ ? in_step_->finish(end_ns_) : reconstructor_.finish(end_ns_); }

  uint64_t end_ns() const { return end_ns_; }
  lifecycles::ReconstructorCounters counters() const { return reconstructor_.counters(); }
  const SlotShares& slots() const { return slots_; }
  const engine::LockstepCounters* lockstep() const {
    return in_step_ ? &in_step_->counters() : nullptr;
  }

 private:
  FindingReport& report_;
  Recording* recording_;
  SlotShares slots_;                           // used only with the next one
  std::unique_ptr<validate::InStep> in_step_;  // may be null
  lifecycles::Reconstructor reconstructor_;
  uint64_t end_ns_ = 1;
};

struct ResultField {
  std::string_view name;
  uint64_t SimulationResult::*value;
};
constexpr ResultField kResultFields[] = {
    {"accesses", &SimulationResult::accesses},
    {"steps", &SimulationResult::steps},
    {"swapped_out_pages", &SimulationResult::swapped_out_pages},
    {"swapped_in_pages", &SimulationResult::swapped_in_pages},
    {"contents_checked", &SimulationResult::contents_checked},
    {"contents_wrong", &SimulationResult::contents_wrong},
};

std::string result_text(const SimulationResult& result, report::PrintFormat format) {
  std::string out;
  if (format == report::PrintFormat::kJsonl) {
    out.push_back('{');
    report::json::field("type", std::string_view("simulation"), out);
    for (const ResultField& row : kResultFields)
      report::json::field(row.name, result.*row.value, out);
    report::json::field("swap_outs", uint64_t{result.swap_outs.size()}, out);
    report::json::flag("truncated", result.truncated, out);
    out.append("}\n");
  } else if (format == report::PrintFormat::kText) {
    out.append("\nSimulated\n");
    for (const ResultField& row : kResultFields)
      absl::StrAppendFormat(&out, "  %-20s %12d\n", row.name, result.*row.value);
    absl::StrAppendFormat(&out, "  %-20s %12d\n", "swap_outs", result.swap_outs.size());
  }
  return out;
}

// What must hold for a simulated machine, where everything is known.
bool is_clean(const SimulationResult& result, const Observer& observer,
              const report::Printer& printer) {
  const engine::LockstepCounters* lockstep = observer.lockstep();
  return result.contents_wrong == 0 && printer.summary().violations() == 0 &&
         (lockstep == nullptr || lockstep->findings == 0);
}

int complain_of_run(const absl::Status& status) {
  const char* advice = absl::IsResourceExhausted(status) ? "give a larger --limit, or less --mib"
                                                         : "see swaptrail simulate --help";
  return cli::complain(cli::kUnusable, std::string(status.message()), advice);
}

int run(const SimulateOptions& options, const engine::SimulationOptions& machine,
        Recording* recording) {
  const recording::RecordingHeader header = simulated_header(options);
  std::optional<engine::LockstepOptions> lockstep;
  if (options.validate) {
    auto made = validate::lockstep_options(header);
    if (!made.ok()) return complain_of_run(made.status());
    lockstep = *std::move(made);
    lockstep->features = machine.features;
  }
  const SimulatedNames names(header);
  cli::StandardPrinter printer(options.print, {}, names);
  recording::StringSink found;
  FindingReport report(options.print, header.reconstruction.start_ns, names, found);
  Observer observer(header, lockstep, report, printer, recording);
  for (const engine::SimulatedArea& area : machine.areas) observer.on_area(simulated_area(area));
  const auto result = engine::simulate(machine, observer);
  if (!result.ok()) return complain_of_run(result.status());

  observer.finish();
  printer.print_summary(observer.counters(), {}, {});
  if (lockstep)
    report.on_summary({absl::StrCat("the simulated Linux ", options.kernel), *observer.lockstep(),
                       printer.summary(), observer.slots()});
  printer.print_more(found.text + result_text(*result, options.print));
  if (recording != nullptr)
    if (absl::Status status = recording->commit(observer.end_ns()); !status.ok())
      return cli::complain_of_output(status);
  if (result->truncated)
    cli::complain(cli::kDone, "there were too many events",
                  "the simulation stopped before its end");
  return printer.exit_code(is_clean(*result, observer, printer) ? cli::kDone : cli::kFound);
}

}  // namespace

int simulate(const SimulateOptions& options) {
  const auto machine = simulation_options(options);
  if (!machine.ok()) return complain_of_run(machine.status());
  if (options.record.empty()) return run(options, *machine, nullptr);
  auto recording = Recording::create(options, simulated_header(options), machine->areas);
  if (!recording.ok()) return cli::complain_of_output(recording.status());
  return run(options, *machine, recording->get());
}

namespace {

template <typename Names>
std::string listed(const Names& names) {
  std::string text;
  for (const std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

// Of one machine, which is observed. What of it has no meaning when generations are compared.
std::vector<CLI::Option*> add_machine_options(CLI::App& command, SimulateOptions& options) {
  return {
      command.add_option("--kernel", options.kernel,
                         "whose ways: " + listed(engine::observable_set_names()) + " [6.12]"),
      command.add_option("--pattern", options.pattern,
                         "sequential, uniform, hotcold, or mixed: several processes that fork, "
                         "share, unmap and exit [hotcold]"),
      command.add_option("--cpus", options.cpus, "[2]")->check(CLI::Range(1, 64)),
      command.add_option("--device", options.device, "ssd, zram, zswap or hdd [ssd]"),
      command.add_option("--devices", options.devices, "swap areas of the same priority [1]")
          ->check(CLI::Range(1, 8)),
      command.add_flag("--validate", options.validate, "hold the stream against the model as well"),
      command.add_option("-o,--record", options.record, "write a recording of it to this file")};
}

void add_shared_options(CLI::App& command, SimulateOptions& options) {
  command.add_option("--mib", options.mib, "MiB that the workload touches [16]")
      ->check(CLI::Range(1, 16384));
  command.add_option("--limit", options.limit_mib, "MiB that may stay in memory [half of it]")
      ->check(CLI::Range(1, 16384));
  command
      .add_option("--accesses", options.accesses,
                  "of the workload [four for each page; of generations 16]")
      ->check(CLI::Range(1, 1'000'000'000));
  command.add_option("--seed", options.seed, "of all that is drawn by lot [1]");
  command
      .add_option("--page-cluster", options.page_cluster,
                  "readahead of 2^N pages, as vm.page-cluster [3]")
      ->check(CLI::Range(0, 5));
  const std::map<std::string, report::PrintFormat> formats{{"text", report::PrintFormat::kText},
                                                           {"jsonl", report::PrintFormat::kJsonl},
                                                           {"none", report::PrintFormat::kNone}};
  command.add_option("--print", options.print, "text, jsonl or none")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("FORMAT");
}

// The option that makes it a comparison.
CLI::Option* add_comparison_options(CLI::App& command, compare::CompareOptions& options) {
  CLI::Option* generation =
      command.add_option("--generation", options.generations,
                         "a workload under generations of Linux side by side: all, or of " +
                             listed(engine::generation_names()) + ", with commas");
  command
      .add_option("--workload", options.workload,
                  "of generations: " + listed(engine::workload_names()) +
                      ", or a file: a trace by valgrind --tool=lackey, or a recording [hotcold]")
      ->needs(generation);
  command
      .add_option("--write-percent", options.write_percent,
                  "of generations: how many accesses of a named workload write [50]")
      ->check(CLI::Range(0, 100))
      ->needs(generation);
  command
      .add_option("--report", options.report, "of generations: also a page of HTML, in this file")
      ->needs(generation);
  return generation;
}

compare::CompareOptions comparison_of(compare::CompareOptions comparison,
                                      const SimulateOptions& options) {
  comparison.mib = options.mib;
  comparison.limit_mib = options.limit_mib;
  comparison.accesses = options.accesses;
  comparison.seed = options.seed;
  comparison.page_cluster = options.page_cluster;
  comparison.print = options.print;
  comparison.force = options.force;
  return comparison;
}

}  // namespace

void add_simulate(CLI::App& app, int& code) {
  auto options = std::make_shared<SimulateOptions>();
  auto comparison = std::make_shared<compare::CompareOptions>();
  CLI::App* command =
      app.add_subcommand("simulate", "run a model of the kernel, and print what swaptraild would");
  command->footer(std::string(cli::kExitCodes) +
                  "\nThe same flags give the same output, byte for byte.\n"
                  "Examples:\n"
                  "  swaptrail simulate --mib=64 --limit=32 --pattern=hotcold --print=none\n"
                  "  swaptrail simulate --kernel=7.3 --device=zram --validate\n"
                  "  swaptrail simulate --record=a.swaptrail && swaptrail validate a.swaptrail\n"
                  "  swaptrail simulate --generation=all --workload=zipf --report=zipf.html");
  const std::vector<CLI::Option*> of_machine = add_machine_options(*command, *options);
  add_shared_options(*command, *options);
  CLI::Option* generation = add_comparison_options(*command, *comparison);
  for (CLI::Option* option : of_machine) generation->excludes(option);
  command->add_flag("--force", options->force, "replace what is there");
  command->callback([options, comparison, generation, &code] {
    if (options->force && options->record.empty() && comparison->report.empty())
      throw CLI::RequiredError("--record or --report");
    code = generation->count() != 0 ? compare::compare(comparison_of(*comparison, *options))
                                    : simulate(*options);
  });
}

}  // namespace swaptrail::offline
