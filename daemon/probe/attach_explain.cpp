// Prints the attach plan: a table for people, JSON lines for programs.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "daemon/probe/attach_plan.h"
#include "trace/report/print.h"
#include "trace/text.h"
#include "trace/utf8.h"

namespace swaptrail::probe {
namespace {

absl::string_view access_name(Mode mode) {
  constexpr absl::string_view kNames[] = {"fentry/fexit", "kprobe/kretprobe", "raw tracepoint"};
  return kNames[static_cast<size_t>(mode)];
}

std::string programs_of(const AttachTarget& target) {
  std::vector<absl::string_view> names;
  for (const std::string* name :
       {&target.entry_program, &target.exit_entry_program, &target.exit_program}) {
    if (!name->empty()) names.push_back(*name);
  }
  return absl::StrJoin(names, ", ");
}

// Names of functions and their types come from a BTF file, which anybody may have made.
std::string row(absl::string_view name, const std::string& what, const std::string& more) {
  return absl::StrFormat("%-20s %-34s %s\n", name, printable(what), printable(more));
}

template <typename... Parts>
std::string note(const Parts&... parts) {
  return absl::StrFormat("%-20s   %s\n", "", printable(absl::StrCat(parts...)));
}

// One row of the table: the hook, its target, and below it the rejected candidates with reasons.
std::string explain_hook(const HookPlan& hook) {
  std::string out;
  if (hook.state == HookState::kChosen) {
    const bool pair =
        !hook.target.end_target.empty() && hook.target.end_target != hook.target.target;
    out = row(hook.hook, hook.target.target, programs_of(hook.target));
    if (pair) out += note("and ", hook.target.end_target);
    if (!hook.target.warning.empty()) out += note("note: ", hook.target.warning);
  } else {
    const bool missing = hook.state == HookState::kMissing;
    const bool left_out = hook.state == HookState::kLeftOut;
    out = row(hook.hook,
              missing    ? "MISSING"
              : left_out ? "left out"
                         : "nothing to see",
              missing ? absl::StrCat("hidden: ", hook.costs) : hook.reason);
    if (missing && hook.rejected.empty()) out += note(hook.reason);
  }
  for (const RejectedCandidate& rejected : hook.rejected) {
    out += note("not ", rejected.target, ": ", rejected.reason);
  }
  return out;
}

std::string json_string(absl::string_view text) {
  std::string out;
  report::append_json_string(std_view(text), out);
  return out;
}

using Field = std::pair<absl::string_view, std::string>;  // name, JSON value

std::string object(const std::vector<Field>& fields) {
  const auto format = [](std::string* out, const Field& field) {
    absl::StrAppend(out, json_string(field.first), ":", field.second);
  };
  return absl::StrCat("{", absl::StrJoin(fields, ",", format), "}");
}

std::string boolean(bool value) { return value ? "true" : "false"; }

std::string host_object(const HostFeatures& host) {
  std::vector<Field> facts;
  for (const auto& [name, member] : kHostFacts) {
    const Fact& fact = host.*member;
    facts.emplace_back(name, object({{"ok", boolean(fact.ok)},
                                     {"errno", absl::StrCat(fact.error)},
                                     {"reason", json_string(fact.reason)}}));
  }
  return object(facts);
}

std::string plan_object(const AttachPlan& plan, const HostFeatures* host) {
  std::vector<Field> fields = {
      {"release", json_string(plan.release)},
      {"mode", json_string(mode_name(plan.mode.mode))},
      {"access", json_string(access_name(plan.mode.mode))},
      {"mode_reason", json_string(plan.mode.reason)},
      {"symbols_checked", boolean(plan.symbols_checked)},
      {"visible_kinds", absl::StrCat(visible_kinds(plan))},
  };
  if (host != nullptr) fields.emplace_back("host", host_object(*host));
  return object(fields);
}

std::string rejected_array(const HookPlan& hook) {
  const auto format = [](std::string* out, const RejectedCandidate& rejected) {
    out->append(object({{"target", json_string(rejected.target)},
                        {"why", json_string(rejection_name(rejected.why))},
                        {"reason", json_string(rejected.reason)}}));
  };
  return absl::StrCat("[", absl::StrJoin(hook.rejected, ",", format), "]");
}

std::string hook_object(const HookPlan& hook) {
  std::vector<Field> fields = {{"hook", json_string(hook.hook)},
                               {"state", json_string(absl_view(hook_state_name(hook.state)))}};
  const Field optional[] = {
      {"target", hook.target.target},
      {"end_target", hook.target.end_target},
      {"shape", hook.target.shape},
      {"entry_program", hook.target.entry_program},
      {"exit_entry_program", hook.target.exit_entry_program},
      {"exit_program", hook.target.exit_program},
      {"warning", hook.target.warning},
      {"reason", hook.reason},
      {"costs", hook.costs},
  };
  for (const auto& [name, value] : optional) {
    if (!value.empty()) fields.emplace_back(name, json_string(value));
  }
  fields.emplace_back("rejected", rejected_array(hook));
  return object(fields);
}

}  // namespace

std::string explain_text(const AttachPlan& plan, const HostFeatures* host) {
  const Mode mode = plan.mode.mode;
  std::string out =
      absl::StrFormat("kernel   %s\nmode     %s, by %s\n         %s\n",
                      plan.release.empty() ? "(release not known)" : printable(plan.release),
                      mode_name(mode), access_name(mode), printable(plan.mode.reason));
  if (!plan.symbols_checked) {
    absl::StrAppend(&out, "symbols  not checked: ", printable(plan.symbols_reason), "\n");
  }
  if (host != nullptr) out += "\n";
  for (const auto& [name, member] : kHostFacts) {
    if (host == nullptr) break;
    const Fact& fact = host->*member;
    absl::StrAppendFormat(&out, "%-20s %-4s%s\n", name, fact.ok ? "yes" : "no",
                          printable(fact.reason));
  }
  absl::StrAppendFormat(&out, "\n%-20s %-34s %s\n", "HOOK", "ATTACHED TO", "PROGRAMS");
  for (const HookPlan& hook : plan.hooks) out += explain_hook(hook);
  return out;
}

std::string explain_jsonl(const AttachPlan& plan, const HostFeatures* host) {
  std::string out = absl::StrCat(plan_object(plan, host), "\n");
  for (const HookPlan& hook : plan.hooks) absl::StrAppend(&out, hook_object(hook), "\n");
  return out;
}

}  // namespace swaptrail::probe
