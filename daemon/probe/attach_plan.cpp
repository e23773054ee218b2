#include "daemon/probe/attach_plan.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "bpf/event.h"

namespace swaptrail::probe {
namespace {

// A value wider than a register moves every argument after it.
constexpr uint32_t kRegisterBytes = 8;
constexpr uint32_t kSlotCache = 64;  // SWAP_SLOTS_CACHE_SIZE, include/linux/swap_slots.h
// arch/x86/net/bpf_jit_comp.c: a trampoline passes a struct of up to two registers.
constexpr uint32_t kTrampolineStructBytes = 16;
constexpr absl::string_view kAnyType = "_";
constexpr absl::string_view kRest = "...";

// Whether the trampoline accepts structs by value: supported since btf_func_model's arg_flags
// (6.1).
bool trampoline_takes_structs(const KernelView& kernel) {
  return kernel.has_field("btf_func_model", "arg_flags");
}

bool argument_fits(const ValueType& type, absl::string_view pattern) {
  if (pattern == kAnyType) return true;
  if (pattern == "folio") return type.is_folio;
  if (pattern == "int") return type.kind == TypeKind::kInteger;
  return type.text == pattern;
}

bool result_fits(const ValueType& type, absl::string_view pattern) {
  constexpr std::array<std::pair<absl::string_view, TypeKind>, 3> kResults = {
      {{"void", TypeKind::kVoid}, {"int", TypeKind::kInteger}, {"bool", TypeKind::kBool}}};
  if (pattern == kAnyType) return type.kind != TypeKind::kStruct;
  return std::any_of(kResults.begin(), kResults.end(), [&](const auto& known) {
    return known.first == pattern && known.second == type.kind;
  });
}

bool arguments_fit(const std::vector<ValueType>& arguments, absl::string_view patterns,
                   uint32_t counts) {
  size_t used = 0;
  for (const absl::string_view pattern : absl::StrSplit(patterns, ", ")) {
    if (pattern == kRest) {
      return counts == 0 || (arguments.size() < 32 && (counts >> arguments.size() & 1) != 0);
    }
    if (used == arguments.size() || !argument_fits(arguments[used], pattern)) return false;
    ++used;
  }
  return used == arguments.size();
}

// See Candidate::shape for the notation.
bool shape_fits(const FunctionShape& shape, const Candidate& candidate) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(candidate.shape, absl::MaxSplits(" (", 1));
  return result_fits(shape.result, parts.first) &&
         arguments_fit(shape.arguments, absl::StripSuffix(parts.second, ")"), candidate.counts);
}

// All rows of one target of one hook, and what the kernel has for it.
class TargetResolver {
 public:
  TargetResolver(const KernelView& kernel, Mode mode, std::vector<const Candidate*> rows)
      : kernel_(kernel), mode_(mode), rows_(std::move(rows)) {}

  // The first row that fits sets `chosen`; otherwise returns the reason why none can.
  std::optional<RejectedCandidate> resolve(AttachTarget* chosen) const {
    const std::string name(rows_.front()->target);
    const std::optional<FunctionShape> shape = shape_of(name);
    if (!shape) return reject(name, Rejection::kNotInBtf, "not in BTF");
    const std::string end(rows_.front()->end_target);
    if (!end.empty() && !shape_of(end)) return reject(end, Rejection::kNotInBtf, "not in BTF");
    if (shape->ambiguous) {
      return reject(name, Rejection::kAmbiguous, "BTF has two functions of this name");
    }
    const Symbol symbol = mode_ == Mode::kTracepoint ? Symbol() : kernel_.symbol(name);
    if (auto rejected = check_symbol(name, symbol)) return rejected;
    if (auto rejected = check_structs(name, *shape)) return rejected;
    for (const Candidate* row : rows_) {
      if (!shape_fits(*shape, *row)) continue;
      *chosen = target_for(*row, *shape, symbol);
      return std::nullopt;
    }
    return reject(name, Rejection::kUnknownShape, absl::StrCat("unknown shape: ", shape->text()));
  }

 private:
  static RejectedCandidate reject(std::string name, Rejection why, std::string reason) {
    return {std::move(name), why, std::move(reason)};
  }

  std::optional<FunctionShape> shape_of(const std::string& name) const {
    return mode_ == Mode::kTracepoint ? kernel_.raw_tracepoint(name) : kernel_.function(name);
  }

  static std::optional<RejectedCandidate> check_symbol(const std::string& name,
                                                       const Symbol& symbol) {
    switch (symbol.state) {
      case SymbolState::kExact:
      case SymbolState::kNotChecked:
        return std::nullopt;
      case SymbolState::kAmbiguous:
        return reject(name, Rejection::kAmbiguous, "several functions have this name");
      case SymbolState::kSuffixOnly:
        return reject(name, Rejection::kSuffixOnly,
                      absl::StrCat("the compiler left only ", absl::StrJoin(symbol.twins, ", "),
                                   ", whose arguments may differ"));
      case SymbolState::kAbsent:
        break;
    }
    return reject(name, Rejection::kNoSymbol, "in BTF but has no symbol: inlined");
  }

  std::optional<RejectedCandidate> check_structs(const std::string& name,
                                                 const FunctionShape& shape) const {
    if (shape.result.kind == TypeKind::kStruct) {
      return reject(name, Rejection::kReturnsStruct,
                    absl::StrCat("returns ", shape.result.text,
                                 " by value: can't be traced, and does something else"));
    }
    const uint32_t limit = mode_ == Mode::kKprobe              ? kRegisterBytes
                           : trampoline_takes_structs(kernel_) ? kTrampolineStructBytes
                                                               : 0;
    for (const ValueType& argument : shape.arguments) {
      if (argument.kind != TypeKind::kStruct || argument.bytes <= limit) continue;
      return reject(name, Rejection::kStructArgument,
                    absl::StrCat("takes ", argument.text, " by value (", argument.bytes,
                                 " bytes): a program here can take ",
                                 limit == 0 ? "none" : absl::StrCat("at most ", limit)));
    }
    return std::nullopt;
  }

  AttachTarget target_for(const Candidate& row, const FunctionShape& shape,
                          const Symbol& symbol) const {
    const std::string count = absl::StrCat(shape.arguments.size());
    AttachTarget target;
    target.target = std::string(row.target);
    target.shape = shape.text();
    target.entry_program = std::string(row.entry);
    target.exit_program = absl::StrReplaceAll(row.exit, {{"{n}", count}});
    target.by_kprobe = row.by_kprobe;
    if (!row.exit.empty()) {
      target.end_target = std::string(row.end_target.empty() ? row.target : row.end_target);
      if (mode_ == Mode::kKprobe && !row.by_kprobe) {
        target.exit_entry_program = absl::StrCat(target.exit_program, "_entry");
      }
    }
    if (!symbol.twins.empty()) {
      target.warning =
          absl::StrCat("calls of ", absl::StrJoin(symbol.twins, ", "), " are not seen");
    } else if (mode_ != Mode::kTracepoint && symbol.state == SymbolState::kNotChecked) {
      target.warning = "symbols not checked";
    }
    return target;
  }

  const KernelView& kernel_;
  Mode mode_;
  std::vector<const Candidate*> rows_;
};

// The hook's targets in order of preference, each with its rows.
std::vector<std::vector<const Candidate*>> targets_of(const Hook& hook, Mode mode) {
  std::vector<std::vector<const Candidate*>> targets;
  for (const Candidate& candidate : candidates_of(mode)) {
    if (candidate.hook != hook.name) continue;
    if (targets.empty() || targets.back().front()->target != candidate.target)
      targets.push_back({});
    targets.back().push_back(&candidate);
  }
  return targets;
}

// Sets why a hook without a usable candidate is missing, or that the kernel has nothing to see
// there.
void conclude(const Hook& hook, HookPlan* plan) {
  const auto not_in_btf = [](const RejectedCandidate& c) { return c.why == Rejection::kNotInBtf; };
  const auto text = [](std::string* out, const RejectedCandidate& rejected) {
    absl::StrAppend(out, rejected.target, ": ", rejected.reason);
  };
  if (!hook.absent.empty() &&
      std::all_of(plan->rejected.begin(), plan->rejected.end(), not_in_btf)) {
    plan->state = HookState::kAbsent;
    plan->reason = std::string(hook.absent);
    return;
  }
  plan->reason = absl::StrJoin(plan->rejected, "; ", text);
  plan->costs = std::string(hook.costs);
}

HookPlan plan_hook(const KernelView& kernel, Mode mode, const Hook& hook) {
  HookPlan plan;
  plan.hook = std::string(hook.name);
  for (std::vector<const Candidate*>& rows : targets_of(hook, mode)) {
    AttachTarget target;
    std::optional<RejectedCandidate> rejected =
        TargetResolver(kernel, mode, std::move(rows)).resolve(&target);
    if (rejected) {
      plan.rejected.push_back(*std::move(rejected));
    } else if (plan.state == HookState::kChosen) {
      plan.rejected.push_back({target.target, Rejection::kNotNeeded,
                               absl::StrCat("not needed: ", plan.target.target, " serves")});
    } else {
      plan.state = HookState::kChosen;
      plan.target = std::move(target);
      plan.kinds = hook.kinds;
    }
  }
  if (plan.state != HookState::kChosen) conclude(hook, &plan);
  return plan;
}

// Tracepoint mode also names the stages that it can't see, by the hooks of the full mode.
void add_unseen(AttachPlan* plan) {
  for (const Unseen& unseen : unseen_by_tracepoints()) {
    HookPlan hook;
    hook.hook = std::string(unseen.hook);
    hook.reason = std::string(unseen.reason);
    for (const Hook& known : hooks_of(Mode::kFull)) {
      if (known.name == unseen.hook) hook.costs = std::string(known.costs);
    }
    plan->hooks.push_back(std::move(hook));
  }
}

struct ModeFact {
  Mode mode;
  Fact HostFeatures::*fact;
};
constexpr ModeFact kPreference[] = {
    {Mode::kFull, &HostFeatures::tracing},
    {Mode::kKprobe, &HostFeatures::kprobe},
    {Mode::kTracepoint, &HostFeatures::raw_tracepoint},
};

ModeChoice forced_mode(const HostFeatures& host, Mode mode) {
  const Fact& fact = host.*kPreference[static_cast<size_t>(mode)].fact;
  return {mode, fact.ok ? "asked for" : absl::StrCat("asked for, but ", fact.reason)};
}

}  // namespace

absl::StatusOr<ModeChoice> choose_mode(const HostFeatures& host, std::optional<Mode> forced) {
  if (forced) return forced_mode(host, *forced);
  std::vector<std::string> refusals;
  for (const auto& [mode, member] : kPreference) {
    const Fact& fact = host.*member;
    if (!fact.ok) {
      refusals.push_back(absl::StrCat("not ", mode_name(mode), ": ", fact.reason));
      continue;
    }
    refusals.push_back(fact.reason);
    return ModeChoice{mode, absl::StrJoin(refusals, "; ")};
  }
  return absl::FailedPreconditionError(
      absl::StrCat("this host lets no program watch the kernel: ", absl::StrJoin(refusals, "; ")));
}

absl::StatusOr<Mode> parse_mode(absl::string_view name) {
  for (const ModeFact& known : kPreference) {
    if (mode_name(known.mode) == name) return known.mode;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown mode '", name, "': full, kprobe or tracepoint"));
}

absl::string_view rejection_name(Rejection rejection) {
  constexpr absl::string_view kNames[] = {
      "not_needed", "not_in_btf",     "no_symbol",       "suffix_only",
      "ambiguous",  "returns_struct", "struct_argument", "unknown_shape",
  };
  return kNames[static_cast<size_t>(rejection)];
}

const HookPlan* AttachPlan::find(absl::string_view hook) const {
  const auto found = std::find_if(hooks.begin(), hooks.end(),
                                  [&](const HookPlan& plan) { return hook == plan.hook; });
  return found == hooks.end() ? nullptr : &*found;
}

std::string_view hook_state_name(HookState state) {
  constexpr std::string_view kNames[] = {"chosen", "missing", "absent", "left_out"};
  return kNames[static_cast<size_t>(state)];
}

AttachPlan make_attach_plan(const KernelView& kernel, const ModeChoice& mode) {
  AttachPlan plan;
  plan.mode = mode;
  plan.release = kernel.release();
  plan.symbols_checked = kernel.symbols_checked();
  plan.symbols_reason = kernel.symbols_reason();
  if (kernel.function("free_swap_slot")) plan.reserved_slots = kSlotCache;
  for (const Hook& hook : hooks_of(mode.mode)) {
    plan.hooks.push_back(plan_hook(kernel, mode.mode, hook));
  }
  if (mode.mode == Mode::kTracepoint) add_unseen(&plan);
  return plan;
}

void keep_counting_hooks(AttachPlan& plan) {
  for (const Hook& hook : hooks_of(plan.mode.mode)) {
    if (hook.counts) continue;
    for (HookPlan& planned : plan.hooks) {
      if (planned.hook != hook.name) continue;
      planned = HookPlan();
      planned.hook = std::string(hook.name);
      planned.state = HookState::kLeftOut;
      planned.reason = "--detail=counters does without it";
    }
  }
}

uint32_t visible_kinds(const AttachPlan& plan) {
  uint32_t kinds = 0;
  for (const HookPlan& hook : plan.hooks) {
    if (hook.state == HookState::kChosen) kinds |= hook.kinds;
  }
  if (plan.mode.mode == Mode::kTracepoint) return kinds;
  // Programs that record nothing outside a batch, or nothing that was not counted.
  constexpr uint32_t kUnmappedOne = 1U << SWAPTRAIL_UNMAPPED_ONE;
  constexpr uint32_t kInBatch = kUnmappedOne | 1U << SWAPTRAIL_UNMAPPED | 1U << SWAPTRAIL_REMOVED;
  const HookPlan* counts = plan.find("swap_ptes");
  if (!(kinds & 1U << SWAPTRAIL_RECLAIM_BEGIN)) kinds &= ~kInBatch;
  if (counts == nullptr || counts->state != HookState::kChosen) kinds &= ~kUnmappedOne;
  return kinds;
}

}  // namespace swaptrail::probe
