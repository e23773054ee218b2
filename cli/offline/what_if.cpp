#include "cli/offline/what_if.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/base/errors.h"
#include "cli/base/standard_output.h"
#include "cli/offline/filter_options.h"
#include "cli/offline/observation.h"
#include "cli/offline/pool_pass.h"
#include "cli/offline/what_if_sections.h"
#include "engine/whatif/victim_cache.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/utf8.h"

namespace swaptrail::offline {
namespace {

// Plays the recording to all that estimates.
class WhatIfRun : public EventSink, public lifecycles::LifecycleSink {
 public:
  WhatIfRun(const lifecycles::ReconstructorOptions& options, const WhatIfQuestions& asked,
            const std::vector<engine::PriorityArea>& areas)
      : pool_({.pool = true}),
        readahead_(asked.page_clusters, options.page_size),
        priorities_(areas),
        reconstructor_(options, *this) {}

  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    last_ns_ = std::max<uint64_t>(last_ns_, event.time_ns);
    victims_.on_event(event);
    pool_.on_event(event);
    evidence_.on_event(event);
    priorities_.on_event(event);
    reconstructor_.on_event(event, sequence);
  }
  void on_time(uint64_t now_ns) override { reconstructor_.on_time(now_ns); }
  // Of both the stream and the reconstructor, which hands on the same.
  void on_loss(const Loss& loss) override {
    if (handing_on_) return;
    handing_on_ = true;
    reconstructor_.on_loss(loss);
    handing_on_ = false;
    victims_.on_loss(loss);
    pool_.on_loss(loss);
    readahead_.on_loss(loss);
  }

  void on_lifecycle(const Lifecycle& lifecycle) override {
    victims_.on_lifecycle(lifecycle);
    pool_.on_lifecycle(lifecycle);
    readahead_.on_lifecycle(lifecycle);
    priorities_.on_lifecycle(lifecycle);
  }
  void on_return(const Return& back) override {
    victims_.on_return(back);
    pool_.on_return(back);
    readahead_.on_return(back);
    priorities_.on_return(back);
    if (back.how != ReturnHow::kSwappedIn || back.nr_pages == 0 || back.fault_ns == 0) return;
    ++faults_;
    hits_ += !back.major;
    if (!back.major || back.backend != SWAPTRAIL_BACKEND_ZSWAP) return;
    ++loads_;
    load_wait_ns_ += back.fault_ns;
  }
  void on_stay(const Stay& stay) override {
    victims_.on_stay(stay);
    pool_.on_stay(stay);
  }
  void on_violation(const Violation&) override {}

  void finish(uint64_t end_ns) {
    reconstructor_.finish(std::max(end_ns, last_ns_));
    victims_.finish();
    pool_.finish();
  }

  const engine::VictimCache& victims() const { return victims_; }
  const engine::VictimCache& pool() const { return pool_; }
  const engine::ReadaheadEstimate& readahead() const { return readahead_; }
  const engine::ReadaheadEvidence& evidence() const { return evidence_; }
  const engine::PriorityEstimate& priorities() const { return priorities_; }
  void fill_in(WhatIfSubject& subject) const {
    subject.loads = loads_;
    subject.load_wait_ns = load_wait_ns_;
    subject.faults = faults_;
    subject.hits = hits_;
  }

 private:
  engine::VictimCache victims_;
  engine::VictimCache pool_;
  engine::ReadaheadEstimate readahead_;
  engine::ReadaheadEvidence evidence_;
  engine::PriorityEstimate priorities_;
  uint64_t faults_ = 0, hits_ = 0;
  uint64_t loads_ = 0;
  uint64_t load_wait_ns_ = 0;
  uint64_t last_ns_ = 0;
  bool handing_on_ = false;
  lifecycles::Reconstructor reconstructor_;  // the last: it may hand on what it has at any time
};

struct Needed {
  swaptrail_kind kind;
  const char* hook;
  const char* without;  // what is not known then; null: no estimate can be made
};
constexpr Needed kNeeded[] = {
    {SWAPTRAIL_REMOVED, "removed", nullptr},
    {SWAPTRAIL_SLOT_FREED, "slot_freed", nullptr},
    {SWAPTRAIL_SWAP_IN, "swap_in", nullptr},
    {SWAPTRAIL_WRITE_END, "write", "what was written, and where to"},
    {SWAPTRAIL_SWAP_READ, "swap_read", "what was read"},
    {SWAPTRAIL_SHMEM_SWAP_IN, "shmem_swap_in", "when shared memory was needed again"},
};

bool is_visible(const recording::RecordingHeader& header, swaptrail_kind kind) {
  return (header.reconstruction.visible_kinds & lifecycles::kind_bit(kind)) != 0;
}

// Why no estimate can be made at all; empty: it can.
std::string refusal_of(const recording::RecordingHeader& header) {
  if (header.mode == "tracepoint")
    return "a recording in mode tracepoint does not show when pages come back";
  for (const Needed& needed : kNeeded)
    if (needed.without == nullptr && !is_visible(header, needed.kind))
      return absl::StrCat("the recording lacks the hook ", needed.hook);
  return "";
}

std::vector<std::string> not_seen_in(const Observation& observation) {
  const recording::RecordingHeader& header = observation.header();
  std::vector<std::string> texts;
  for (const Needed& needed : kNeeded)
    if (!is_visible(header, needed.kind))
      texts.push_back(absl::StrCat("The hook ", needed.hook, " is missing: not known is ",
                                   needed.without, "."));
  if (header.reconstruction.may_miss_silently)
    texts.push_back(absl::StrCat("Mode ", header.mode, " may miss events without a trace."));
  if (observation.contents(observation.parts() - 1).finished) return texts;
  texts.push_back("The recording was not finished: its last event is taken for its end.");
  return texts;
}

// The first note of each area that was on.
std::vector<recording::SwapArea> areas_in(const Observation& observation) {
  std::map<uint32_t, recording::SwapArea> areas;
  for (size_t part = 0; part < observation.parts(); ++part)
    for (const recording::SwapArea& area : observation.contents(part).areas)
      if (area.bytes != 0) areas.emplace(area.type, area);
  std::vector<recording::SwapArea> firsts;
  firsts.reserve(areas.size());
  for (const auto& [type, area] : areas) firsts.push_back(area);
  return firsts;
}

uint64_t used_pages(const recording::SwapArea& area, uint64_t page_size) {
  return area.used_bytes == recording::kUsedNotKnown ? 0 : area.used_bytes / page_size;
}

// By area, with those that were not asked for as they are. Errors: InvalidArgument for an area that there is not.
absl::StatusOr<std::vector<int32_t>> priorities_of(const std::vector<recording::SwapArea>& areas,
                                                   const std::vector<AskedPriority>& asked) {
  std::vector<int32_t> priorities;
  priorities.reserve(areas.size());
  for (const recording::SwapArea& area : areas) priorities.push_back(area.priority);
  for (const AskedPriority& one : asked) {
    const auto found = std::ranges::find_if(areas, [&](const recording::SwapArea& area) {
      return area.path == one.area || absl::StrCat(area.type) == one.area;
    });
    if (found == areas.end())
      return absl::InvalidArgumentError(
          absl::StrCat("the recording has no swap area ", printable(one.area)));
    priorities[static_cast<size_t>(found - areas.begin())] = one.priority;
  }
  return priorities;
}

std::vector<engine::PriorityArea> priority_areas(const std::vector<recording::SwapArea>& areas,
                                                 const std::vector<int32_t>& priorities,
                                                 uint64_t page_size) {
  std::vector<engine::PriorityArea> result;
  for (size_t at = 0; at < areas.size(); ++at)
    result.push_back({.type = areas[at].type,
                      .pages = areas[at].bytes / page_size,
                      .used = used_pages(areas[at], page_size),
                      .priority = priorities[at],
                      .synchronous = areas[at].synchronous == recording::Known::kYes});
  return result;
}

// Some of each, if nothing is asked.
WhatIfQuestions with_defaults(WhatIfQuestions asked,
                              const std::vector<recording::SwapArea>& areas) {
  const bool any = !asked.memory.empty() || !asked.zswap.empty() || !asked.page_clusters.empty() ||
                   !asked.priorities.empty();
  if (any) return asked;
  for (const uint32_t percent : {10, 25, 50, 75, 100}) asked.memory.push_back({.percent = percent});
  for (const uint32_t percent : {10, 25, 50}) asked.zswap.push_back({.size = {.percent = percent}});
  asked.page_clusters = {0, 3};
  if (areas.size() < 2) return asked;
  const auto [lowest, highest] =
      std::ranges::minmax_element(areas, {}, &recording::SwapArea::priority);
  asked.priorities.push_back({absl::StrCat(lowest->type), highest->priority + 1});
  return asked;
}

uint64_t bytes_of(const Observation& observation) {
  uint64_t sum = 0;
  for (size_t part = 0; part < observation.parts(); ++part)
    sum += observation.contents(part).file_bytes;
  return sum;
}

// What the recording has of the areas, and what they are asked to be.
struct Areas {
  std::vector<recording::SwapArea> recorded;
  std::vector<int32_t> priorities;
};

std::string sections_of(report::PrintFormat print, const WhatIfQuestions& asked,
                        const WhatIfSubject& subject, const WhatIfRun& run, const Areas& areas,
                        const std::vector<engine::RefusingPool>& refusing) {
  std::string out;
  if (!asked.memory.empty())
    append_section(memory_section(subject, run.victims(), asked.memory), print, out);
  if (!asked.zswap.empty())
    append_section(zswap_section(subject, run.pool(), refusing, asked.zswap, asked.zswap_load_ns),
                   print, out);
  if (!asked.page_clusters.empty())
    append_section(page_cluster_section(subject, run.victims(), run.readahead(), run.evidence(),
                                        areas.recorded, asked.page_clusters),
                   print, out);
  if (!asked.priorities.empty())
    append_section(priority_section(subject, run.priorities(), areas.recorded, areas.priorities),
                   print, out);
  return out;
}

}  // namespace

int what_if(const WhatIfOptions& options) {
  cli::Progress progress("what-if", cli::Progress::style_here(false));
  auto observation = Observation::open(options.files, progress);
  if (!observation.ok()) return cli::complain_of_input(observation.status());
  const recording::RecordingHeader& header = observation->header();
  complain_of_lacks(header);
  const auto range = parse_range(options.from, options.to, header);
  if (!range.ok())
    return cli::complain(cli::kUnusable, std::string(range.status().message()),
                         "see swaptrail what-if --help");
  if (const std::string why = refusal_of(header); !why.empty())
    return cli::complain(cli::kUnusable, absl::StrCat(options.files.front(), ": ", why),
                         "swaptrail info lists its hooks");

  lifecycles::ReconstructorOptions reconstruction = header.reconstruction;
  reconstruction.start_ns = std::max(reconstruction.start_ns, range->from_ns);
  Areas areas{areas_in(*observation), {}};
  const WhatIfQuestions asked = with_defaults(options.questions, areas.recorded);
  const auto priorities = priorities_of(areas.recorded, asked.priorities);
  if (!priorities.ok())
    return cli::complain(cli::kUnusable, std::string(priorities.status().message()),
                         "swaptrail info lists its areas");
  areas.priorities = *priorities;
  if (!asked.zswap.empty()) progress.expect(bytes_of(*observation));  // a second pass
  WhatIfRun run(reconstruction, asked,
                priority_areas(areas.recorded, areas.priorities, reconstruction.page_size));
  const absl::Status damage = observation->for_each(run, *range);
  run.finish(damage.ok() ? std::min(observation->end_ns(), range->to_ns) : 0);

  WhatIfSubject subject;
  subject.page_size = reconstruction.page_size;
  for (const recording::SwapArea& area : areas.recorded)
    subject.pages_at_start += used_pages(area, subject.page_size);
  run.fill_in(subject);
  subject.not_seen = not_seen_in(*observation);
  std::vector<uint64_t> rooms;
  for (const AskedPool& pool : asked.zswap)
    rooms.push_back(pool.room(run.pool().counters().most_pages, subject.page_size));
  std::vector<engine::RefusingPool> refusing;
  if (!rooms.empty()) refusing = play_to_pools(*observation, *range, reconstruction, rooms);
  cli::StandardOutput output;
  output.write(sections_of(options.print, asked, subject, run, areas, refusing));
  if (!damage.ok()) return cli::complain_of_input(damage);
  return output.exit_code(cli::kDone);
}

namespace {

// A flag that may be given several times, with commas too. Its texts are parsed before anything is read.
template <typename Value, typename Parse>
CLI::Option* add_asked(CLI::App& command, const std::string& name, std::vector<Value>& values,
                       const std::string& description, const char* type, Parse parse) {
  return command
      .add_option_function<std::vector<std::string>>(
          name,
          [&values, parse, name](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              const auto value = parse(text);
              if (!value.ok())
                throw CLI::ValidationError(name, std::string(value.status().message()));
              values.push_back(*value);
            }
          },
          description)
      ->delimiter(',')
      ->type_name(type);
}

void add_questions(CLI::App& command, WhatIfOptions& options) {
  WhatIfQuestions& asked = options.questions;
  add_asked(command, "--memory", asked.memory,
            "so much more memory: 64M, or a share of the most that was in swap, 50%", "SIZE",
            parse_asked_size);
  add_asked(command, "--zswap", asked.zswap,
            "zswap with a pool of this size, and the ratio of compression [3]", "SIZE[/RATIO]",
            parse_asked_pool);
  command
      .add_option_function<std::string>(
          "--zswap-load",
          [&asked](const std::string& text) {
            const auto load_ns = parse_load_ns(text);
            if (!load_ns.ok())
              throw CLI::ValidationError("--zswap-load", std::string(load_ns.status().message()));
            asked.zswap_load_ns = *load_ns;
          },
          "how long a fault on a page in the pool takes [as measured, or 20us]")
      ->type_name("DURATION");
  command
      .add_option("--page-cluster", asked.page_clusters,
                  "readahead of 2^N pages, as vm.page-cluster")
      ->delimiter(',')
      ->check(CLI::Range(uint32_t{0}, kMostPageCluster))
      ->expected(1, 16)
      ->type_name("N");
  add_asked(command, "--priority", asked.priorities,
            "another priority of a swap area, by its path or number; the others keep theirs",
            "AREA=N", parse_asked_priority);
}

}  // namespace

void add_what_if(CLI::App& app, int& code) {
  auto options = std::make_shared<WhatIfOptions>();
  CLI::App* command = app.add_subcommand(
      "what-if", "estimate what more memory, zswap, readahead or priorities would have changed");
  command->footer(std::string(cli::kExitCodes) +
                  "\nEvery figure is an estimate; what it assumes is printed below it.\n"
                  "Examples:\n"
                  "  swaptrail what-if run.swaptrail\n"
                  "  swaptrail what-if run.swaptrail --memory=64M,256M --print=jsonl\n"
                  "  swaptrail what-if run.swaptrail --zswap=128M/2.5");
  command->add_option("FILE", options->files, "a recording, or all parts of one")->required();
  add_questions(*command, *options);
  const std::map<std::string, report::PrintFormat> formats{{"text", report::PrintFormat::kText},
                                                           {"jsonl", report::PrintFormat::kJsonl}};
  command->add_option("--print", options->print, "text or jsonl")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("FORMAT");
  add_range_options(*command, options->from, options->to);
  command->callback([options, &code] { code = what_if(*options); });
}

}  // namespace swaptrail::offline
