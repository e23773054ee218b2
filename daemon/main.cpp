// swaptraild: load what this kernel permits, follow every page on its way to swap, tell.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <optional>
#include <string>
#include <variant>

#include "daemon/area_watch.h"
#include "daemon/attach_plan.h"
#include "daemon/cgroup_walker.h"
#include "daemon/features.h"
#include "daemon/flight_triggers.h"
#include "daemon/kernel_view.h"
#include "daemon/options.h"
#include "daemon/outlet.h"
#include "daemon/output.h"
#include "daemon/page_frames.h"
#include "daemon/pipeline.h"
#include "daemon/privileges.h"
#include "daemon/proc.h"
#include "daemon/serving.h"
#include "daemon/session.h"
#include "daemon/supervisor.h"

namespace swaptrail {
namespace {

std::atomic<bool> stop_requested{false};

void request_stop(int) { stop_requested.store(true, std::memory_order_relaxed); }

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = request_stop;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = [](int) { FlightTriggers::request(); };
  sigaction(SIGUSR2, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);  // a closed pipe ends the printing only
}

void say(const std::string& text) { std::fprintf(stderr, "swaptraild: %s\n", text.c_str()); }

ExitCode refuse(ExitCode code, const std::string& what, const std::string& what_to_do) {
  say(what + "; " + what_to_do);
  return code;
}

std::string text_of(const absl::Status& status) { return std::string(status.message()); }

// A reader that stops, of a pipe or a terminal, must not stop the observation.
void wait_for_no_reader() {
  for (const int file : {STDOUT_FILENO, STDERR_FILENO}) never_wait_for_reader(file);
}

// Says what was not printed: then the exit code is not 0.
ExitCode look_at_output(const Output& output, ExitCode code) {
  if (output.lines_left_out() > 0)
    say(std::to_string(output.lines_left_out()) +
        " lines were not printed: their reader is too slow");
  const bool whole = !output.failed() && output.lines_left_out() == 0;
  return code == kExitOk && !whole ? kExitFailure : code;
}

// Which of the hooks are on, for people and for scripts that wait for the line.
std::string ready_line(const AttachPlan& plan) {
  int chosen = 0, missing = 0;
  std::string names;
  for (const HookPlan& hook : plan.hooks) {
    if (hook.state == HookState::kChosen) chosen++;
    if (hook.state != HookState::kMissing) continue;
    missing++;
    names += (names.empty() ? "" : ", ") + hook.hook;
  }
  std::string line = "ready: mode " + std::string(mode_name(plan.mode.mode)) + ", " +
                     std::to_string(chosen) + " hooks";
  if (missing > 0) line += ", not visible: " + names;
  return line;
}

ExitCode explain(const Options& options) {
  auto kernel =
      KernelView::open({.btf_path = options.btf, .symbols_path = options.symbols, .release = ""});
  if (!kernel.ok()) return refuse(kExitUsage, text_of(kernel.status()), "see --help");
  std::optional<HostFeatures> host;
  ModeChoice mode{options.mode.value_or(Mode::kFull), "as if everything was permitted"};
  if (options.btf.empty()) {
    host = probe_host(*kernel);
    if (auto choice = choose_mode(*host, options.mode); choice.ok())
      mode = *choice;
    else
      mode.reason = text_of(choice.status());
  }
  const AttachPlan plan = make_attach_plan(*kernel, mode);
  const std::string text = options.print == PrintFormat::kJsonl
                               ? explain_jsonl(plan, host ? &*host : nullptr)
                               : explain_text(plan, host ? &*host : nullptr);
  std::fputs(text.c_str(), stdout);
  return kExitOk;
}

ExitCode refuse_session(const absl::Status& status, const Options& options) {
  if (absl::IsPermissionDenied(status))
    return refuse(kExitPermission, text_of(status),
                  "run it as root, or with CAP_BPF and CAP_PERFMON");
  if (absl::IsResourceExhausted(status))
    return refuse(kExitNoMemory, text_of(status),
                  "give a smaller --ring-size than " + std::to_string(options.ring_mib) +
                      " (MiB for each CPU), or raise the memory limit");
  return refuse(kExitUnsupported, text_of(status), "see swaptraild --explain-attach");
}

std::optional<PageFrames> find_page_frames() {
  auto found = PageFrames::calibrate();
  if (found.ok()) return *found;
  say("no page frame numbers: " + text_of(found.status()));
  return std::nullopt;
}

std::string cgroup_mount() {
  const auto mounts = read_file("/proc/self/mountinfo");
  return mounts.ok() ? Cgroups::find_mount(*mounts) : "";
}

ExitCode run_pipeline(Pipeline& pipeline, Serving& serving, AreaWatch& areas) {
  const AttachPlan& plan = pipeline.plan();
  if (absl::Status status = serving.start(plan, areas); !status.ok())
    return refuse(kExitFailure, text_of(status), "nothing is observed");
  say(ready_line(plan));
  tell_ready(ready_line(plan));
  const absl::Status status = pipeline.run(stop_requested);
  tell_stopping();
  serving.stop();
  if (status.ok()) return kExitOk;
  return refuse(kExitFailure, text_of(status), "what holds totals against the kernel's is missing");
}

ExitCode observe(const Options& options, AttachPlan plan, const HostFeatures& host) {
  Cgroups cgroups(cgroup_mount());
  cgroups.refresh_if_changed(monotonic_ns());
  CgroupWalker walker(cgroups);
  const HostNames names(find_page_frames(), walker);
  Output output(options, names, STDOUT_FILENO);
  auto serving = Serving::prepare(options, cgroups, names.frames());
  if (!serving.ok()) return refuse(kExitFailure, text_of(serving.status()), "nothing is observed");
  const std::unique_ptr<AreaWatch> areas = AreaWatch::on_host();
  auto session =
      Session::start(std::move(plan), host,
                     {.ring_bytes = options.ring_mib << 20, .statistics = options.bpf_statistics});
  if (!session.ok()) return refuse_session(session.status(), options);
  auto pipeline =
      Pipeline::create(*std::move(session), options,
                       {names, output, *areas, (*serving)->sinks(), (*serving)->standings(),
                        (*serving)->questions(), [&serving] { (*serving)->after_sweep(); }});
  if (!pipeline.ok())
    return refuse(kExitFailure, text_of(pipeline.status()), "nothing was recorded");

  if (absl::Status status = lock_memory(); !status.ok())
    say(text_of(status) + "; the daemon itself may be swapped");
  if (absl::Status status = drop_capabilities(); !status.ok())
    return refuse(kExitFailure, text_of(status), "it does not serve with more than it needs");
  walker.start();
  return look_at_output(output, run_pipeline(**pipeline, **serving, *areas));
}

ExitCode start(const Options& options) {
  auto kernel = KernelView::open({});
  if (!kernel.ok())
    return refuse(kExitUnsupported, text_of(kernel.status()),
                  "swaptraild needs CONFIG_DEBUG_INFO_BTF");
  raise_memlock();
  const HostFeatures host = probe_host(*kernel);
  if (!host.raw_tracepoint.ok && geteuid() != 0)
    return refuse(kExitPermission,
                  "no permission to load BPF programs (" + host.raw_tracepoint.reason + ")",
                  "run it as root, or with CAP_BPF and CAP_PERFMON");
  auto mode = choose_mode(host, options.mode);
  if (!mode.ok())
    return refuse(kExitUnsupported, text_of(mode.status()), "see swaptraild --explain-attach");
  if (!host.swap.ok && !options.allow_no_swap)
    return refuse(kExitNoSwap, "no swap area is on", "swapon one, or start with --allow-no-swap");
  if (absl::Status lock = take_lock(options.run_dir); !lock.ok()) {
    if (absl::IsAlreadyExists(lock))
      return refuse(kExitAlreadyRunning, "another swaptraild is running (" + text_of(lock) + ")",
                    "stop it first");
    return refuse(kExitFailure, text_of(lock), "give another --run-dir");
  }
  return observe(options, make_attach_plan(*kernel, *mode), host);
}

int run(int argc, char** argv) {
  const auto parsed = parse_options(argc, argv);
  if (const ExitCode* code = std::get_if<ExitCode>(&parsed)) return *code;
  const Options& options = std::get<Options>(parsed);
  if (options.explain_attach) return explain(options);
  catch_signals();
  wait_for_no_reader();
  return start(options);
}

}  // namespace
}  // namespace swaptrail

int main(int argc, char** argv) { return swaptrail::run(argc, argv); }
