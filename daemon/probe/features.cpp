#include "daemon/probe/features.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/descriptor.h"
#include "daemon/base/files.h"

namespace swaptrail::probe {
namespace {

constexpr char kLicense[] = "GPL";
constexpr char kProbeName[] = "swaptrail_probe";
// Attached to for a moment. Only the kernel's own self-tests call the first.
constexpr const char* kHarmlessFunctions[] = {"bpf_fentry_test1", "do_swap_page"};
// Fires only when kswapd is woken, and exists in every kernel.
constexpr char kHarmlessTracepoint[] = "mm_vmscan_kswapd_wake";
constexpr char kKprobePmu[] = "/sys/bus/event_source/devices/kprobe/type";
constexpr char kLockdownFile[] = "/sys/kernel/security/lockdown";
constexpr int kProbeReadKernel = 113;  // BPF_FUNC_probe_read_kernel, Linux 5.5
// Rings for a few dozen CPUs and the tables, with room to spare.
constexpr rlim_t kMemlockEnough = rlim_t{512} << 20;

constexpr bpf_insn instruction(uint8_t code, uint8_t to, uint8_t from, int16_t offset,
                               int32_t value) {
  bpf_insn insn = {};
  insn.code = code;
  insn.dst_reg = to;
  insn.src_reg = from;
  insn.off = offset;
  insn.imm = value;
  return insn;
}

constexpr bpf_insn set(uint8_t to, int32_t value) {
  return instruction(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value);
}

constexpr bpf_insn kExit = instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);

// return 0;
constexpr bpf_insn kNothing[] = {set(BPF_REG_0, 0), kExit};

// char buffer[8]; bpf_probe_read_kernel(buffer, 8, NULL); return 0;
constexpr bpf_insn kProbeRead[] = {
    instruction(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_10, 0, 0),
    instruction(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, -8),
    set(BPF_REG_2, 8),
    set(BPF_REG_3, 0),
    instruction(BPF_JMP | BPF_CALL, 0, 0, 0, kProbeReadKernel),
    set(BPF_REG_0, 0),
    kExit,
};

template <size_t kCount>
int load(bpf_prog_type type, const bpf_insn (&program)[kCount], uint32_t btf_id = 0) {
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.attach_btf_id = btf_id;
  if (btf_id != 0) options.expected_attach_type = BPF_TRACE_FENTRY;
  return bpf_prog_load(type, kProbeName, kLicense, program, kCount, &options);
}

Fact yes(std::string reason) { return {true, 0, std::move(reason)}; }
Fact no(std::string reason) { return {false, 0, std::move(reason)}; }

// What an error of the kernel most likely means, for somebody who can change it.
Fact refused(absl::string_view what, int error, absl::string_view other_meaning) {
  constexpr absl::string_view kNotPermitted =
      "not permitted: by this host, by lockdown, or for want of CAP_BPF and CAP_PERFMON";
  const bool permission = error == EPERM || error == EACCES;
  const char* name = strerrorname_np(error);
  return {false, error,
          absl::StrCat(what, " refused: ", name != nullptr ? name : absl::StrCat("error ", error),
                       " (", permission ? kNotPermitted : other_meaning, ")")};
}

Fact probe_tracing(const KernelView& running) {
  uint32_t id = 0;
  const char* function = nullptr;
  for (const char* candidate : kHarmlessFunctions) {
    if (id == 0) id = running.function_id(function = candidate);
  }
  if (id == 0) return no("BTF shows no function to try a tracing program on");
  const base::Descriptor program(load(BPF_PROG_TYPE_TRACING, kNothing, id));
  if (!program) {
    return refused("loading a tracing program", errno,
                   "this kernel has no fentry: needs BPF_JIT and FUNCTION_TRACER");
  }
  // With no name this attaches to the function the program was loaded for.
  const base::Descriptor link(bpf_raw_tracepoint_open(nullptr, program.get()));
  if (!link) {
    return refused("attaching a tracing program", errno,
                   "this kernel has no DYNAMIC_FTRACE_WITH_DIRECT_CALLS");
  }
  return yes(absl::StrCat("fentry on ", function, " was accepted"));
}

std::optional<int> kprobe_pmu_type() {
  int type = 0;
  return absl::SimpleAtoi(base::first_line(kKprobePmu), &type) ? std::optional<int>(type)
                                                               : std::nullopt;
}

Fact probe_kprobe() {
  const base::Descriptor program(load(BPF_PROG_TYPE_KPROBE, kNothing));
  if (!program) {
    return refused("loading a kprobe program", errno, "needs BPF_EVENTS and KPROBE_EVENTS");
  }
  const std::optional<int> type = kprobe_pmu_type();
  if (!type) return no(absl::StrCat("no ", kKprobePmu, ": needs KPROBE_EVENTS and PERF_EVENTS"));
  perf_event_attr attributes = {};
  attributes.size = sizeof(attributes);
  attributes.type = static_cast<uint32_t>(*type);
  attributes.disabled = 1;
  attributes.kprobe_func = reinterpret_cast<uint64_t>("do_swap_page");
  const base::Descriptor event(
      static_cast<int>(syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!event) {
    return refused("a kprobe event", errno, "kprobes are off or do_swap_page is no target");
  }
  return yes("a kprobe on do_swap_page was accepted");
}

Fact probe_raw_tracepoint() {
  const base::Descriptor program(load(BPF_PROG_TYPE_RAW_TRACEPOINT, kNothing));
  if (!program) {
    return refused("loading a raw tracepoint program", errno, "needs BPF_EVENTS");
  }
  const base::Descriptor link(bpf_raw_tracepoint_open(kHarmlessTracepoint, program.get()));
  if (!link) {
    return refused("attaching a raw tracepoint program", errno,
                   absl::StrCat("the tracepoint ", kHarmlessTracepoint, " can't be used"));
  }
  return yes(absl::StrCat("raw_tp/", kHarmlessTracepoint, " was accepted"));
}

Fact probe_kernel_reads() {
  const base::Descriptor program(load(BPF_PROG_TYPE_RAW_TRACEPOINT, kProbeRead));
  if (program) return yes("a program that calls bpf_probe_read_kernel was accepted");
  return refused("bpf_probe_read_kernel", errno,
                 "forbidden by lockdown=confidentiality: only BTF pointers can be followed");
}

Fact find_rdonly_cast(const KernelView& running) {
  if (running.function_id("bpf_rdonly_cast") != 0) return yes("BTF has bpf_rdonly_cast");
  return no("this kernel has no bpf_rdonly_cast");
}

Fact find_lockdown() {
  if (const auto text = base::read_file(kLockdownFile); text.ok()) return lockdown_fact(*text);
  return yes(absl::StrCat("not known: no ", kLockdownFile,
                          " (securityfs is not mounted, or no lockdown in this kernel)"));
}

Fact find_swap() {
  if (const auto text = base::read_file("/proc/swaps"); text.ok()) return swap_fact(*text);
  return no("no /proc/swaps: this kernel has no swap (CONFIG_SWAP)");
}

// Up to 5.10 the memory of maps counts against RLIMIT_MEMLOCK (kernel/bpf/syscall.c, struct
// bpf_map's member `memory`); since 5.11 it is charged to the memory cgroup.
Fact find_memlock(const KernelView& running) {
  if (!running.has_field("bpf_map", "memory")) {
    return yes("this kernel charges BPF maps to the memory cgroup, not to RLIMIT_MEMLOCK");
  }
  rlimit limit = {};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= kMemlockEnough) {
    return yes("RLIMIT_MEMLOCK can be raised far enough for BPF maps");
  }
  return no(absl::StrCat("RLIMIT_MEMLOCK is at most ", limit.rlim_max >> 20,
                         " MiB, and this kernel counts BPF maps against it"));
}

}  // namespace

Fact lockdown_fact(absl::string_view security_lockdown) {
  const size_t open = security_lockdown.find('[');
  const size_t close = security_lockdown.find(']');
  if (open == absl::string_view::npos || close == absl::string_view::npos || close < open) {
    return yes("not known: the file has another format");
  }
  const absl::string_view state = security_lockdown.substr(open + 1, close - open - 1);
  return {state == "none", 0, absl::StrCat("lockdown=", state)};
}

Fact swap_fact(absl::string_view proc_swaps) {
  // The first line is the heading; mm/swapfile.c's swap_show.
  const std::vector<absl::string_view> lines =
      absl::StrSplit(proc_swaps, '\n', absl::SkipWhitespace());
  if (lines.size() < 2) return no("no swap area is on: there is nothing to see until swapon");
  return yes(absl::StrCat(lines.size() - 1, lines.size() == 2 ? " swap area" : " swap areas"));
}

uint64_t address_of_symbol(absl::string_view name) {
  constexpr size_t kWord = 4, kMostName = 64;
  constexpr int16_t kAddress = -8,
                    kName = kAddress - static_cast<int16_t>(kMostName);  // on the stack
  if (name.size() >= kMostName) return 0;
  char text[kMostName] = {};
  name.copy(text, name.size());
  std::vector<bpf_insn> program = {
      instruction(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0),
      instruction(BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, kAddress, 0),
  };
  for (size_t at = 0; at < kMostName; at += kWord) {
    int32_t word;
    std::memcpy(&word, text + at, kWord);
    program.push_back(instruction(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0,
                                  static_cast<int16_t>(kName + static_cast<int16_t>(at)), word));
  }
  // bpf_kallsyms_lookup_name(name, size, 0, &address); *context = address; return 0;
  const bpf_insn ask[] = {
      instruction(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_10, 0, 0),
      instruction(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, kName),
      set(BPF_REG_2, static_cast<int32_t>(name.size() + 1)),
      set(BPF_REG_3, 0),
      instruction(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_4, BPF_REG_10, 0, 0),
      instruction(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_4, 0, 0, kAddress),
      instruction(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_kallsyms_lookup_name),
      instruction(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_10, kAddress, 0),
      instruction(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_6, BPF_REG_1, 0, 0),
      set(BPF_REG_0, 0),
      kExit,
  };
  program.insert(program.end(), std::begin(ask), std::end(ask));
  LIBBPF_OPTS(bpf_prog_load_opts, loading, .prog_flags = BPF_F_SLEEPABLE);
  const base::Descriptor loaded(bpf_prog_load(BPF_PROG_TYPE_SYSCALL, kProbeName, kLicense,
                                              program.data(), program.size(), &loading));
  uint64_t address = 0;
  LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &address, .ctx_size_in = sizeof(address));
  return loaded && bpf_prog_test_run_opts(loaded.get(), &run) == 0 ? address : 0;
}

HostFeatures probe_host(const KernelView& running) {
  return {
      .tracing = probe_tracing(running),
      .kprobe = probe_kprobe(),
      .raw_tracepoint = probe_raw_tracepoint(),
      .probe_read_kernel = probe_kernel_reads(),
      .rdonly_cast = find_rdonly_cast(running),
      .lockdown = find_lockdown(),
      .swap = find_swap(),
      .memlock = find_memlock(running),
  };
}

}  // namespace swaptrail::probe
