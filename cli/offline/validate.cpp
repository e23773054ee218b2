#include "cli/offline/validate.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "cli/base/errors.h"
#include "cli/base/standard_output.h"
#include "cli/offline/filter_options.h"
#include "cli/offline/finding_report.h"
#include "cli/offline/observation.h"
#include "cli/offline/recorded_names.h"
#include "trace/report/summary.h"
#include "validate/in_step.h"

namespace swaptrail::offline {
namespace {

// Swap areas are noted when the recording is opened, which is a little after the first event.
constexpr uint64_t kOpening_ns = 1'000'000'000;

// The beginning of the stream. It is later than the observation's if the first parts are gone, as
// with a flight recording.
uint64_t start_of(const Observation& observation, const TimeRange& range) {
  const recording::RecordingContents& first = observation.contents(0);
  const uint64_t start_ns = std::max(first.header.reconstruction.start_ns, range.from_ns);
  return first.header.part == 0 ? start_ns : std::max(start_ns, first.first_ns);
}

// All areas that the recording knows, by time, each once: the parts of an observation repeat them.
std::vector<recording::SwapArea> areas_of(const Observation& observation, uint64_t start_ns) {
  std::vector<recording::SwapArea> areas;
  for (size_t part = 0; part < observation.parts(); ++part) {
    const auto& more = observation.contents(part).areas;
    areas.insert(areas.end(), more.begin(), more.end());
  }
  const auto key = [](const recording::SwapArea& area) {
    return std::tuple(area.at_ns, area.type);
  };
  std::stable_sort(
      areas.begin(), areas.end(),
      [&](const recording::SwapArea& a, const recording::SwapArea& b) { return key(a) < key(b); });
  const auto same = [&](const recording::SwapArea& a, const recording::SwapArea& b) {
    return key(a) == key(b);
  };
  areas.erase(std::unique(areas.begin(), areas.end(), same), areas.end());
  for (recording::SwapArea& area : areas)
    if (area.at_ns < start_ns)
      area.used_bytes = recording::kUsedNotKnown;  // it may hold more by now
  return areas;
}

class Validator : public EventSink {
 public:
  Validator(const Observation& observation, const engine::LockstepOptions& options,
            FindingReport& report, RecordedNames& names)
      : report_(report),
        names_(names),
        areas_(areas_of(observation, options.start_ns)),
        slots_(options.features, options.cpus, fresh(observation, options)),
        in_step_(options, report, summary_),
        reconstructor_(reconstruction(observation, options), in_step_.lifecycles()) {
    in_step_.hand_on_to(reconstructor_);
    pass_areas(observation.header().reconstruction.start_ns + kOpening_ns);
  }

  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    advance(event.time_ns);
    report_.on_event(event);
    slots_.on_event(event);
    in_step_.on_event(event, sequence);
  }
  void on_loss(const Loss& loss) override {
    advance(loss.to_ns);
    slots_.on_loss(loss);
    in_step_.on_loss(loss);
  }
  void on_time(uint64_t now_ns) override {
    advance(now_ns);
    in_step_.on_time(now_ns);
  }
  void finish(uint64_t end_ns) { in_step_.finish(end_ns); }

  uint64_t last_ns() const { return names_.now_ns(); }
  const report::Summary& summary() const { return summary_; }
  const SlotShares& slots() const { return slots_; }
  const engine::LockstepCounters& counters() const { return in_step_.counters(); }

 private:
  static lifecycles::ReconstructorOptions reconstruction(const Observation& observation,
                                                         const engine::LockstepOptions& options) {
    lifecycles::ReconstructorOptions result = observation.header().reconstruction;
    result.start_ns = options.start_ns;
    return result;
  }

  // If the stream begins in the middle of an observation, something was swapped out before.
  static bool fresh(const Observation& observation, const engine::LockstepOptions& options) {
    if (options.start_ns != observation.header().reconstruction.start_ns) return false;
    const std::vector<recording::Reading> readings = observation.readings();
    return std::any_of(readings.begin(), readings.end(), [&](const recording::Reading& reading) {
      return reading.moment == recording::Reading::Moment::kBegin &&
             reading.at_ns >= options.start_ns && was_fresh(reading);
    });
  }

  void advance(uint64_t now_ns) {
    names_.advance(now_ns);
    pass_areas(now_ns);
  }

  void pass_areas(uint64_t until_ns) {
    for (; next_area_ < areas_.size() && areas_[next_area_].at_ns <= until_ns; ++next_area_) {
      slots_.on_area(areas_[next_area_]);
      in_step_.on_area(areas_[next_area_]);
    }
  }

  FindingReport& report_;
  RecordedNames& names_;
  const std::vector<recording::SwapArea> areas_;
  size_t next_area_ = 0;
  report::Summary summary_;
  SlotShares slots_;
  validate::InStep in_step_;
  lifecycles::Reconstructor reconstructor_;
};

// What is not checked because a hook is missing.
void report_unseen(const recording::RecordingHeader& header) {
  for (const recording::RecordedHook& hook : header.hooks) {
    if (hook.state != "missing") continue;
    cli::complain(cli::kDone, absl::StrCat("not checked: ", hook.costs),
                  absl::StrCat("hook ", hook.hook, " is missing: ", hook.reason));
  }
  if (header.reconstruction.may_miss_silently)
    cli::complain(cli::kDone,
                  absl::StrCat("mode ", header.mode, " may miss events without a trace"),
                  "a missing one is no finding");
}

std::string subject_of(const recording::RecordingHeader& header) {
  return absl::StrCat("Linux ", header.release, ", mode ", header.mode);
}

int print_rules(report::PrintFormat format) {
  std::string text;
  append_rules(format, text);
  cli::StandardOutput output;
  output.write(text);
  return output.exit_code(cli::kDone);
}

int finish(const Observation& observation, const absl::Status& damage, const Validator& validator,
           const cli::StandardOutput& output) {
  if (!damage.ok()) return cli::complain_of_input(damage);
  if (!observation.contents(observation.parts() - 1).finished)
    cli::complain(cli::kDone, "the recording was not finished",
                  "its last event is taken for its end");
  const bool found = validator.counters().findings != 0 || validator.summary().violations() != 0;
  return output.exit_code(found ? cli::kFound : cli::kDone);
}

}  // namespace

int validate(const ValidateOptions& options) {
  if (options.rules) return print_rules(options.print);
  cli::Progress progress("validate",
                         cli::Progress::style_here(options.print != report::PrintFormat::kNone));
  auto observation = Observation::open(options.files, progress);
  if (!observation.ok()) return cli::complain_of_input(observation.status());
  const recording::RecordingHeader& header = observation->header();
  complain_of_lacks(header);
  const auto range = parse_range(options.from, options.to, header);
  if (!range.ok())
    return cli::complain(cli::kUnusable, std::string(range.status().message()),
                         "see swaptrail validate --help");
  auto lockstep = validate::lockstep_options(header);
  if (!lockstep.ok())
    return cli::complain(cli::kUnusable,
                         absl::StrCat(options.files.front(), ": ", lockstep.status().message()),
                         "swaptrail info lists its hooks; swaptrail replay needs none");
  lockstep->start_ns = start_of(*observation, *range);
  lockstep->max_findings = options.max_findings;
  lockstep->sample = options.sample;
  report_unseen(header);

  cli::StandardOutput output;
  RecordedNames names(*observation);
  FindingReport report(options.print, header.reconstruction.start_ns, names, output);
  Validator validator(*observation, *lockstep, report, names);
  const absl::Status damage = observation->for_each(validator, *range);
  validator.finish(damage.ok() ? std::min(observation->end_ns(), range->to_ns)
                               : validator.last_ns());
  report.on_summary(
      {subject_of(header), validator.counters(), validator.summary(), validator.slots()});
  return finish(*observation, damage, validator, output);
}

void add_validate(CLI::App& app, int& code) {
  auto options = std::make_shared<ValidateOptions>();
  CLI::App* command =
      app.add_subcommand("validate", "check a recording against a model of the kernel");
  command->footer(std::string(cli::kExitCodes) +
                  "\nExamples:\n"
                  "  swaptrail validate run.swaptrail\n"
                  "  swaptrail validate run.swaptrail --print=jsonl --from=1.5s --to=1.7s\n"
                  "  swaptrail validate --rules");
  CLI::Option* files =
      command->add_option("FILE", options->files, "a recording, or all parts of one");
  const std::map<std::string, report::PrintFormat> formats{{"text", report::PrintFormat::kText},
                                                           {"jsonl", report::PrintFormat::kJsonl},
                                                           {"none", report::PrintFormat::kNone}};
  command->add_option("--print", options->print, "text, jsonl or none")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("FORMAT");
  command->add_option("--max-findings", options->max_findings,
                      "print so many; the rest is only counted [1000]");
  command
      ->add_option("--sample", options->sample,
                   "check one folio in N, as swaptraild --validate=N does [1]")
      ->check(CLI::Range(1, 1 << 20));
  add_range_options(*command, options->from, options->to);
  command->add_flag("--rules", options->rules, "print the rules, each with its kernel function")
      ->excludes(files);
  command->callback([options, &code] {
    if (options->files.empty() && !options->rules) throw CLI::RequiredError("FILE, or --rules,");
    code = validate(*options);
  });
}

}  // namespace swaptrail::offline
