// freerun - the engine's side of freerun.sh: makes the accesses that pattern.cpp makes in a guest, in
// a simulated machine, and prints as JSON what was swapped.
//
//   freerun --kernel 6.12 --device zram|nvme --area-mib N --limit-pages N --pattern NAME [options]
//
// The other options are those of pattern.cpp. Exit code 1: the run went wrong. 2: wrong options.
#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "absl/strings/numbers.h"
#include "engine/machine/simulation.h"
#include "engine/machine/workload.h"
#include "engine/steps/features.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kPagesPerMib = 256;

struct Wanted {
  std::string kernel = "6.12", device = "zram", pattern;
  uint64_t area_mib = 512, limit_pages = 0, mib = 48, accesses = 20000, write_percent = 50;
  uint64_t seed = 1, page_cluster = 0;
};

struct Option {
  std::string_view name;
  std::string Wanted::*text;
  uint64_t Wanted::*number;
};
constexpr Option kOptions[] = {
    {"--kernel", &Wanted::kernel, nullptr},
    {"--device", &Wanted::device, nullptr},
    {"--pattern", &Wanted::pattern, nullptr},
    {"--area-mib", nullptr, &Wanted::area_mib},
    {"--limit-pages", nullptr, &Wanted::limit_pages},
    {"--mib", nullptr, &Wanted::mib},
    {"--accesses", nullptr, &Wanted::accesses},
    {"--write-percent", nullptr, &Wanted::write_percent},
    {"--seed", nullptr, &Wanted::seed},
    {"--page-cluster", nullptr, &Wanted::page_cluster},
};

bool parse(int count, char** words, Wanted& wanted) {
  for (int at = 1; at < count; at += 2) {
    const Option* option =
        std::find_if(std::begin(kOptions), std::end(kOptions),
                     [&](const Option& one) { return at + 1 < count && one.name == words[at]; });
    if (option == std::end(kOptions)) return false;
    const std::string value = words[at + 1];
    if (option->text != nullptr) {
      wanted.*option->text = value;
    } else if (!absl::SimpleAtoi(value, &(wanted.*option->number))) {
      return false;
    }
  }
  return wanted.device == "zram" || wanted.device == "nvme";
}

class Nowhere : public EventOutput {
 public:
  void on_event(const swaptrail_event&, uint64_t) override {}
};

absl::StatusOr<SimulationResult> run(const Wanted& wanted) {
  const auto features = features_named(wanted.kernel);
  if (!features.ok()) return features.status();
  const auto pattern = pattern_named(wanted.pattern);
  if (!pattern.ok()) return pattern.status();
  SimulationOptions options;
  options.features = *features;
  SimulatedArea& area = options.areas.emplace_back();
  area.area.pages = wanted.area_mib * kPagesPerMib;
  area.device = wanted.device == "zram" ? Device::kSynchronous : Device::kAsynchronous;
  options.workload = single_process(*pattern, wanted.mib * kPagesPerMib, wanted.accesses,
                                    static_cast<uint32_t>(wanted.write_percent), wanted.seed);
  options.cpus = 1;
  options.limit_pages = wanted.limit_pages;
  options.page_cluster = static_cast<uint32_t>(wanted.page_cluster);
  options.max_events = UINT64_MAX;
  Nowhere output;
  return simulate(options, output);
}

int main_of(const Wanted& wanted) {
  const auto result = run(wanted);
  if (!result.ok()) {
    std::fprintf(stderr, "freerun: %s\n", std::string(result.status().message()).c_str());
    return 1;
  }
  std::printf("{\"swapped_out\": %" PRIu64 ", \"swapped_in\": %" PRIu64
              ", \"swap_faults\": %" PRIu64 ", \"accesses\": %" PRIu64
              ", \"contents_wrong\": %" PRIu64 "}\n",
              result->swapped_out_pages, result->swapped_in_pages, result->swap_faults,
              result->accesses, result->contents_wrong);
  return result->contents_wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace swaptrail::engine

int main(int count, char** words) {
  swaptrail::engine::Wanted wanted;
  if (!swaptrail::engine::parse(count, words, wanted)) {
    std::fprintf(stderr, "usage: see the top of tests/vm/freerun.cpp\n");
    return 2;
  }
  return swaptrail::engine::main_of(wanted);
}
