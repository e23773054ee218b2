// The end of a validation: what was checked, what was taken as given, what was found.
#include "absl/strings/str_format.h"
#include "cli/offline/finding_report.h"
#include "trace/decode.h"
#include "trace/report/json.h"
#include "trace/report/text.h"
#include "trace/utf8.h"

namespace swaptrail::offline {
namespace {

namespace json = report::json;
using engine::LockstepCounters;
using engine::Rule;
using engine::Taken;

struct CounterField {
  std::string_view name;
  uint64_t LockstepCounters::*value;
};
constexpr CounterField kCounterFields[] = {
    {"events", &LockstepCounters::events},
    {"passes", &LockstepCounters::passes},
    {"steps", &LockstepCounters::steps},
    {"predictions", &LockstepCounters::predictions},
    {"lifecycles", &LockstepCounters::lifecycles},
    {"agreed", &LockstepCounters::agreed},
    {"not_compared", &LockstepCounters::not_compared},
    {"folios_full", &LockstepCounters::folios_full},
    {"slots_full", &LockstepCounters::slots_full},
    {"threads_full", &LockstepCounters::threads_full},
    {"findings", &LockstepCounters::findings},
};

// Calls `visit(name, count)` for each enum value whose count is not 0.
template <typename Visit>
void for_each_taken(const LockstepCounters& counters, Visit visit) {
  for (size_t index = 0; index < counters.taken.size(); ++index)
    if (counters.taken[index] != 0)
      visit(engine::taken_name(static_cast<Taken>(index)), counters.taken[index]);
}

template <typename Visit>
void for_each_broken(const LockstepCounters& counters, Visit visit) {
  for (size_t index = 0; index < counters.broken.size(); ++index)
    if (counters.broken[index] != 0)
      visit(engine::rule_text(static_cast<Rule>(index)).name, counters.broken[index]);
}

template <typename Visit>
void for_each_incomplete(const report::Summary& summary, Visit visit) {
  for (size_t index = 1; index < static_cast<size_t>(IncompleteReason::kCount); ++index) {
    const auto reason = static_cast<IncompleteReason>(index);
    const uint64_t lifecycles = summary.by(reason).lifecycles;
    if (lifecycles != 0) visit(incomplete_reason_name(reason), lifecycles);
  }
  if (summary.overlapped().lifecycles != 0) visit("beside_a_loss", summary.overlapped().lifecycles);
}

double percent(uint64_t part, uint64_t whole) {
  return whole == 0 ? 100.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

void open(std::string_view key, std::string& out) {
  report::json::append_key(key, out);
  out.push_back('{');
}

void count_line(std::string_view name, uint64_t count, std::string& out) {
  absl::StrAppendFormat(&out, "  %-24s %12d\n", name, count);
}

void share_line(std::string_view name, uint64_t part, uint64_t whole, std::string& out) {
  absl::StrAppendFormat(&out, "  %-24s %12d %9.3f %%\n", name, part, percent(part, whole));
}

void lifecycle_lines(const LockstepSummary& summary, std::string& out) {
  const LockstepCounters& counters = summary.counters;
  out.append("\nLifecycles\n");
  count_line("compared", counters.lifecycles, out);
  share_line("agreed", counters.agreed, counters.lifecycles, out);
  count_line("not_compared", counters.not_compared, out);
  if (counters.not_compared == 0) return;
  for_each_incomplete(summary.trace, [&](std::string_view name, uint64_t count) {
    absl::StrAppendFormat(&out, "    %-22s %12d\n", name, count);
  });
}

}  // namespace

void append_json(const LockstepSummary& summary, std::string& out) {
  const LockstepCounters& counters = summary.counters;
  out.push_back('{');
  report::json::field("type", std::string_view("validation"), out);
  report::json::field("subject", summary.subject, out);
  for (const CounterField& counter : kCounterFields)
    report::json::field(counter.name, counters.*counter.value, out);
  const auto add = [&](std::string_view name, uint64_t count) {
    report::json::field(name, count, out);
  };
  open("incomplete", out);
  for_each_incomplete(summary.trace, add);
  out.push_back('}');
  open("taken", out);
  for_each_taken(counters, add);
  out.push_back('}');
  open("rules", out);
  for_each_broken(counters, add);
  out.push_back('}');
  summary.slots.append_json(out);
  report::json::field("violations", summary.trace.violations(), out);
  report::json::field("losses", summary.trace.losses(), out);
  report::json::field("lost_events", summary.trace.lost_events(), out);
  out.append("}\n");
}

void append_text(const LockstepSummary& summary, std::string& out) {
  const LockstepCounters& counters = summary.counters;
  report::append_all(out, counters.findings, counters.findings == 1 ? " finding" : " findings",
                     " in ", counters.events, " events of ", printable(summary.subject), "\n");
  report::append_all(out, counters.passes, " passes of folios in ", counters.steps,
                     " steps of the model; ", summary.trace.lost_events(), " events lost, in ",
                     summary.trace.losses(), " gaps\n");
  if (summary.trace.violations() != 0)
    report::append_all(out, summary.trace.violations(),
                       " violations besides, of the rules of lifecycles: see swaptrail replay\n");
  out.append("\nEvents\n");
  share_line("foretold", counters.predictions, counters.events, out);
  out.append("\nTaken from the stream\n");
  for_each_taken(counters,
                 [&](std::string_view name, uint64_t count) { count_line(name, count, out); });
  lifecycle_lines(summary, out);
  summary.slots.append_text(out);
  if (counters.findings != 0) out.append("\nRules broken\n");
  for_each_broken(counters,
                  [&](std::string_view name, uint64_t count) { count_line(name, count, out); });
  if (counters.folios_full + counters.slots_full + counters.threads_full == 0) return;
  out.append("\nNo room for\n");
  count_line("folios", counters.folios_full, out);
  count_line("slots", counters.slots_full, out);
  count_line("threads", counters.threads_full, out);
}

}  // namespace swaptrail::offline
