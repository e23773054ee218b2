#include "daemon/capture/session.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bpf/counted.h"
#include "bpf/full.skel.h"
#include "bpf/kprobe.skel.h"
#include "bpf/tracepoint.skel.h"
#include "daemon/base/files.h"
#include "daemon/base/log.h"
#include "daemon/host/kernel_areas.h"
#include "trace/report/reconcile.h"

namespace swaptrail::capture {
namespace {

struct Image {
  const char* name;
  const void* (*bytes)(size_t* size);
};

Image image_of(probe::Mode mode) {
  switch (mode) {
    case probe::Mode::kFull:
      return {"full", full_bpf__elf_bytes};
    case probe::Mode::kKprobe:
      return {"kprobe", kprobe_bpf__elf_bytes};
    case probe::Mode::kTracepoint:
      break;
  }
  return {"tracepoint", tracepoint_bpf__elf_bytes};
}

// One program of a hook and its target.
struct Placement {
  std::string program;
  Attachment attachment;
  std::string target;
};

std::vector<Placement> placements(const probe::AttachTarget& target, probe::Mode mode) {
  const bool kprobe = mode == probe::Mode::kKprobe || target.by_kprobe;
  const Attachment entry = kprobe                       ? Attachment::kKprobe
                           : mode == probe::Mode::kFull ? Attachment::kTracing
                                                        : Attachment::kRawTracepoint;
  std::vector<Placement> result;
  if (!target.entry_program.empty()) result.push_back({target.entry_program, entry, target.target});
  if (!target.exit_entry_program.empty())
    result.push_back({target.exit_entry_program, entry, target.target});
  if (!target.exit_program.empty())
    result.push_back({target.exit_program, kprobe ? Attachment::kKretprobe : entry,
                      target.end_target.empty() ? target.target : target.end_target});
  return result;
}

// What the programs make of a page: see Session::Options.
struct Detail {
  bool samples = false;
  bool counts_only = false;
};

// Marks for as many slots as the reconstructor follows, in blocks of 64 (bpf/sample.bpf.h).
absl::Status make_marks(bool samples, BpfObject& object) {
  constexpr uint32_t kBlocks = (4 << 20) / 64;
  const uint8_t wanted = samples;
  uint64_t salt = 0;
  if (samples && getrandom(&salt, sizeof(salt), 0) != sizeof(salt))
    return absl::InternalError(absl::StrCat("getrandom: ", std::strerror(errno)));
  absl::Status status = object.set_constant("samples", wanted);
  status.Update(object.set_constant("sample_salt", salt));
  if (!status.ok()) return status;
  const int error = bpf_map__set_max_entries(object.map("marks"), samples ? kBlocks : 1);
  if (error == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("can't make room for marks: ", std::strerror(-error)));
}

absl::Status make_counted(bool counts_only, BpfObject& object) {
  const uint8_t wanted = counts_only;
  if (absl::Status status = object.set_constant("counts_only", wanted); !status.ok()) return status;
  const int error =
      bpf_map__set_max_entries(object.map("counted"), counts_only ? SWAPTRAIL_COUNTED_ROWS : 1);
  if (error == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("can't make room for counts: ", std::strerror(-error)));
}

absl::Status open_and_check(probe::Mode mode, const probe::HostFeatures& host, Detail detail,
                            std::optional<BpfObject>& object) {
  const Image image = image_of(mode);
  size_t size = 0;
  const void* bytes = image.bytes(&size);
  auto opened = BpfObject::open(image.name, bytes, size);
  if (!opened.ok()) return opened.status();
  object.emplace(*std::move(opened));

  uint32_t abi = 0;
  absl::Status status = object->read_constant("abi_version", &abi, sizeof(abi));
  if (status.ok() && abi != SWAPTRAIL_ABI_VERSION)
    status = absl::InternalError("the programs and the daemon were built from different event.h");
  if (!status.ok()) return status;

  // SWAPFILE_CLUSTER (mm/swap.h) is one huge page with CONFIG_THP_SWAP, which x86-64 has when it
  // has transparent huge pages; else 256.
  const bool thp = access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0;
  const uint8_t may_probe = host.probe_read_kernel.ok, may_cast = host.rdonly_cast.ok;
  status.Update(object->set_constant("may_probe_read", may_probe));
  status.Update(object->set_constant("has_rdonly_cast", may_cast));
  status.Update(object->set_constant<uint32_t>("cluster_slots", thp ? 512 : 256));
  if (mode == probe::Mode::kTracepoint) return status;
  status.Update(make_marks(detail.samples, *object));
  status.Update(make_counted(detail.counts_only, *object));
  return status;
}

absl::Status want_hook(BpfObject& object, const probe::HookPlan& hook,
                       const probe::HostFeatures& host, probe::Mode mode) {
  if (hook.target.by_kprobe && !host.kprobe.ok)
    return absl::PermissionDeniedError("it needs a kprobe: " + host.kprobe.reason);
  for (const Placement& p : placements(hook.target, mode))
    if (absl::Status status = object.want(p.program, p.attachment, p.target); !status.ok())
      return status;
  return absl::OkStatus();
}

void give_up(probe::HookPlan& hook, const std::string& reason) {
  hook.state = probe::HookState::kMissing;
  hook.kinds = 0;
  hook.reason = reason;
}

// The line of the verifier's log that gives the reason: the one before the closing statistics.
std::string verifier_reason(const std::string& log) {
  std::string last;
  for (absl::string_view line : absl::StrSplit(log, '\n')) {
    if (absl::StartsWith(line, "processed ")) break;
    if (!line.empty()) last = std::string(line);
  }
  return last;
}

// Which hooks are refused on their own? Slow (loads every hook once), so only after a failure.
void drop_refused_hooks(probe::AttachPlan& plan, const probe::HostFeatures& host, Detail detail) {
  for (probe::HookPlan& hook : plan.hooks) {
    if (hook.state != probe::HookState::kChosen) continue;
    std::optional<BpfObject> object;
    absl::Status status = open_and_check(plan.mode.mode, host, detail, object);
    if (status.ok()) status = want_hook(*object, hook, host, plan.mode.mode);
    if (status.ok()) status = object->load();
    if (!status.ok())
      give_up(hook, absl::StrCat(status.message(), ": ", verifier_reason(last_libbpf_words())));
  }
}

// Is there a hook for every way that a write can go, except the zero map?
bool tells_backend(const probe::AttachPlan& plan) {
  constexpr absl::string_view kWays[] = {"write_issued", "zswap_stored", "cache_deleted"};
  return std::all_of(std::begin(kWays), std::end(kWays), [&](absl::string_view way) {
    const probe::HookPlan* hook = plan.find(way);
    return hook != nullptr && hook->state != probe::HookState::kMissing;
  });
}

bool is_chosen(const probe::AttachPlan& plan, absl::string_view name) {
  const probe::HookPlan* hook = plan.find(name);
  return hook != nullptr && hook->state == probe::HookState::kChosen;
}

// Of block/bio.c and mm/page_io.c, see bpf/tracepoint.bpf.c. All 0 if some kind of write has none.
std::array<uint64_t, 3> swap_bio_ends(const probe::SymbolTable& symbols) {
  const std::array<uint64_t, 3> ends{symbols.address("end_swap_bio_write"),
                                     symbols.address("submit_bio_wait_endio"),
                                     symbols.address("bio_wait_end_io")};
  if (ends[0] != 0 && ends[1] + ends[2] != 0) return ends;
  base::log_line(
      "/proc/kallsyms does not show how writes to swap end: those to a device that is stacked on "
      "another (dm, md) are counted once for each of them");
  return {};
}

absl::Status load_wanted(probe::AttachPlan& plan, const probe::HostFeatures& host,
                         const probe::SymbolTable& symbols, int cpus, Detail detail,
                         std::optional<BpfObject>& object) {
  absl::Status status = open_and_check(plan.mode.mode, host, detail, object);
  if (!status.ok()) return status;
  for (probe::HookPlan& hook : plan.hooks) {
    if (hook.state != probe::HookState::kChosen) continue;
    if (absl::Status wanted = want_hook(*object, hook, host, plan.mode.mode); !wanted.ok()) {
      for (const Placement& p : placements(hook.target, plan.mode.mode)) object->unwant(p.program);
      give_up(hook, std::string(wanted.message()));
    }
  }
  if (int error = bpf_map__set_max_entries(object->map("rings"), cpus); error != 0)
    return absl::InternalError(
        absl::StrCat("can't make room for ", cpus, " rings: ", std::strerror(-error)));
  const uint8_t tells = tells_backend(plan), counts = is_chosen(plan, "entries_dropped"),
                names = is_chosen(plan, "shmem_write");
  status = object->set_constant("tells_backend", tells);
  if (plan.mode.mode == probe::Mode::kTracepoint) {
    status.Update(object->set_constant("swap_bio_ends", swap_bio_ends(symbols)));
  } else {
    status.Update(object->set_constant("counts_filled_ptes", counts));
    status.Update(object->set_constant("names_files", names));
  }
  return status.ok() ? object->load() : status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventSource>> Session::start(probe::AttachPlan plan,
                                                            const probe::HostFeatures& host,
                                                            const probe::SymbolTable& symbols,
                                                            const Options& options) {
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 1)
    return absl::InternalError(
        absl::StrCat("can't find how many CPUs there are: ", std::strerror(-cpus),
                     "; is /sys/devices/system/cpu/possible readable?"));
  if (options.samples && plan.mode.mode == probe::Mode::kTracepoint)
    return absl::FailedPreconditionError(
        "in tracepoint mode pages can't be sampled: run without --sample and --cpu-limit");
  if (options.counts_only && plan.mode.mode == probe::Mode::kTracepoint)
    return absl::FailedPreconditionError(
        "in tracepoint mode nothing is counted by cgroup: run without --detail=counters");
  const Detail detail{options.samples, options.counts_only};
  std::optional<BpfObject> object;
  absl::Status status = load_wanted(plan, host, symbols, cpus, detail, object);
  if (!status.ok()) {
    drop_refused_hooks(plan, host, detail);
    const bool any = std::any_of(
        plan.hooks.begin(), plan.hooks.end(),
        [](const probe::HookPlan& hook) { return hook.state == probe::HookState::kChosen; });
    if (!any) return status;
    object.reset();
    status = load_wanted(plan, host, symbols, cpus, detail, object);
  }
  if (!status.ok()) return status;

  std::unique_ptr<Session> session(new Session(*std::move(object), std::move(plan)));
  session->samples_ = options.samples;
  session->counts_only_ = options.counts_only;
  if (options.statistics) session->object_.count_runs().IgnoreError();  // then there are none
  status = session->make_rings(cpus, options.ring_bytes);
  if (status.ok()) status = session->map_batches();
  if (status.ok() && options.samples) status = session->set_sample_shift(options.sample_shift);
  if (status.ok()) status = session->attach_hooks();
  if (!status.ok()) return status;
  return session;
}

absl::Status Session::make_rings(int cpus, size_t bytes) {
  const int rings = bpf_map__fd(object_.map("rings"));
  for (int cpu = 0; cpu < cpus; ++cpu) {
    auto ring = Ring::create(bytes);
    if (!ring.ok()) return ring.status();
    const int fd = ring->fd();
    if (int error = bpf_map_update_elem(rings, &cpu, &fd, BPF_ANY); error != 0)
      return absl::InternalError(
          absl::StrCat("can't hand ring ", cpu, " to the programs: ", std::strerror(-error)));
    rings_.push_back(*std::move(ring));
  }
  sweeper_.emplace(rings_.size(), bytes);
  return absl::OkStatus();
}

absl::Status Session::map_batches() {
  if (plan_.mode.mode == probe::Mode::kTracepoint) return absl::OkStatus();
  const bpf_map* places = object_.map("batches");
  auto view = BatchView::create(bpf_map__fd(places), bpf_map__fd(object_.map("batches_beside")),
                                bpf_map__value_size(places));
  if (!view.ok()) return view.status();
  batches_.emplace(*std::move(view));
  return absl::OkStatus();
}

absl::Status Session::attach(const probe::HookPlan& hook) {
  absl::Status status;
  for (const Placement& p : placements(hook.target, plan_.mode.mode))
    if (status.ok()) status = object_.attach(p.program, p.attachment, p.target);
  return status;
}

// The batches last: then all other hooks see a batch that is followed from its begin.
absl::Status Session::attach_hooks() {
  std::vector<probe::HookPlan*> chosen;
  for (probe::HookPlan& hook : plan_.hooks) {
    if (hook.state == probe::HookState::kChosen) chosen.push_back(&hook);
  }
  std::stable_partition(chosen.begin(), chosen.end(),
                        [](const probe::HookPlan* hook) { return hook->hook != "reclaim_batch"; });
  int attached = 0;
  absl::Status last;
  for (probe::HookPlan* hook : chosen) {
    const absl::Status status = attach(*hook);
    if (status.ok()) {
      ++attached;
    } else {
      give_up(*hook, std::string(status.message()));
      last = status;
    }
  }
  start_ns_ = skipped_ns_ = base::monotonic_ns();
  if (attached == 0 && !last.ok()) return last;
  if (attached == 0) return absl::FailedPreconditionError("no hook could be attached");
  return absl::OkStatus();
}

uint64_t Session::sweep(Merger& merger) {
  for (const swaptrail_pass& pass : std::exchange(left_open_, {}))
    sweeper_->take_left_open(pass, merger);
  const auto look = [this](uint32_t tid) {
    auto shown = batches_ ? batches_->of(tid) : std::nullopt;
    if (shown && detached_) shown->pass.folio = 0;  // taken above
    return shown;
  };
  return sweeper_->sweep(
      base::monotonic_ns(), [this](uint32_t cpu) -> RecordQueue& { return rings_[cpu]; }, look,
      merger);
}

absl::Status Session::set_sample_shift(uint32_t shift) {
  const bpf_map* map = object_.map("sample_shift");
  if (map == nullptr || !samples_)
    return absl::FailedPreconditionError("the programs were not loaded for a sample");
  const uint32_t zero = 0;
  if (bpf_map_update_elem(bpf_map__fd(map), &zero, &shift, BPF_ANY) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("can't set the rate: ", std::strerror(errno)));
}

void Session::detach() {
  object_.detach();
  detached_ = true;
  if (batches_) left_open_ = batches_->open_passes();  // no program will submit them any more
}

std::optional<Loss> Session::newly_skipped() {
  const uint64_t before_ns = base::monotonic_ns();
  const uint64_t skipped = object_.skipped_runs();
  const uint64_t from_ns = std::exchange(skipped_ns_, before_ns);
  const uint64_t reported = std::exchange(skipped_, skipped);
  if (skipped <= reported) return std::nullopt;
  return Loss{from_ns, base::monotonic_ns(), skipped - reported, kNoCpu};
}

std::vector<ProgramRuns> Session::program_runs() const {
  std::vector<ProgramRuns> all;
  for (BpfObject::Runs& runs : object_.program_runs()) {
    ProgramRuns one{
        "", std::move(runs.program), std::move(runs.target), runs.runs, runs.run_ns, runs.skipped};
    for (const probe::HookPlan& hook : plan_.hooks)
      for (const Placement& p : placements(hook.target, plan_.mode.mode))
        if (p.program == one.program && p.target == one.target) one.hook = hook.hook;
    all.push_back(std::move(one));
  }
  return all;
}

absl::StatusOr<std::vector<swaptrail_totals>> Session::totals_by_cpu() const {
  std::vector<swaptrail_totals> values(rings_.size());
  const uint32_t zero = 0;
  if (int error = bpf_map_lookup_elem(bpf_map__fd(object_.map("totals")), &zero, values.data());
      error != 0)
    return absl::InternalError(absl::StrCat("can't read the totals: ", std::strerror(-error)));
  return values;
}

absl::StatusOr<std::vector<CountedRow>> Session::counted() const {
  if (!counts_only_) return std::vector<CountedRow>();
  return read_counted(bpf_map__fd(object_.map("counted")),
                      bpf_map__fd(object_.map("counted_beyond")), rings_.size());
}

absl::StatusOr<swaptrail_totals> EventSource::totals() const {
  auto values = totals_by_cpu();
  if (!values.ok()) return values.status();
  swaptrail_totals sum{};
  for (const swaptrail_totals& one : *values) report::add_totals(one, sum);
  return sum;
}

}  // namespace swaptrail::capture
