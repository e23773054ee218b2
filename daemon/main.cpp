// swaptraild: loads what this kernel permits, follows every page on its way to swap, and reports
// it.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <bit>
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

namespace swaptrail::daemon {
namespace {

// As small as the kernel allows: nothing comes with --detail=counters.
constexpr size_t kSmallestRing = 4096;

std::atomic<bool> stop_requested{false};

std::atomic<bool> hangup{false};

void request_stop(int) { stop_requested.store(true, std::memory_order_relaxed); }

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = request_stop;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = [](int) { record::FlightTriggers::request(); };
  sigaction(SIGUSR2, &action, nullptr);
  action.sa_handler = [](int) { hangup.store(true, std::memory_order_relaxed); };
  sigaction(SIGHUP, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);  // a closed pipe ends the printing only
}

base::ExitCode refuse(base::ExitCode code, const std::string& what, const std::string& what_to_do) {
  base::log_always(what + "; " + what_to_do);
  return code;
}

std::string text_of(const absl::Status& status) { return std::string(status.message()); }

// A reader of a pipe or a terminal that stops must not stop the observation.
void wait_for_no_reader() {
  for (const int file : {STDOUT_FILENO, STDERR_FILENO}) pipeline::never_wait_for_reader(file);
}

// Reports what was not printed; in that case the exit code is not 0.
base::ExitCode look_at_output(const pipeline::Output& output, base::ExitCode code) {
  if (output.lines_left_out() > 0)
    base::log_always(std::to_string(output.lines_left_out()) +
                     " lines were not printed: their reader is too slow");
  const bool whole = !output.failed() && output.lines_left_out() == 0;
  return code == base::kExitOk && !whole ? base::kExitFailure : code;
}

// Shows which hooks are on: for people, and for scripts that wait for the line.
std::string ready_line(const probe::AttachPlan& plan) {
  int chosen = 0, missing = 0;
  std::string names;
  for (const probe::HookPlan& hook : plan.hooks) {
    if (hook.state == probe::HookState::kChosen) chosen++;
    if (hook.state != probe::HookState::kMissing) continue;
    ++missing;
    names += (names.empty() ? "" : ", ") + hook.hook;
  }
  std::string line = "ready: mode " + std::string(probe::mode_name(plan.mode.mode)) + ", " +
                     std::to_string(chosen) + " hooks";
  if (missing > 0) line += ", not visible: " + names;
  return line;
}

base::ExitCode print(const std::string& text) {
  const absl::Status printed = base::print_whole(text);
  return printed.ok() ? base::kExitOk
                      : refuse(base::kExitFailure, text_of(printed), "the rest is not there");
}

probe::AttachPlan plan_for(const probe::KernelView& kernel, const probe::ModeChoice& mode,
                           const options::Options& options) {
  probe::AttachPlan plan = probe::make_attach_plan(kernel, mode);
  if (options.counts_only && mode.mode != probe::Mode::kTracepoint)
    probe::keep_counting_hooks(plan);
  return plan;
}

base::ExitCode explain(const options::Options& options) {
  auto kernel = probe::KernelView::open(
      {.btf_path = options.btf, .symbols_path = options.symbols, .release = ""});
  if (!kernel.ok()) return refuse(base::kExitUsage, text_of(kernel.status()), "see --help");
  std::optional<probe::HostFeatures> host;
  probe::ModeChoice mode{options.mode.value_or(probe::Mode::kFull),
                         "as if everything was permitted"};
  if (options.btf.empty()) {
    host = probe::probe_host(*kernel);
    if (auto choice = probe::choose_mode(*host, options.mode); choice.ok())
      mode = *choice;
    else
      mode.reason = text_of(choice.status());
  }
  const probe::AttachPlan plan = plan_for(*kernel, mode, options);
  const std::string text = options.print == report::PrintFormat::kJsonl
                               ? probe::explain_jsonl(plan, host ? &*host : nullptr)
                               : probe::explain_text(plan, host ? &*host : nullptr);
  return print(text);
}

// The kernel reports EPERM for both, so too little lockable memory looks like too few privileges.
base::ExitCode refuse_memlock(const probe::HostFeatures& host, const std::string& what) {
  return refuse(
      base::kExitNoMemory, what + " (" + host.memlock.reason + ")",
      "raise RLIMIT_MEMLOCK: ulimit -l unlimited, or LimitMEMLOCK=infinity of the service");
}

base::ExitCode refuse_session(const absl::Status& status, const probe::HostFeatures& host,
                              const options::Options& options) {
  if (!host.memlock.ok && (absl::IsPermissionDenied(status) || absl::IsResourceExhausted(status)))
    return refuse_memlock(host, text_of(status));
  if (absl::IsPermissionDenied(status))
    return refuse(base::kExitPermission, text_of(status),
                  "run it as root, or with CAP_BPF and CAP_PERFMON");
  if (absl::IsResourceExhausted(status))
    return refuse(base::kExitNoMemory, text_of(status),
                  "give a smaller --ring-size than " + std::to_string(options.ring_mib) +
                      " (MiB for each CPU), or raise the memory limit");
  return refuse(base::kExitUnsupported, text_of(status), "see swaptraild --explain-attach");
}

std::optional<host::PageFrames> find_page_frames() {
  auto found = host::PageFrames::calibrate();
  if (found.ok()) return *found;
  base::log_line("no page frame numbers: " + text_of(found.status()));
  return std::nullopt;
}

std::string cgroup_mount() {
  const auto mounts = base::read_file("/proc/self/mountinfo");
  return mounts.ok() ? host::Cgroups::find_mount(*mounts) : "";
}

// After each sweep: the service's watchdog is notified only while sweeps go on.
void after_sweep(Serving& serving) {
  serving.after_sweep();
  host::notify_alive(base::monotonic_ns());
  if (hangup.exchange(false, std::memory_order_relaxed))
    base::log_line(
        "SIGHUP: the web configuration and its certificates are read again whenever they change; "
        "other options need a restart");
}

// Separates errors that trying again can't fix from others.
base::ExitCode code_of(const absl::Status& status) {
  const bool stays = absl::IsInvalidArgument(status) || absl::IsFailedPrecondition(status);
  return stays ? base::kExitUsage : base::kExitFailure;
}

// From here on the process can only observe and serve.
absl::Status give_up_privileges() {
  if (absl::Status status = host::lock_memory(); !status.ok())
    base::log_line(text_of(status) + "; the daemon itself may be swapped");
  if (absl::Status status = host::drop_capabilities(); !status.ok()) return status;
  return host::confine();
}

base::ExitCode run_pipeline(pipeline::Pipeline& pipeline, Serving& serving,
                            host::AreaWatch& areas) {
  const probe::AttachPlan& plan = pipeline.plan();
  if (absl::Status status = serving.start(plan, areas); !status.ok())
    return refuse(base::kExitFailure, text_of(status), "nothing is observed");
  base::log_always(ready_line(plan));
  host::notify_ready(ready_line(plan));
  const absl::Status status = pipeline.run(stop_requested);
  host::notify_stopping();
  serving.stop();
  if (status.ok()) return base::kExitOk;
  return refuse(base::kExitFailure, text_of(status),
                "the comparison with the kernel's counters is missing");
}

// `kernel` is freed as soon as everything is attached: the daemon needs no symbols to observe.
base::ExitCode observe(const options::Options& options, std::unique_ptr<probe::KernelView> kernel,
                       probe::AttachPlan plan, const probe::HostFeatures& host) {
  host::Cgroups cgroups(cgroup_mount());
  cgroups.refresh_if_changed(base::monotonic_ns());
  host::CgroupWalker walker(cgroups);
  const pipeline::HostNames names(find_page_frames(), walker);
  pipeline::Output output(options.print, options, names, STDOUT_FILENO);
  auto serving = Serving::prepare(options, cgroups, names.frames());
  if (!serving.ok())
    return refuse(code_of(serving.status()), text_of(serving.status()), "nothing is observed");
  const std::unique_ptr<host::AreaWatch> areas = host::AreaWatch::on_host(kernel->symbols());
  auto session = capture::Session::start(
      std::move(plan), host, kernel->symbols(),
      {.ring_bytes = options.counts_only ? kSmallestRing : options.ring_mib << 20,
       .statistics = options.bpf_statistics,
       .samples = options.may_sample(),
       .sample_shift = static_cast<uint32_t>(std::countr_zero(options.sample)),
       .counts_only = options.counts_only});
  kernel.reset();
  if (!session.ok()) return refuse_session(session.status(), host, options);
  auto pipeline = pipeline::Pipeline::create(
      *std::move(session), options,
      {names, output, *areas, (*serving)->sinks(), (*serving)->status_board(),
       (*serving)->requests(), [&serving] { after_sweep(**serving); }});
  if (!pipeline.ok())
    return refuse(base::kExitFailure, text_of(pipeline.status()), "nothing was recorded");

  if (absl::Status status = give_up_privileges(); !status.ok())
    return refuse(base::kExitFailure, text_of(status), "it does not serve with more than it needs");
  walker.start();
  return look_at_output(output, run_pipeline(**pipeline, **serving, *areas));
}

// Prints everything that is wrong, a line each.
std::optional<base::ExitCode> refuse_problems(const StartProblems& problems) {
  for (const std::string& line : problems.wrong) base::log_always(line);
  for (const std::string& line : problems.for_now) base::log_always(line);
  if (!problems.wrong.empty()) return base::kExitUsage;
  return problems.for_now.empty() ? std::nullopt : std::optional(base::kExitFailure);
}

// Temporary problems are no fault of the options: a port is in use while the daemon runs.
base::ExitCode check_only(const options::Options& options) {
  StartProblems problems = problems_at_start(options);
  problems.for_now.clear();
  if (const auto code = refuse_problems(problems)) return *code;
  return print("OK\n");
}

base::ExitCode start(const options::Options& options) {
  auto kernel = probe::KernelView::open({});
  if (!kernel.ok())
    return refuse(base::kExitUnsupported, text_of(kernel.status()),
                  "swaptraild needs CONFIG_DEBUG_INFO_BTF");
  host::raise_memlock();
  host::raise_descriptors();
  const probe::HostFeatures host = probe::probe_host(*kernel);
  if (!host.raw_tracepoint.ok && geteuid() != 0)
    return refuse(base::kExitPermission,
                  "no permission to load BPF programs (" + host.raw_tracepoint.reason + ")",
                  "run it as root, or with CAP_BPF and CAP_PERFMON");
  if (!host.raw_tracepoint.ok && !host.memlock.ok)
    return refuse_memlock(host, "no BPF program can be loaded: " + host.raw_tracepoint.reason);
  if (const auto code = refuse_problems(problems_at_start(options))) return *code;
  auto mode = probe::choose_mode(host, options.mode);
  if (!mode.ok())
    return refuse(base::kExitUnsupported, text_of(mode.status()),
                  "see swaptraild --explain-attach");
  if (!host.swap.ok && !options.allow_no_swap)
    return refuse(base::kExitNoSwap, "no swap area is on",
                  "swapon one, or start with --allow-no-swap");
  if (absl::Status lock = host::take_lock(options.run_dir); !lock.ok()) {
    if (absl::IsAlreadyExists(lock))
      return refuse(base::kExitAlreadyRunning,
                    "another swaptraild is running (" + text_of(lock) + ")", "stop it first");
    return refuse(code_of(lock), text_of(lock), "or give another --run-dir");
  }
  probe::AttachPlan plan = plan_for(*kernel, *mode, options);
  return observe(options, std::make_unique<probe::KernelView>(*std::move(kernel)), std::move(plan),
                 host);
}

int run(int argc, char** argv) {
  if (!base::standard_streams_are_open()) return base::kExitFailure;
  host::begin_safely();
  host::share_heaps();
  const auto parsed = options::parse_options(argc, argv);
  if (const base::ExitCode* code = std::get_if<base::ExitCode>(&parsed)) return *code;
  const options::Options& options = std::get<options::Options>(parsed);
  if (options.check_config) return check_only(options);
  if (options.explain_attach) return explain(options);
  catch_signals();
  wait_for_no_reader();
  return start(options);
}

}  // namespace
}  // namespace swaptrail::daemon

int main(int argc, char** argv) { return swaptrail::daemon::run(argc, argv); }
