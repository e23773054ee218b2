// The generations by name, and what all of them do alike.
#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/generations/generation.h"
#include "engine/generations/linux_2_0.h"
#include "engine/generations/linux_2_4.h"
#include "engine/generations/linux_2_6.h"
#include "engine/generations/machine_generation.h"

namespace swaptrail::engine {
namespace {

using Make = std::unique_ptr<Generation> (*)(const GenerationOptions&);
struct Named {
  std::string_view name;
  Make make;
};
template <typename Kind>
std::unique_ptr<Generation> make(const GenerationOptions& options) {
  return std::make_unique<Kind>(options);
}
// Oldest first.
constexpr auto kGenerations = std::to_array<Named>({
    {"2.0", make<linux_2_0::Linux20>},
    {"2.4", make<linux_2_4::Linux24>},
    {"2.6", make_linux_2_6},
    {"4.4", make_linux_4_4},
    {"4.19", make_linux_4_19},
    {"6.12", make_linux_6_12},
    {"6.12-mglru", make_linux_6_12_mglru},
    {"7.3", make_linux_7_3},
    {"7.3-mglru", make_linux_7_3_mglru},
});

// How many steps ahead: an access to memory takes as long as a few steps do. The second fetch needs what the first brought.
constexpr size_t kFar = 24;
constexpr size_t kNear = 8;

constexpr auto kNames = [] {
  std::array<std::string_view, kGenerations.size()> names{};
  for (size_t at = 0; at < names.size(); ++at) names[at] = kGenerations[at].name;
  return names;
}();

absl::Status check(const GenerationOptions& options) {
  if (options.frames < kFewestFrames || options.frames > kMostFrames)
    return absl::InvalidArgumentError(absl::StrCat(
        "a memory of ", options.frames, " frames: ", kFewestFrames, " to ", kMostFrames));
  std::array<bool, kMostAreaTypes> seen{};
  for (const GenerationArea& area : options.areas) {
    if (area.area.type >= kMostAreaTypes || area.area.pages < 2)
      return absl::InvalidArgumentError(absl::StrCat("a swap area of type ", area.area.type,
                                                     " with ", area.area.pages, " pages"));
    if (std::exchange(seen[area.area.type], true))
      return absl::InvalidArgumentError(absl::StrCat("two swap areas of type ", area.area.type));
    if (area.error_rate < 0 || area.error_rate > 1)
      return absl::InvalidArgumentError("a share of errors is outside 0..1");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Generation::run(std::span<const WorkloadStep> steps) {
  for (size_t at = 0; at < steps.size(); ++at) {
    const size_t last = steps.size() - 1;
    prefetch(steps[std::min(at + kFar, last)], steps[std::min(at + kNear, last)]);
    if (absl::Status status = step(steps[at]); !status.ok()) return status;
  }
  return absl::OkStatus();
}

std::span<const std::string_view> generation_names() { return kNames; }

absl::StatusOr<std::unique_ptr<Generation>> make_generation(std::string_view name,
                                                            const GenerationOptions& options) {
  if (absl::Status status = check(options); !status.ok()) return status;
  std::string known;
  for (const Named& one : kGenerations) {
    if (one.name == name) return one.make(options);
    absl::StrAppend(&known, known.empty() ? "" : ", ", std::string(one.name));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no generation '", std::string(name), "'; there are ", known));
}

}  // namespace swaptrail::engine
