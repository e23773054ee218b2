#include "cli/doctor.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "daemon/attach_plan.h"
#include "daemon/features.h"
#include "daemon/kernel_view.h"

namespace swaptrail {
namespace {

constexpr int kWhole = 0, kPartly = 1, kBadFile = 2, kNoMode = 4;

int verdict(const AttachPlan& plan, const HostFeatures* host) {
  const bool missing = std::any_of(plan.hooks.begin(), plan.hooks.end(), [](const HookPlan& hook) {
    return hook.state == HookState::kMissing;
  });
  return missing || (host != nullptr && !host->swap.ok) ? kPartly : kWhole;
}

}  // namespace

int doctor(const DoctorOptions& options) {
  auto kernel =
      KernelView::open({.btf_path = options.btf, .symbols_path = options.symbols, .release = ""});
  if (!kernel.ok()) {
    std::fprintf(stderr, "swaptrail: %s\n", std::string(kernel.status().message()).c_str());
    return absl::IsNotFound(kernel.status()) && options.btf.empty() ? kNoMode : kBadFile;
  }
  std::optional<HostFeatures> host;
  ModeChoice mode{Mode::kFull, "as if everything was permitted"};
  bool usable = true;
  if (options.btf.empty()) {
    host = probe_host(*kernel);
    auto choice = choose_mode(*host, std::nullopt);
    usable = choice.ok();
    if (usable)
      mode = *choice;
    else
      mode.reason = std::string(choice.status().message());
  }
  const HostFeatures* facts = host ? &*host : nullptr;
  const AttachPlan plan = make_attach_plan(*kernel, mode);
  std::fputs((options.json ? explain_jsonl(plan, facts) : explain_text(plan, facts)).c_str(),
             stdout);
  return usable ? verdict(plan, facts) : kNoMode;
}

}  // namespace swaptrail
