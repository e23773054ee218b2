// The attach plan: for one kernel and one mode, where each program goes, and what can't be seen.
//
// Pure: it looks at a KernelView and the catalogue, loads nothing and has no state. The session
// loads what the plan names and nothing else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/probe/features.h"
#include "daemon/probe/hook_catalogue.h"
#include "daemon/probe/kernel_view.h"

namespace swaptrail::probe {

// The mode to use, and why this one.
struct ModeChoice {
  Mode mode = Mode::kFull;
  std::string reason;
};

// Full if tracing programs load, else kprobe if permitted, else tracepoint. A forced mode is used
// even if the host seems to refuse it; then the reason says so. Errors: FailedPrecondition, with
// the reasons, if nothing is forced and the host refuses all three.
absl::StatusOr<ModeChoice> choose_mode(const HostFeatures& host, std::optional<Mode> forced);

// "full", "kprobe" or "tracepoint"; InvalidArgument for anything else (`auto` is not a mode).
absl::StatusOr<Mode> parse_mode(absl::string_view name);

// Why a candidate was not chosen.
enum class Rejection : uint8_t {
  kNotNeeded,       // it would work, but a preferred one does too
  kNotInBtf,        // no such function or tracepoint
  kNoSymbol,        // in BTF, but inlined everywhere
  kSuffixOnly,      // only a compiler clone, with other arguments
  kAmbiguous,       // several functions of that name
  kReturnsStruct,   // can't be traced; in practice another function of the same name
  kStructArgument,  // a struct by value that this kernel's BPF, or a kprobe, can't take
  kUnknownShape,    // no program was written for this prototype
};

// Short and stable, for metrics and JSON: "suffix_only".
absl::string_view rejection_name(Rejection rejection);

struct RejectedCandidate {
  std::string target;
  Rejection why = Rejection::kNotInBtf;
  std::string reason;  // for people, with the names
};

// What to load and attach for one hook. Empty program names: nothing to load there.
struct AttachTarget {
  std::string target;         // function or raw tracepoint
  std::string end_target;     // where exit_program goes: same as target but for some tracepoints
  std::string shape;          // its prototype in this kernel
  std::string entry_program;  // fentry, kprobe or raw tracepoint on `target`
  std::string exit_program;   // fexit, kretprobe (on target) or raw tracepoint (on end_target)
  std::string exit_entry_program;  // kprobe mode: kprobe on `target` that keeps the arguments
  bool by_kprobe = false;          // entry_program and exit_program are kprobes, whatever the mode
  std::string warning;             // e.g. calls that bypass the function, or symbols not checked
};

enum class HookState : uint8_t {
  kChosen,   // the target is set
  kMissing,  // what it would show can't be seen: see Hook::costs
  kAbsent,   // nothing to see: the kernel lacks the feature, see Hook::absent
  kLeftOut,  // not wanted: see keep_counting_hooks()
};

std::string_view hook_state_name(HookState state);  // "chosen", "missing", "absent" or "left_out"

struct HookPlan {
  std::string hook;
  HookState state = HookState::kMissing;
  AttachTarget target;
  uint32_t kinds = 0;  // bits 1 << swaptrail_kind
  std::string reason;  // of all but kChosen
  std::string costs;   // of kMissing
  std::vector<RejectedCandidate> rejected;
};

struct AttachPlan {
  ModeChoice mode;
  std::string release;  // may be empty
  bool symbols_checked = true;
  std::string symbols_reason;  // if not checked
  std::vector<HookPlan> hooks;
  // For each CPU, up to this many slots may be in use and hold nothing (mm/swap_slots.c, up to
  // Linux 6.14).
  uint32_t reserved_slots = 0;

  // The plan of one hook, or nullptr if this mode has no such hook.
  const HookPlan* find(absl::string_view hook) const;
};

// Resolves every hook of the mode for the kernel. Never fails: a hook that can't be resolved is
// missing, with its reason.
AttachPlan make_attach_plan(const KernelView& kernel, const ModeChoice& mode);

// --detail=counters: leaves out the hooks that only lifecycles need. Not for tracepoint mode.
void keep_counting_hooks(AttachPlan& plan);

// The event kinds that can appear, bits 1 << enum swaptrail_kind.
uint32_t visible_kinds(const AttachPlan& plan);

// A table for a terminal, or one JSON object a line (first the mode and the host, then one per
// hook). `host` may be null: the plan may be for another kernel.
std::string explain_text(const AttachPlan& plan, const HostFeatures* host);
std::string explain_jsonl(const AttachPlan& plan, const HostFeatures* host);

}  // namespace swaptrail::probe
