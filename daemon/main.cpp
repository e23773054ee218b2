// swaptraild: loads what this kernel permits, follows every page on its way to swap, and reports
// it.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <optional>
#include <string>
#include <variant>

#include "daemon/base/files.h"
#include "daemon/base/log.h"
#include "daemon/capture/session.h"
#include "daemon/host/area_watch.h"
#include "daemon/host/cgroup_walker.h"
#include "daemon/host/own_memory.h"
#include "daemon/host/page_frames.h"
#include "daemon/host/privileges.h"
#include "daemon/host/supervisor.h"
#include "daemon/options/options.h"
#include "daemon/pipeline/outlet.h"
#include "daemon/pipeline/output.h"
#include "daemon/pipeline/pipeline.h"
#include "daemon/probe/attach_plan.h"
#include "daemon/probe/features.h"
#include "daemon/probe/kernel_view.h"
#include "daemon/record/flight_triggers.h"
#include "daemon/serving.h"
#include "daemon/start_checks.h"

namespace swaptrail {
namespace {

std::atomic<bool> stop_requested{false};

std::atomic<bool> hangup{false};

void request_stop(int) { stop_requested.store(true, std::memory_order_relaxed); }

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = request_stop;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = [](int) { FlightTriggers::request(); };
  sigaction(SIGUSR2, &action, nullptr);
  action.sa_handler = [](int) { hangup.store(true, std::memory_order_relaxed); };
  sigaction(SIGHUP, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);  // a closed pipe ends the printing only
}

ExitCode refuse(ExitCode code, const std::string& what, const std::string& what_to_do) {
  log_always(what + "; " + what_to_do);
  return code;
}

std::string text_of(const absl::Status& status) { return std::string(status.message()); }

// A reader of a pipe or a terminal that stops must not stop the observation.
void wait_for_no_reader() {
  for (const int file : {STDOUT_FILENO, STDERR_FILENO}) never_wait_for_reader(file);
}

// Reports what was not printed; in that case the exit code is not 0.
ExitCode look_at_output(const Output& output, ExitCode code) {
  if (output.lines_left_out() > 0)
    log_always(std::to_string(output.lines_left_out()) +
               " lines were not printed: their reader is too slow");
  const bool whole = !output.failed() && output.lines_left_out() == 0;
  return code == kExitOk && !whole ? kExitFailure : code;
}

// Shows which hooks are on: for people, and for scripts that wait for the line.
std::string ready_line(const AttachPlan& plan) {
  int chosen = 0, missing = 0;
  std::string names;
  for (const HookPlan& hook : plan.hooks) {
    if (hook.state == HookState::kChosen) chosen++;
    if (hook.state != HookState::kMissing) continue;
    ++missing;
    names += (names.empty() ? "" : ", ") + hook.hook;
  }
  std::string line = "ready: mode " + std::string(mode_name(plan.mode.mode)) + ", " +
                     std::to_string(chosen) + " hooks";
  if (missing > 0) line += ", not visible: " + names;
  return line;
}

ExitCode print(const std::string& text) {
  const absl::Status printed = print_whole(text);
  return printed.ok() ? kExitOk : refuse(kExitFailure, text_of(printed), "the rest is not there");
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
  return print(text);
}

// The kernel reports EPERM for both, so too little lockable memory looks like too few privileges.
ExitCode refuse_memlock(const HostFeatures& host, const std::string& what) {
  return refuse(
      kExitNoMemory, what + " (" + host.memlock.reason + ")",
      "raise RLIMIT_MEMLOCK: ulimit -l unlimited, or LimitMEMLOCK=infinity of the service");
}

ExitCode refuse_session(const absl::Status& status, const HostFeatures& host,
                        const Options& options) {
  if (!host.memlock.ok && (absl::IsPermissionDenied(status) || absl::IsResourceExhausted(status)))
    return refuse_memlock(host, text_of(status));
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
  log_line("no page frame numbers: " + text_of(found.status()));
  return std::nullopt;
}

std::string cgroup_mount() {
  const auto mounts = read_file("/proc/self/mountinfo");
  return mounts.ok() ? Cgroups::find_mount(*mounts) : "";
}

// After each sweep: the service's watchdog is notified only while sweeps go on.
void after_sweep(Serving& serving) {
  serving.after_sweep();
  notify_alive(monotonic_ns());
  if (hangup.exchange(false, std::memory_order_relaxed))
    log_line(
        "SIGHUP: the web configuration and its certificates are read again whenever they change; "
        "other options need a restart");
}

// Separates errors that trying again can't fix from others.
ExitCode code_of(const absl::Status& status) {
  const bool stays = absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status);
  return stays ? kExitUsage : kExitFailure;
}

// From here on the process can only observe and serve.
absl::Status give_up_privileges() {
  if (absl::Status status = lock_memory(); !status.ok())
    log_line(text_of(status) + "; the daemon itself may be swapped");
  if (absl::Status status = drop_capabilities(); !status.ok()) return status;
  return confine();
}

ExitCode run_pipeline(Pipeline& pipeline, Serving& serving, AreaWatch& areas) {
  const AttachPlan& plan = pipeline.plan();
  if (absl::Status status = serving.start(plan, areas); !status.ok())
    return refuse(kExitFailure, text_of(status), "nothing is observed");
  log_always(ready_line(plan));
  notify_ready(ready_line(plan));
  const absl::Status status = pipeline.run(stop_requested);
  notify_stopping();
  serving.stop();
  if (status.ok()) return kExitOk;
  return refuse(kExitFailure, text_of(status),
                "the comparison with the kernel's counters is missing");
}

// `kernel` is freed as soon as everything is attached: the daemon needs no symbols to observe.
ExitCode observe(const Options& options, std::unique_ptr<KernelView> kernel, AttachPlan plan,
                 const HostFeatures& host) {
  Cgroups cgroups(cgroup_mount());
  cgroups.refresh_if_changed(monotonic_ns());
  CgroupWalker walker(cgroups);
  const HostNames names(find_page_frames(), walker);
  Output output(options.print, options, names, STDOUT_FILENO);
  auto serving = Serving::prepare(options, cgroups, names.frames());
  if (!serving.ok())
    return refuse(code_of(serving.status()), text_of(serving.status()), "nothing is observed");
  const std::unique_ptr<AreaWatch> areas = AreaWatch::on_host(kernel->symbols());
  auto session =
      Session::start(std::move(plan), host, kernel->symbols(),
                     {.ring_bytes = options.ring_mib << 20, .statistics = options.bpf_statistics});
  kernel.reset();
  if (!session.ok()) return refuse_session(session.status(), host, options);
  auto pipeline =
      Pipeline::create(*std::move(session), options,
                       {names, output, *areas, (*serving)->sinks(), (*serving)->status_board(),
                        (*serving)->requests(), [&serving] { after_sweep(**serving); }});
  if (!pipeline.ok())
    return refuse(kExitFailure, text_of(pipeline.status()), "nothing was recorded");

  if (absl::Status status = give_up_privileges(); !status.ok())
    return refuse(kExitFailure, text_of(status), "it does not serve with more than it needs");
  walker.start();
  return look_at_output(output, run_pipeline(**pipeline, **serving, *areas));
}

// Prints everything that is wrong, a line each.
std::optional<ExitCode> refuse_problems(const StartProblems& problems) {
  for (const std::string& line : problems.wrong) log_always(line);
  for (const std::string& line : problems.for_now) log_always(line);
  if (!problems.wrong.empty()) return kExitUsage;
  return problems.for_now.empty() ? std::nullopt : std::optional(kExitFailure);
}

// Temporary problems are no fault of the options: a port is in use while the daemon runs.
ExitCode check_only(const Options& options) {
  StartProblems problems = problems_at_start(options);
  problems.for_now.clear();
  if (const auto code = refuse_problems(problems)) return *code;
  return print("OK\n");
}

ExitCode start(const Options& options) {
  auto kernel = KernelView::open({});
  if (!kernel.ok())
    return refuse(kExitUnsupported, text_of(kernel.status()),
                  "swaptraild needs CONFIG_DEBUG_INFO_BTF");
  raise_memlock();
  raise_descriptors();
  const HostFeatures host = probe_host(*kernel);
  if (!host.raw_tracepoint.ok && geteuid() != 0)
    return refuse(kExitPermission,
                  "no permission to load BPF programs (" + host.raw_tracepoint.reason + ")",
                  "run it as root, or with CAP_BPF and CAP_PERFMON");
  if (!host.raw_tracepoint.ok && !host.memlock.ok)
    return refuse_memlock(host, "no BPF program can be loaded: " + host.raw_tracepoint.reason);
  if (const auto code = refuse_problems(problems_at_start(options))) return *code;
  auto mode = choose_mode(host, options.mode);
  if (!mode.ok())
    return refuse(kExitUnsupported, text_of(mode.status()), "see swaptraild --explain-attach");
  if (!host.swap.ok && !options.allow_no_swap)
    return refuse(kExitNoSwap, "no swap area is on", "swapon one, or start with --allow-no-swap");
  if (absl::Status lock = take_lock(options.run_dir); !lock.ok()) {
    if (absl::IsAlreadyExists(lock))
      return refuse(kExitAlreadyRunning, "another swaptraild is running (" + text_of(lock) + ")",
                    "stop it first");
    return refuse(code_of(lock), text_of(lock), "or give another --run-dir");
  }
  AttachPlan plan = make_attach_plan(*kernel, *mode);
  return observe(options, std::make_unique<KernelView>(*std::move(kernel)), std::move(plan), host);
}

int run(int argc, char** argv) {
  if (!standard_streams_are_open()) return kExitFailure;
  begin_safely();
  share_heaps();
  const auto parsed = parse_options(argc, argv);
  if (const ExitCode* code = std::get_if<ExitCode>(&parsed)) return *code;
  const Options& options = std::get<Options>(parsed);
  if (options.check_config) return check_only(options);
  if (options.explain_attach) return explain(options);
  catch_signals();
  wait_for_no_reader();
  return start(options);
}

}  // namespace
}  // namespace swaptrail

int main(int argc, char** argv) { return swaptrail::run(argc, argv); }
