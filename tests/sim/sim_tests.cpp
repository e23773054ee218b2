// trace/ against simulated machines: many seeds, each a machine, a workload and a distortion.
//
//   sim_tests [--seeds N] [--first-seed S] [--seed X] [--trouble=NAME] [--verbose] [--self-test]
//
// Without --self-test: N seeds from S on; with --seed that one alone. --trouble: lossless,
// reordered, skewed, dropped, hidden, restarted or mixed in each seed, not one that is drawn. Exit
// code 1 if any failed.
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/sim/account.h"
#include "tests/sim/distortion.h"
#include "tests/sim/machine.h"
#include "tests/sim/oracle.h"
#include "tests/sim/self_test.h"
#include "trace/decode.h"

namespace swaptrail::sim {
namespace {

// Seeds that fail for a reason that is known and not mended: they are named, and left out.
struct OpenSeed {
  uint64_t seed;
  const char* why;
};
constexpr OpenSeed kOpen[] = {
    {1702,
     "swapoff maps pages of the swap cache, which no hook shows: two attempts are told as one"},
    {5221,
     "a completion that skewed clocks put behind the end of its batch is not in the lifecycle"},
};

bool is_open(uint64_t seed) {
  for (const OpenSeed& open : kOpen) {
    if (open.seed != seed) continue;
    std::printf("left out seed %lu: %s\n", seed, open.why);
    return true;
  }
  return false;
}

constexpr size_t kMostComplaints = 4;   // reported one seed
constexpr uint64_t kMostFailures = 10;  // reported in full

struct Wanted {
  uint64_t first_seed = 1;
  uint64_t seeds = 10'300;  // in one of 44 the machine runs out of memory: 10,000 remain
  std::optional<Trouble> trouble;
  bool verbose = false;
  bool self_test = false;
};

struct Tally {
  std::array<uint64_t, static_cast<size_t>(Trouble::kCount)> seeds{};
  std::array<uint64_t, static_cast<size_t>(Trouble::kCount)> failures{};
  uint64_t events = 0;
  uint64_t swap_outs = 0;
  uint64_t lifecycles = 0;
  uint64_t complete = 0;
  uint64_t unknown = 0;
  uint64_t dropped = 0;
  uint64_t excused = 0;
  uint64_t full = 0;  // memory and swap were full
  uint64_t failed = 0;
};

class Seed {
 public:
  Seed(uint64_t seed, const Wanted& wanted, Tally& tally)
      : seed_(seed), wanted_(wanted), verbose_(wanted.verbose), tally_(tally) {
    if (wanted.trouble)
      absl::StrAppendFormat(&replay_, " --trouble=%s", trouble_name(*wanted.trouble));
  }

  // False if it failed.
  bool run() {
    const Machine machine = draw_machine(seed_);
    const auto run = run_machine(machine);
    if (absl::IsResourceExhausted(run.status())) {  // memory and swap are full: nothing to compare
      ++tally_.full;
      return true;
    }
    if (!run.ok()) {
      return fail(machine, absl::StrCat("the machine does not run: ", run.status().ToString()));
    }
    if (run->result.contents_wrong != 0)
      return fail(machine, "a page came back with other content");
    const RunSize size = {machine.options.cpus, run->events.size(),
                          machine.options.features.zero_map};
    const Distortion distortion = draw_distortion(seed_, size, wanted_.trouble);
    const Distorted distorted = distort(distortion, run->events);
    Oracle oracle(distorted, run->result.swap_outs, run->result.dropped);
    for (uint32_t number = 0; number < distorted.observations.size(); ++number) {
      check(number, distorted, distortion, oracle);
    }
    count(distortion, *run, oracle);
    if (oracle.complaints().empty()) return true;
    ++tally_.failures[static_cast<size_t>(distortion.trouble)];
    fail(machine, distortion.text());
    print(oracle);
    return false;
  }

 private:
  void check(uint32_t number, const Distorted& distorted, const Distortion& distortion,
             Oracle& oracle) {
    const Account account = watch(distorted.observations[number]);
    if (distortion.lossless()) {
      oracle.expect_truth(account);
    } else {
      oracle.expect_honest(number, account);
    }
    count(account);
  }

  void count(const Account& account) {
    tally_.lifecycles += account.lifecycles.size();
    for (const ToldLifecycle& told : account.lifecycles) {
      tally_.complete += told.life.complete();
      tally_.unknown += told.life.outcome == Outcome::kUnknown;
      if (verbose_) print(told.life);
    }
    for (const Loss& loss : account.losses) tally_.dropped += loss.count;
  }

  void count(const Distortion& distortion, const Run& run, const Oracle& oracle) {
    ++tally_.seeds[static_cast<size_t>(distortion.trouble)];
    tally_.events += run.events.size();
    tally_.swap_outs += run.result.swap_outs.size();
    tally_.excused += oracle.excused();
  }

  bool fail(const Machine& machine, const std::string& text) {
    if (++tally_.failed > kMostFailures) return false;
    std::printf("FAILED seed %lu: build/dev/tests/sim/sim_tests --seed=%lu%s --verbose\n", seed_,
                seed_, replay_.c_str());
    std::printf("  %s\n  %s\n", machine.text.c_str(), text.c_str());
    return false;
  }

  void print(const Oracle& oracle) const {
    if (tally_.failed > kMostFailures) return;
    size_t told = 0;
    for (const Complaint& complaint : oracle.complaints()) {
      if (told++ == kMostComplaints && !verbose_) {
        std::printf("  and %zu more\n", oracle.complaints().size() - kMostComplaints);
        return;
      }
      std::printf("  %s (folio %lx)\n", complaint.text.c_str(), complaint.folio);
      if (told == 1 || verbose_) std::fputs(oracle.story(complaint).c_str(), stdout);
    }
  }

  static void print(const Lifecycle& life) {
    std::printf("  lifecycle %lu folio %lx entry %lu %s %s passes %u %s\n", life.id, life.folio,
                life.entry, std::string(outcome_name(life.outcome)).c_str(),
                std::string(abort_reason_name(life.abort_reason)).c_str(), life.passes,
                std::string(incomplete_reason_name(life.incomplete)).c_str());
  }

  uint64_t seed_;
  const Wanted& wanted_;
  bool verbose_;
  std::string replay_;
  Tally& tally_;
};

// One line.
void print(const Tally& tally, const Wanted& wanted, double seconds) {
  std::string text = absl::StrFormat("%d seeds", wanted.seeds);
  for (size_t trouble = 0; trouble < tally.seeds.size(); ++trouble) {
    absl::StrAppendFormat(&text, "%s%s %d", trouble == 0 ? ": " : ", ",
                          trouble_name(static_cast<Trouble>(trouble)), tally.seeds[trouble]);
    if (tally.failures[trouble] != 0) {
      absl::StrAppendFormat(&text, " (%d FAILED)", tally.failures[trouble]);
    }
  }
  const double share = tally.lifecycles == 0 ? 0
                                             : 100.0 * static_cast<double>(tally.complete) /
                                                   static_cast<double>(tally.lifecycles);
  absl::StrAppendFormat(
      &text,
      ", out of memory %d; %d events, %d lost; %d swap-outs, %d lifecycles, %.1f%% complete, "
      "%d unknown, %d excused; %d failed; %.1f s",
      tally.full, tally.events, tally.dropped, tally.swap_outs, tally.lifecycles, share,
      tally.unknown, tally.excused, tally.failed, seconds);
  std::puts(text.c_str());
}

// "--name=N" or "--name N"; moves on by what it used.
bool take_number(std::string_view name, int count, char** words, int& at, uint64_t& number) {
  std::string_view word = words[at];
  if (word.substr(0, name.size()) != name) return false;
  word.remove_prefix(name.size());
  if (!word.empty() && word[0] != '=') return false;
  std::string text(word.empty() ? "" : word.substr(1));
  if (word.empty() && at + 1 < count) text = words[++at];
  return absl::SimpleAtoi(text, &number);
}

bool take_trouble(std::string_view word, std::optional<Trouble>& trouble) {
  constexpr std::string_view kPrefix = "--trouble=";
  if (!word.starts_with(kPrefix)) return false;
  for (uint8_t number = 0; number < static_cast<uint8_t>(Trouble::kCount); ++number) {
    if (trouble_name(static_cast<Trouble>(number)) == word.substr(kPrefix.size())) {
      trouble = static_cast<Trouble>(number);
    }
  }
  return trouble.has_value();
}

bool parse(int count, char** words, Wanted& wanted) {
  for (int at = 1; at < count; ++at) {
    const std::string_view word = words[at];
    if (word == "--verbose") {
      wanted.verbose = true;
    } else if (word == "--self-test") {
      wanted.self_test = true;
    } else if (take_trouble(word, wanted.trouble)) {
      continue;
    } else if (take_number("--seeds", count, words, at, wanted.seeds)) {
      continue;
    } else if (take_number("--seed", count, words, at, wanted.first_seed)) {
      wanted.seeds = 1;
    } else if (!take_number("--first-seed", count, words, at, wanted.first_seed)) {
      std::fprintf(stderr, "sim_tests: what is %s?\n", words[at]);
      return false;
    }
  }
  return true;
}

int run(const Wanted& wanted) {
  const auto begin = std::chrono::steady_clock::now();
  Tally tally;
  for (uint64_t seed = wanted.first_seed; seed < wanted.first_seed + wanted.seeds; ++seed) {
    if (wanted.seeds > 1 && is_open(seed)) continue;
    Seed(seed, wanted, tally).run();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  print(tally, wanted, took.count());
  return tally.failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace swaptrail::sim

int main(int count, char** words) {
  swaptrail::sim::Wanted wanted;
  if (!swaptrail::sim::parse(count, words, wanted)) return 2;
  if (wanted.self_test) return swaptrail::sim::self_test() ? EXIT_SUCCESS : EXIT_FAILURE;
  return swaptrail::sim::run(wanted);
}
