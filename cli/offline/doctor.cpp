#include "cli/offline/doctor.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <optional>

#include "cli/base/errors.h"
#include "cli/base/standard_output.h"
#include "daemon/probe/attach_plan.h"
#include "daemon/probe/features.h"
#include "daemon/probe/kernel_view.h"

namespace swaptrail {
namespace {

int exit_code_of(const AttachPlan& plan, const HostFeatures* host) {
  const bool missing = std::any_of(plan.hooks.begin(), plan.hooks.end(), [](const HookPlan& hook) {
    return hook.state == HookState::kMissing;
  });
  return missing || (host != nullptr && !host->swap.ok) ? kFound : kDone;
}

}  // namespace

int doctor(const DoctorOptions& options) {
  auto kernel =
      KernelView::open({.btf_path = options.btf, .symbols_path = options.symbols, .release = ""});
  if (!kernel.ok()) {
    const bool of_host = options.btf.empty();
    return complain(absl::IsNotFound(kernel.status()) && of_host ? kNoMode : kUnusable,
                    std::string(kernel.status().message()),
                    of_host ? "docs/KERNELS.md has what a kernel needs"
                            : "give the BTF file and the symbols of one kernel");
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
  StandardOutput output;
  output.write(options.json ? explain_jsonl(plan, facts) : explain_text(plan, facts));
  return output.exit_code(usable ? exit_code_of(plan, facts) : kNoMode);
}

void add_doctor(CLI::App& app, int& code) {
  auto options = std::make_shared<DoctorOptions>();
  auto format = std::make_shared<std::string>("table");
  CLI::App* command =
      app.add_subcommand("doctor", "what this kernel lets swaptraild see, and why not the rest");
  command->footer(
      "Exit codes: 0 every hook is served; 1 some are not, or no swap is on; 2 bad flag or file; 4 "
      "no mode.");
  command->add_option("-o,--output", *format, "table or jsonl")
      ->check(CLI::IsMember({"table", "jsonl"}));
  CLI::Option* btf =
      command->add_option("--btf", options->btf, "ask about another kernel, by its BTF")
          ->check(CLI::ExistingFile);
  command->add_option("--symbols", options->symbols, "that kernel's symbol names")
      ->check(CLI::ExistingFile)
      ->needs(btf);
  command->callback([options, format, &code] {
    options->json = *format == "jsonl";
    code = doctor(*options);
  });
}

}  // namespace swaptrail
