// The mutation score of the lockstep: recordings of real kernels, damaged in every way that we
// know, and how many of the damages it finds. Exit code 0: all of them, and nothing in undamaged
// parts.
#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "tests/mutation/check.h"
#include "tests/mutation/damage.h"
#include "tests/mutation/describe.h"
#include "tests/mutation/score.h"

namespace swaptrail::mutation {
namespace {

constexpr uint64_t kSimulatedSeed = 3;

struct Options {
  std::string folder;
  std::string kind;  // empty: all
  size_t instances = 100;
  size_t only = kNone;  // of the instances
  size_t max_events = 20'000;
  uint64_t seed = 1;
  bool verbose = false;
  bool self_check = false;
};

struct Recordings {
  std::vector<Original> originals;
  size_t simulated = 0;  // of them, at the end
  std::vector<engine::LockstepOptions> options;

  // Simulated ones, the last, are for what is damaged on the way back only.
  std::span<const Original> originals_for(const Damage& damage) const {
    const auto is_one_of = [&](std::span<const Damage> group) {
      return &damage >= group.data() && &damage < group.data() + group.size();
    };
    const bool back = is_one_of(fault_damages()) || is_one_of(return_damages());
    return std::span(originals).first(originals.size() - (back ? 0 : simulated));
  }
  const engine::LockstepOptions& options_of(const Original& original) const {
    return options[&original - originals.data()];
  }
};

struct Score {
  size_t instances = 0, right = 0, loss = 0, weak = 0, missed = 0;
  size_t sites = 0, recordings = 0;
  size_t blamed = 0;  // a violation was reported beside a gap in the sequences, which may hide all
  std::array<size_t, static_cast<size_t>(Rule::kCount)> rules{};  // reported damages, by rule
};

std::vector<std::string> paths_in(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(folder, error)) {
    if (file.path().extension() == ".swaptrail") paths.push_back(file.path().string());
  }
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) fprintf(stderr, "no recordings in %s\n", folder.c_str());
  return paths;
}

// False: what is wrong has been said.
bool load(const std::vector<std::string>& paths, size_t max_events, Recordings& recordings) {
  for (const std::string& path : paths) {
    auto original = Original::load(path, max_events);
    if (!original.ok()) {
      fprintf(stderr, "%s\n", original.status().ToString().c_str());
      return false;
    }
    auto lockstep = options_for(*original);
    if (!lockstep.ok()) {
      fprintf(stderr, "%s: %s\n", path.c_str(), lockstep.status().ToString().c_str());
      return false;
    }
    recordings.originals.push_back(*std::move(original));
    recordings.options.push_back(*lockstep);
  }
  for (const std::string_view kernel : {"6.12", "6.18"}) {
    Original original = Original::simulated(kernel, kSimulatedSeed);
    auto lockstep = options_for(original);
    if (!lockstep.ok()) {
      fprintf(stderr, "%s: %s\n", original.name().c_str(), lockstep.status().ToString().c_str());
      return false;
    }
    recordings.originals.push_back(std::move(original));
    recordings.options.push_back(*lockstep);
    ++recordings.simulated;
  }
  return !paths.empty();
}

size_t false_alarms(const Recordings& recordings) {
  size_t alarms = 0;
  engine::LockstepCounters agreed;
  Damaged damaged;
  for (const Original& original : recordings.originals) {
    undamaged(original, damaged);
    const Report report = play(original, recordings.options_of(original), damaged, nullptr);
    for (const engine::Finding& finding : report.findings)
      printf("false alarm in %s: %s\n", original.name().c_str(),
             describe_finding(finding, original).c_str());
    alarms += report.findings.size();
    const engine::LockstepCounters& counters = report.counters;
    agreed.lifecycles += counters.lifecycles;
    agreed.agreed += counters.agreed;
    agreed.returns += counters.returns;
    agreed.returns_agreed += counters.returns_agreed;
    agreed.returns_not_compared += counters.returns_not_compared;
    agreed.stays += counters.stays;
  }
  printf("undamaged: %" PRIu64 " lifecycles, %" PRIu64 " agreed; %" PRIu64 " returns, %" PRIu64
         " agreed, %" PRIu64 " not compared; %" PRIu64 " stays\n",
         agreed.lifecycles, agreed.agreed, agreed.returns, agreed.returns_agreed,
         agreed.returns_not_compared, agreed.stays);
  return alarms;
}

void tell_missed(const Options& options, const Damage& damage, size_t number,
                 const std::string& text) {
  printf("missed: mutation_score %s --kind %s --seed %llu --only %zu --verbose\n%s\n",
         options.folder.c_str(), std::string(damage.name).c_str(),
         static_cast<unsigned long long>(options.seed), number, text.c_str());
}

bool is_violation(const engine::Finding& finding) {
  return finding.kind == engine::FindingKind::kViolation;
}

void count(const Damage& damage, const Report& report, Answer answer, Score& score) {
  ++score.instances;
  score.right += answer == Answer::kRight;
  score.loss += answer == Answer::kLoss;
  score.weak += answer == Answer::kWeak;
  score.missed += answer == Answer::kMissed;
  const auto& findings = report.findings;
  score.blamed += damage.shape == Shape::kGap && !damage.right.empty() &&
                  std::any_of(findings.begin(), findings.end(), is_violation);
  for (const engine::Finding& finding : findings)
    score.rules[static_cast<size_t>(finding.rule)] += damage.right.has(finding.rule);
}

void add(const Score& score, Score& total) {
  total.instances += score.instances;
  total.right += score.right;
  total.loss += score.loss;
  total.weak += score.weak;
  total.missed += score.missed;
  total.blamed += score.blamed;
  for (size_t i = 0; i < total.rules.size(); ++i) total.rules[i] += score.rules[i];
}

Score score_damage(const Options& options, const Recordings& recordings, const Damage& damage) {
  const size_t wanted = options.only == kNone ? options.instances : options.only + 1;
  const Plan plan = make_plan(damage, recordings.originals_for(damage), wanted, options.seed);
  Score score{.sites = plan.sites, .recordings = plan.recordings};
  Damaged damaged;
  for (size_t i = 0; i < plan.instances.size(); ++i) {
    if (options.only != kNone && options.only != i) continue;
    const Instance& instance = plan.instances[i];
    do_damage(damage, instance, damaged);
    const Judge judge(damage, damaged.place);
    const Report report =
        play(*instance.original, recordings.options_of(*instance.original), damaged, &judge);
    const Answer answer = judge.answer(report);
    count(damage, report, answer, score);
    const bool told = options.only != kNone || answer == Answer::kMissed;
    if (options.verbose && told)
      tell_missed(options, damage, i, describe_case(damage, instance, damaged, report));
  }
  return score;
}

void print_row(std::string_view name, const Score& score) {
  printf("%-26s %9zu %7zu %10zu %7zu %6zu %6zu %7zu\n", std::string(name).c_str(), score.instances,
         score.sites, score.recordings, score.right, score.loss, score.weak, score.missed);
  fflush(stdout);
}

void print_total(size_t kinds, const Score& total) {
  const size_t caught = total.right + total.loss + total.weak;
  printf("%zu kinds, %zu instances, %zu right, %zu as loss, %zu weakly, %zu missed: %.2f %%\n",
         kinds, total.instances, total.right, total.loss, total.weak, total.missed,
         total.instances == 0 ? 0.0 : 100.0 * caught / total.instances);
  printf("%zu times a violation was told beside a gap\nrules never told of a damage they fit:",
         total.blamed);
  for (size_t i = 0; i < total.rules.size(); ++i) {
    const std::string_view name = engine::rule_text(static_cast<Rule>(i)).name;
    if (total.rules[i] == 0) printf(" %s", std::string(name).c_str());
  }
  printf("\n");
}

std::vector<const Damage*> chosen_damages(const Options& options) {
  if (options.kind.empty()) return all_damages();
  const Damage* damage = damage_named(options.kind);
  if (!damage) fprintf(stderr, "no kind of damage is called %s\n", options.kind.c_str());
  return damage ? std::vector<const Damage*>{damage} : std::vector<const Damage*>{};
}

// A kind without a site is a kind that is not tested: it counts as one missed.
int run_score(const Options& options, const Recordings& recordings, size_t alarms) {
  const std::vector<const Damage*> damages = chosen_damages(options);
  if (damages.empty()) return 2;
  printf("%-26s %9s %7s %10s %7s %6s %6s %7s\n", "kind", "instances", "sites", "recordings",
         "right", "loss", "weak", "missed");
  Score total;
  bool all_found = true;
  for (const Damage* damage : damages) {
    Score score = score_damage(options, recordings, *damage);
    if (score.instances == 0) score.missed = 1;
    all_found &= score.missed == 0;
    print_row(damage->name, score);
    add(score, total);
  }
  print_total(damages.size(), total);
  printf("%zu false alarms on %zu whole recordings\n", alarms, recordings.originals.size());
  return all_found && alarms == 0 ? 0 : 1;
}

// Are the damages what they say?
int run_self_check(const Options& options, const Recordings& recordings) {
  size_t checked = 0, wrong = 0;
  Damaged damaged;
  for (const Damage* damage : chosen_damages(options)) {
    const Plan plan =
        make_plan(*damage, recordings.originals_for(*damage), options.instances, options.seed);
    if (plan.instances.empty()) {
      printf("%s: there is no site\n", std::string(damage->name).c_str());
      ++wrong;
    }
    for (const Instance& instance : plan.instances) {
      do_damage(*damage, instance, damaged);
      const std::string what = deviation(*instance.original, damaged, *damage);
      ++checked;
      if (what.empty()) continue;
      ++wrong;
      printf("%s at %zu of %s: %s\n", std::string(damage->name).c_str(), instance.site,
             instance.original->name().c_str(), what.c_str());
    }
  }
  printf("%zu damages checked, %zu are not what they say\n", checked, wrong);
  return wrong == 0 && checked > 0 ? 0 : 1;
}

// Undamaged, recordings are played whole; the damages are done to their first events.
int run(const Options& options) {
  const std::vector<std::string> paths = paths_in(options.folder);
  size_t alarms = 0;
  if (!options.self_check && options.only == kNone) {
    Recordings whole;
    if (!load(paths, kNone, whole)) return 2;
    alarms = false_alarms(whole);
  }
  Recordings recordings;
  if (!load(paths, options.max_events, recordings)) return 2;
  return options.self_check ? run_self_check(options, recordings)
                            : run_score(options, recordings, alarms);
}

}  // namespace
}  // namespace swaptrail::mutation

int main(int argc, char** argv) {
  swaptrail::mutation::Options options;
  CLI::App app("How many damages of a recording does the lockstep tell?", "mutation_score");
  app.add_option("FOLDER", options.folder, "with the golden recordings")->required();
  app.add_option("--kind", options.kind, "one kind of damage only");
  app.add_option("--instances", options.instances, "of each kind")->capture_default_str();
  app.add_option("--only", options.only, "the instance of this number, from 0");
  app.add_option("--seed", options.seed, "other sites and choices")->capture_default_str();
  app.add_option("--events", options.max_events, "used of each recording")->capture_default_str();
  app.add_flag("--verbose", options.verbose, "show what was missed");
  app.add_flag("--self-check", options.self_check, "check the damages, not the lockstep");
  CLI11_PARSE(app, argc, argv);
  return swaptrail::mutation::run(options);
}
