// What this host lets BPF programs do, found by trying, and how it is set up.
//
// Facts about the kernel's code (shapes of functions) are not here but in kernel_view.h.
#pragma once

#include <array>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "daemon/probe/kernel_view.h"

namespace swaptrail::probe {

// One fact, true or false, with a sentence for people that says why.
struct Fact {
  bool ok = false;
  int error = 0;  // errno of the attempt that failed, 0 if there was none
  std::string reason;
};

struct HostFeatures {
  Fact tracing;            // fentry programs load and attach: full mode
  Fact kprobe;             // kprobe programs load, and a kprobe event opens: kprobe mode
  Fact raw_tracepoint;     // raw tracepoint programs load and attach: tracepoint mode
  Fact probe_read_kernel;  // helper 113 is permitted; not under confidentiality lockdown
  Fact rdonly_cast;        // kfunc bpf_rdonly_cast exists: typed reads without that helper
  Fact lockdown;           // ok: not locked down, or not known; shown as no_lockdown
  Fact swap;               // ok: at least one swap area is on
  Fact memlock;            // ok: RLIMIT_MEMLOCK does not limit BPF maps
};

// Every fact with its name, in the order in which to show them.
using NamedFact = std::pair<absl::string_view, Fact HostFeatures::*>;
inline constexpr std::array<NamedFact, 8> kHostFacts = {{
    {"tracing", &HostFeatures::tracing},
    {"kprobe", &HostFeatures::kprobe},
    {"raw_tracepoint", &HostFeatures::raw_tracepoint},
    {"probe_read_kernel", &HostFeatures::probe_read_kernel},
    {"rdonly_cast", &HostFeatures::rdonly_cast},
    {"no_lockdown", &HostFeatures::lockdown},
    {"swap", &HostFeatures::swap},
    {"memlock", &HostFeatures::memlock},
}};

// Finds all facts of the running host. `running` must be the running kernel's own view, since ids
// of its BTF go to the kernel. Loads, attaches and closes programs of a few instructions: leaves
// nothing behind, blocks for milliseconds. Needs root, or CAP_BPF and CAP_PERFMON, to find anything
// allowed. Errors become facts.
HostFeatures probe_host(const KernelView& running);

// The address of a symbol of the running kernel, by a program that asks it (bpf_kallsyms_lookup_name, Linux 5.16). 0: there is
// none, or the kernel does not say.
uint64_t address_of_symbol(absl::string_view name);

// As probe_host finds them, from the text of the files; also for tests.
Fact lockdown_fact(absl::string_view security_lockdown);  // "none [integrity] confidentiality"
Fact swap_fact(absl::string_view proc_swaps);

}  // namespace swaptrail::probe
