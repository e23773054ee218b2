#include "cli/compare/compare.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/base/atomic_file.h"
#include "cli/base/errors.h"
#include "cli/base/progress.h"
#include "cli/base/standard_output.h"
#include "cli/compare/comparison_report.h"
#include "cli/compare/workload_file.h"
#include "engine/workloads/synthetic.h"

namespace swaptrail::compare {
namespace {

using engine::Comparison;
using engine::WorkloadSource;
using engine::WorkloadStep;

constexpr uint64_t kPagesPerMib = 256;
constexpr uint64_t kAccessesOfPage = 16;

// What is compared. `file` is null for a synthetic workload.
struct Subject {
  std::unique_ptr<WorkloadSource> source;
  WorkloadFile* file = nullptr;
  uint64_t pages = 0;  // that it touches
  uint64_t steps = 0;
};

int complain_of_comparison(const absl::Status& status) {
  return cli::complain(cli::kUnusable, std::string(status.message()),
                       "see swaptrail simulate --help");
}

std::vector<std::string> names_of(const std::string& generations) {
  if (generations != "all") return absl::StrSplit(generations, ',');
  const auto all = engine::generation_names();
  return {all.begin(), all.end()};
}

// Counts the steps, and the different pages of all processes. Reads the whole workload.
void count(Subject& subject) {
  absl::flat_hash_set<std::pair<uint32_t, uint64_t>> pages;
  WorkloadStep step;
  for (; subject.source->next(step); ++subject.steps)
    if (step.kind == engine::StepKind::kTouch) pages.emplace(step.process, step.page);
  subject.source->rewind();
  subject.pages = pages.size();
}

bool is_synthetic(const std::string& name) {
  const auto names = engine::workload_names();
  return std::ranges::find(names, name) != names.end();
}

uint64_t frames_of(const CompareOptions& options, uint64_t pages) {
  const uint64_t wanted = options.limit_mib != 0 ? options.limit_mib * kPagesPerMib : pages / 2;
  return std::clamp(wanted, engine::kFewestFrames, engine::kMostFrames);
}

absl::StatusOr<Subject> open_synthetic(const CompareOptions& options) {
  engine::WorkloadParameters parameters;
  parameters.pages = options.mib * kPagesPerMib;
  parameters.accesses =
      options.accesses != 0 ? options.accesses : kAccessesOfPage * parameters.pages;
  parameters.write_percent = options.write_percent;
  parameters.seed = options.seed;
  parameters.frames = frames_of(options, parameters.pages);
  auto source = engine::make_workload(options.workload, parameters);
  if (!source.ok()) return source.status();
  Subject subject{*std::move(source)};
  subject.pages = parameters.pages;
  subject.steps = subject.source->expected_steps();
  return subject;
}

absl::StatusOr<Subject> open_file(const CompareOptions& options) {
  auto file = open_workload_file(options.workload);
  if (!file.ok()) return file.status();
  Subject subject;
  subject.file = file->get();
  subject.source = *std::move(file);
  count(subject);
  return subject;
}

engine::GenerationOptions generation_options(const CompareOptions& options, uint64_t pages,
                                             uint64_t frames) {
  engine::GenerationOptions result;
  result.frames = frames;
  result.page_cluster = options.page_cluster;
  result.seed = options.seed;
  engine::GenerationArea area;
  // Room for every page, and for the copies that forks make: want of swap is not what is compared.
  area.area.pages = 4 * std::max(pages, frames) + 1;
  result.areas.push_back(area);
  return result;
}

// With a bar for who waits at a terminal.
absl::Status run_watched(const Subject& subject, Comparison& comparison) {
  cli::Progress progress("simulate", cli::Progress::style_here(false));
  progress.expect(subject.steps);
  uint64_t done = 0;
  return comparison.run(*subject.source, [&](uint64_t steps) {
    progress.add(steps - std::exchange(done, steps));
    return true;
  });
}

bool is_clean(const Comparison& comparison) {
  return std::ranges::all_of(comparison.columns(), [](const Comparison::Column& column) {
    return column.generation->counters().contents_wrong == 0;
  });
}

absl::Status write_report(const CompareOptions& options, const std::string& html) {
  auto file = cli::AtomicFile::create(options.report, options.force);
  if (!file.ok()) return file.status();
  if (absl::Status status = (*file)->append(html); !status.ok()) return status;
  return (*file)->commit();
}

}  // namespace

int compare(const CompareOptions& options) {
  auto subject = is_synthetic(options.workload) ? open_synthetic(options) : open_file(options);
  if (!subject.ok()) return complain_of_comparison(subject.status());
  const uint64_t frames = frames_of(options, subject->pages);
  auto comparison = Comparison::make(names_of(options.generations),
                                     generation_options(options, subject->pages, frames));
  if (!comparison.ok()) return complain_of_comparison(comparison.status());
  if (absl::Status status = run_watched(*subject, *comparison); !status.ok())
    return complain_of_comparison(status);
  if (subject->file != nullptr && !subject->file->status().ok())
    return cli::complain_of_input(subject->file->status());

  const ComparisonSubject about{options.workload, frames, options.page_cluster, options.seed};
  cli::StandardOutput output;
  if (options.print == report::PrintFormat::kText)
    output.write(comparison_text(about, *comparison));
  if (options.print == report::PrintFormat::kJsonl)
    output.write(comparison_jsonl(about, *comparison));
  if (subject->file != nullptr && options.print == report::PrintFormat::kText)
    output.write(absl::StrCat("\n", subject->file->account(), "\n"));
  if (!options.report.empty())
    if (absl::Status status = write_report(options, comparison_html(about, *comparison));
        !status.ok())
      return cli::complain_of_output(status);
  return output.exit_code(is_clean(*comparison) ? cli::kDone : cli::kFound);
}

}  // namespace swaptrail::compare
