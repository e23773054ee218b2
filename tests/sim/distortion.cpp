#include "tests/sim/distortion.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/sim/clocks.h"
#include "tests/sim/dice.h"
#include "tests/sim/programs.h"
#include "tests/sim/rings.h"
#include "trace/decode.h"

namespace swaptrail::sim {
namespace {

constexpr std::string_view kNames[] = {"lossless", "reordered", "skewed", "dropped",
                                       "hidden",   "restarted", "mixed"};
static_assert(std::size(kNames) == static_cast<size_t>(Trouble::kCount));

void draw_sweeps(Dice& dice, Distortion& distortion) {
  distortion.any_sweep = true;
  distortion.interrupt_share = dice.chance(0.7) ? 0.5 : 0;
}

void draw_drops(Dice& dice, Distortion& distortion) {
  const uint64_t sort = dice.below(3);
  if (sort != 0) distortion.drop_share = 0.002 * static_cast<double>(1 + dice.below(40));
  if (sort != 1) {
    distortion.burst_share = 0.002 * static_cast<double>(1 + dice.below(5));
    distortion.longest_burst = static_cast<uint32_t>(2 + dice.below(60));
  }
}

void draw_hidden(Dice& dice, Distortion& distortion) {
  const auto groups = hook_groups();
  for (uint64_t left = 1 + dice.below(dice.chance(0.6) ? 2 : 6); left > 0; --left) {
    distortion.hidden_kinds |= groups[dice.below(groups.size())];
  }
}

void draw_windows(Dice& dice, size_t events, Distortion& distortion) {
  distortion.windows.clear();
  size_t first = dice.chance(0.3) ? 0 : dice.below(events / 2 + 1);
  for (uint64_t left = 1 + dice.below(3); left > 0 && first < events; --left) {
    const bool to_the_end = left == 1 && dice.chance(0.5);
    const size_t last = to_the_end ? events : first + 1 + dice.below(events - first);
    // hooks that are attached while nothing has happened yet miss nothing
    const size_t before = distortion.windows.empty() ? 0 : distortion.windows.back().last;
    const size_t attaching =
        dice.chance(0.5) ? 0 : dice.below(std::min<size_t>(40, first - before) + 1);
    distortion.windows.push_back({first, last, attaching});
    first = last + (dice.chance(0.3) ? 0 : dice.below(60));
  }
}

// When the hooks of each group are attached, in their order: the last just before the window
// begins.
std::vector<size_t> attach_times(Dice& dice, const Window& window) {
  std::vector<size_t> times;
  for (size_t group = 0; group < hook_groups().size(); ++group) {
    times.push_back(window.first - dice.below(window.attaching + 1));
  }
  std::sort(times.begin(), times.end());
  return times;
}

void set_times(const std::vector<Witness>& witnesses, const Window& window, Observation& seen) {
  const auto before = [&](size_t index) { return witnesses[index - 1].truth.time_ns; };
  seen.from_begin = window.first == 0;
  seen.true_start_ns = window.first == 0 ? 0 : before(window.first) + 1;
  seen.true_end_ns = before(window.last);
  seen.start_ns = ~uint64_t{0};
  for (size_t index = window.first; index < window.last; ++index) {
    const swaptrail_event& record = witnesses[index].record;
    seen.end_ns = std::max<uint64_t>(seen.end_ns, record.time_ns);
    uint64_t start_ns = record.time_ns;
    if (seen.from_begin && record.batch_ns != 0)
      start_ns = std::min<uint64_t>(start_ns, record.batch_ns);
    seen.start_ns = std::min(seen.start_ns, start_ns);
  }
  // a fault reports its own begin
  if (seen.from_begin) seen.start_ns -= std::min<uint64_t>(seen.start_ns, 10'000'000'000);
}

void observe(const Distortion& distortion, const Window& window, uint64_t seed,
             Distorted& distorted) {
  Dice dice(seed);
  auto& witnesses = distorted.witnesses;
  const uint32_t number = static_cast<uint32_t>(distorted.observations.size());
  distorted.observations.emplace_back();
  Observation& seen = distorted.observations.back();
  seen.visible_kinds = visible_without(distortion.hidden_kinds);
  set_times(witnesses, window, seen);

  const std::vector<size_t> attached_at = attach_times(dice, window);
  size_t attached = 0;
  Programs programs(seen.visible_kinds, distortion.zero_map);
  Rings rings(distortion, witnesses, dice.next());
  const size_t begin = window.first - window.attaching;
  for (size_t index = begin; index < window.last; ++index) {
    Witness& witness = witnesses[index];
    for (; attached < attached_at.size() && attached_at[attached] <= index; ++attached) {
      programs.attach(hook_groups()[attached] & seen.visible_kinds, witness.record.time_ns);
    }
    const bool recorded = programs.record(witness.record);
    if (recorded) rings.add(index);
    witness.fate = Fate::kHidden;
    witness.observation = number;
  }
  rings.deliver(seen, begin, window.last);
}

}  // namespace

std::string_view trouble_name(Trouble trouble) { return kNames[static_cast<size_t>(trouble)]; }

Distortion draw_distortion(uint64_t seed, const RunSize& run, std::optional<Trouble> wanted) {
  Dice dice(seed * 2 + 1);
  Distortion distortion;
  distortion.seed = seed;
  distortion.cpus = run.cpus;
  distortion.zero_map = run.zero_map;
  distortion.trouble = static_cast<Trouble>(dice.below(static_cast<uint64_t>(Trouble::kCount)));
  if (wanted) distortion.trouble = *wanted;
  if (run.events == 0) return distortion;  // nothing to see
  distortion.windows = {{0, run.events, 0}};
  const Trouble trouble = distortion.trouble;
  const bool mixed = trouble == Trouble::kMixed;
  if (trouble != Trouble::kNone && dice.chance(0.8)) draw_sweeps(dice, distortion);
  if (trouble == Trouble::kReordered) draw_sweeps(dice, distortion);
  if (trouble == Trouble::kSkewed || (mixed && dice.chance(0.5))) {
    distortion.skew_ns = 1 + dice.below(800);
  }
  if (trouble == Trouble::kDropped || (mixed && dice.chance(0.7))) draw_drops(dice, distortion);
  if (trouble == Trouble::kHidden || (mixed && dice.chance(0.7))) draw_hidden(dice, distortion);
  if (trouble == Trouble::kRestarted || (mixed && dice.chance(0.7))) {
    draw_windows(dice, run.events, distortion);
  }
  return distortion;
}

std::string Distortion::text() const {
  std::string text = absl::StrFormat(
      "%s: %d CPUs, drops %.3f, bursts %.3f up to %d, skew %d ns, interrupts %.1f, %s sweeps",
      trouble_name(trouble), cpus, drop_share, burst_share, longest_burst, skew_ns, interrupt_share,
      any_sweep ? "random" : "regular");
  for (int kind = 1; kind < SWAPTRAIL_KIND_END; ++kind) {
    if (hidden_kinds & lifecycles::kind_bit(kind))
      absl::StrAppendFormat(&text, ", no %s", kind_name(kind));
  }
  for (const Window& window : windows) {
    absl::StrAppendFormat(&text, ", events %d-%d (hooks from %d on)", window.first, window.last,
                          window.first - window.attaching);
  }
  return text;
}

Distorted distort(const Distortion& distortion, std::span<const swaptrail_event> events) {
  Dice dice(distortion.seed * 2);
  Distorted distorted;
  distorted.witnesses.reserve(events.size());
  for (const swaptrail_event& event : events) distorted.witnesses.push_back({event, event});
  Clocks clocks(dice.next(), distortion.cpus, distortion.skew_ns);
  if (distortion.skew_ns != 0) {
    for (Witness& witness : distorted.witnesses) clocks.read(witness.record);
  }
  for (const Window& window : distortion.windows) {
    observe(distortion, window, dice.next(), distorted);
  }
  return distorted;
}

}  // namespace swaptrail::sim
