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

namespace swaptrail::offline {
namespace {

int exit_code_of(const probe::AttachPlan& plan, const probe::HostFeatures* host) {
  const bool missing = std::any_of(
      plan.hooks.begin(), plan.hooks.end(),
      [](const probe::HookPlan& hook) { return hook.state == probe::HookState::kMissing; });
  return missing || (host != nullptr && !host->swap.ok) ? cli::kFound : cli::kDone;
}

}  // namespace

int doctor(const DoctorOptions& options) {
  auto kernel = probe::KernelView::open(
      {.btf_path = options.btf, .symbols_path = options.symbols, .release = ""});
  if (!kernel.ok()) {
    const bool of_host = options.btf.empty();
    return cli::complain(
        absl::IsNotFound(kernel.status()) && of_host ? cli::kNoMode : cli::kUnusable,
        std::string(kernel.status().message()),
        of_host ? "docs/KERNELS.md has what a kernel needs"
                : "give the BTF file and the symbols of one kernel");
  }
  std::optional<probe::HostFeatures> host;
  probe::ModeChoice mode{probe::Mode::kFull, "as if everything was permitted"};
  bool usable = true;
  if (options.btf.empty()) {
    host = probe::probe_host(*kernel);
    auto choice = probe::choose_mode(*host, std::nullopt);
    usable = choice.ok();
    if (usable)
      mode = *choice;
    else
      mode.reason = std::string(choice.status().message());
  }
  const probe::HostFeatures* facts = host ? &*host : nullptr;
  const probe::AttachPlan plan = probe::make_attach_plan(*kernel, mode);
  cli::StandardOutput output;
  output.write(options.json ? probe::explain_jsonl(plan, facts) : probe::explain_text(plan, facts));
  return output.exit_code(usable ? exit_code_of(plan, facts) : cli::kNoMode);
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

}  // namespace swaptrail::offline
