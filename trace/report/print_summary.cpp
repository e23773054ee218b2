// The summary, as one JSON object and as a page of text.
#include <algorithm>
#include <string>

#include "absl/strings/str_format.h"
#include "trace/decode.h"
#include "trace/report/json.h"
#include "trace/report/print.h"
#include "trace/report/text.h"
#include "trace/utf8.h"

namespace swaptrail::report {
namespace {

constexpr size_t kVictimsShown = 10;
constexpr size_t kVictimColumn = 20;

struct CounterField {
  const char* name;
  uint64_t lifecycles::ReconstructorCounters::*value;
};
constexpr CounterField kCounterFields[] = {
    {"events", &lifecycles::ReconstructorCounters::events},
    {"freed_pages", &lifecycles::ReconstructorCounters::freed_pages},
    {"returned_pages", &lifecycles::ReconstructorCounters::returned_pages},
    {"away_pages", &lifecycles::ReconstructorCounters::away_pages},
    {"superseded_pages", &lifecycles::ReconstructorCounters::superseded_pages},
    {"unknown_returned_pages", &lifecycles::ReconstructorCounters::unknown_returned_pages},
    {"readahead_dropped_pages", &lifecycles::ReconstructorCounters::readahead_dropped_pages},
    {"old_copies_dropped_pages", &lifecycles::ReconstructorCounters::old_copies_dropped_pages},
    {"zswap_writeback_pages", &lifecycles::ReconstructorCounters::zswap_writeback_pages},
    {"shared_swap_ins", &lifecycles::ReconstructorCounters::shared_swap_ins},
    {"failed_swap_ins", &lifecycles::ReconstructorCounters::failed_swap_ins},
    {"read_errors", &lifecycles::ReconstructorCounters::read_errors},
    {"cache_refaults", &lifecycles::ReconstructorCounters::cache_refaults},
    {"ignored", &lifecycles::ReconstructorCounters::ignored},
    {"unexplained_gaps", &lifecycles::ReconstructorCounters::unexplained_gaps},
    {"superseded_slots", &lifecycles::ReconstructorCounters::superseded_slots},
    {"not_followed_pages", &lifecycles::ReconstructorCounters::not_followed_pages},
    {"attempts_full", &lifecycles::ReconstructorCounters::attempts_full},
    {"slots_full", &lifecycles::ReconstructorCounters::slots_full},
    {"swapped_full", &lifecycles::ReconstructorCounters::swapped_full},
    {"batches_full", &lifecycles::ReconstructorCounters::batches_full},
};

struct StreamField {
  const char* name;
  uint64_t StreamCounters::*value;
};
constexpr StreamField kStreamFields[] = {
    {"dropped_ring_full", &StreamCounters::dropped_ring_full},
    {"dropped_no_ring", &StreamCounters::dropped_no_ring},
    {"context_full", &StreamCounters::context_full},
    {"skipped_runs", &StreamCounters::skipped_runs},
    {"invalid_records", &StreamCounters::invalid},
    {"late_events", &StreamCounters::late},
    {"merger_overflow", &StreamCounters::overflow},
    {"events_after_end", &StreamCounters::after_end},
};

// Calls `visit(name, tally)` for each enum value whose tally is not empty.
template <typename Enum, typename Visit>
void for_each_tally(const Summary& summary, std::string_view (*name)(Enum), Visit visit) {
  for (size_t index = 0; index < static_cast<size_t>(Enum::kCount); ++index) {
    const auto value = static_cast<Enum>(index);
    const Tally& tally = summary.by(value);
    if (tally.lifecycles != 0) visit(name(value), tally);
  }
}

template <typename Visit>
void for_each_origin(const Summary& summary, Visit visit) {
  for (uint8_t origin = 0; origin < SWAPTRAIL_ORIGIN_END; ++origin) {
    const Tally& tally = summary.by_origin(origin);
    if (tally.lifecycles != 0) visit(origin_name(origin), tally);
  }
}

template <typename Visit>
void for_each_backend(const Summary& summary, Visit visit) {
  for (uint8_t backend = 0; backend < SWAPTRAIL_BACKEND_END; ++backend) {
    const Tally& tally = summary.by_backend(backend);
    if (tally.lifecycles != 0) visit(backend_name(backend), tally);
  }
}

template <typename Visit>
void for_each_latency(const Summary& summary, Visit visit) {
  for (size_t index = 0; index < kLatencyCount; ++index) {
    const auto latency = static_cast<Latency>(index);
    if (summary.latency(latency).count() != 0)
      visit(latency_name(latency), summary.latency(latency));
  }
}

// --- JSON ---

void open(std::string_view key, char bracket, std::string& out) {
  json::append_key(key, out);
  out.push_back(bracket);
}

void tally_field(std::string_view key, const Tally& tally, std::string& out) {
  open(key, '{', out);
  json::field("lifecycles", tally.lifecycles, out);
  json::field("pages", tally.pages, out);
  out.push_back('}');
}

void tallies(const Summary& summary, std::string& out) {
  const auto add = [&](std::string_view name, const Tally& tally) {
    tally_field(name, tally, out);
  };
  open("outcomes", '{', out);
  for_each_tally<Outcome>(summary, outcome_name, add);
  out.push_back('}');
  open("abort_reasons", '{', out);
  for_each_tally<AbortReason>(summary, abort_reason_name, add);
  out.push_back('}');
  open("incomplete", '{', out);
  for_each_tally<IncompleteReason>(summary, incomplete_reason_name, add);
  out.push_back('}');
  open("returns", '{', out);
  for_each_tally<ReturnHow>(summary, return_name, add);
  out.push_back('}');
  open("freed_by_origin", '{', out);
  for_each_origin(summary, add);
  out.push_back('}');
  open("freed_by_backend", '{', out);
  for_each_backend(summary, add);
  out.push_back('}');
}

void latencies(const Summary& summary, std::string& out) {
  open("latency_ns", '{', out);
  for_each_latency(summary, [&](std::string_view name, const Histogram& histogram) {
    open(name, '{', out);
    json::field("count", histogram.count(), out);
    json::field("p50", histogram.percentile(0.5), out);
    json::field("p90", histogram.percentile(0.9), out);
    json::field("p99", histogram.percentile(0.99), out);
    json::field("max", histogram.max(), out);
    out.push_back('}');
  });
  out.push_back('}');
}

void victim_object(const VictimRow& row, std::string& out) {
  out.push_back('{');
  json::field("pid", uint64_t{row.tgid}, out);
  json::field("comm", comm_text(row.comm), out);
  open("pages", '{', out);
  for (uint8_t origin = 0; origin < SWAPTRAIL_ORIGIN_END; ++origin) {
    if (row.pages[origin] != 0) json::field(origin_name(origin), row.pages[origin], out);
  }
  out.append("}}");
}

void victims(const Summary& summary, std::string& out) {
  open("victims", '[', out);
  bool first = true;
  for (const VictimRow& row : summary.victims(kVictimsShown)) {
    if (!first) out.push_back(',');
    first = false;
    victim_object(row, out);
  }
  out.push_back(']');
  json::field("other_victim_pages", summary.other_victims().total(), out);
}

void signed_field(std::string_view key, int64_t value, std::string& out) {
  json::append_key(key, out);
  append_all(out, value);
}

void reconciliation(const std::vector<ReconcileRow>& rows, std::string& out) {
  open("reconciliation", '[', out);
  bool first = true;
  for (const ReconcileRow& row : rows) {
    if (!first) out.push_back(',');
    first = false;
    out.push_back('{');
    json::field("counter", row.counter, out);
    signed_field("kernel_delta", row.kernel_delta, out);
    signed_field("ours", row.ours, out);
    signed_field("difference", row.difference, out);
    json::field("note", row.note, out);
    if (row.allowance != 0) json::field("allowance", row.allowance, out);
    out.push_back('}');
  }
  out.push_back(']');
}

// --- text ---

void heading(std::string_view title, std::string& out) {
  absl::StrAppendFormat(&out, "\n%-22s %12s %12s\n", title, "lifecycles", "pages");
}

bool any_returned(const Summary& summary) {
  bool any = false;
  for_each_tally<ReturnHow>(summary, return_name, [&](auto, const Tally&) { any = true; });
  return any;
}

void tally_lines(const Summary& summary, std::string& out) {
  const auto add = [&](std::string_view name, const Tally& tally) {
    absl::StrAppendFormat(&out, "  %-20s %12d %12d\n", name, tally.lifecycles, tally.pages);
  };
  heading("Outcome", out);
  for_each_tally<Outcome>(summary, outcome_name, add);
  if (summary.by(Outcome::kAborted).lifecycles != 0) {
    heading("Aborted because", out);
    for_each_tally<AbortReason>(summary, abort_reason_name, add);
  }
  heading("Freed by", out);
  for_each_origin(summary, add);
  if (any_returned(summary)) heading("Returned", out);
  for_each_tally<ReturnHow>(summary, return_name, add);
  if (summary.regretted().lifecycles != 0) add("  regretted", summary.regretted());
  if (summary.complete().lifecycles != summary.total().lifecycles) {
    heading("Incomplete because", out);
    for_each_tally<IncompleteReason>(summary, incomplete_reason_name, add);
  }
}

void latency_lines(const Summary& summary, std::string& out) {
  absl::StrAppendFormat(&out, "\n%-22s %12s %10s %10s %10s %10s\n", "Time", "count", "p50", "p90",
                        "p99", "max");
  for_each_latency(summary, [&](std::string_view name, const Histogram& histogram) {
    absl::StrAppendFormat(&out, "  %-20s %12d", name, histogram.count());
    for (const uint64_t value : {histogram.percentile(0.5), histogram.percentile(0.9),
                                 histogram.percentile(0.99), histogram.max()}) {
      std::string text;
      append_duration(value, text);
      absl::StrAppendFormat(&out, " %10s", text);
    }
    out.push_back('\n');
  });
}

void victim_lines(const Summary& summary, std::string& out) {
  const std::vector<VictimRow> rows = summary.victims(kVictimsShown);
  if (rows.empty()) return;
  absl::StrAppendFormat(&out, "\n%-22s %12s %12s  %s\n", "Victim", "pid", "pages", "by");
  for (const VictimRow& row : rows) {
    std::string comm = printable(comm_text(row.comm));
    if (comm.empty()) comm = "-";
    comm.resize(comm.size() + kVictimColumn - std::min(kVictimColumn, utf8_size(comm)), ' ');
    absl::StrAppendFormat(&out, "  %s %12d %12d ", comm, row.tgid, row.total());
    for (uint8_t origin = 0; origin < SWAPTRAIL_ORIGIN_END; ++origin) {
      if (row.pages[origin] == 0) continue;
      append_all(out, " ", origin_name(origin), "=", row.pages[origin]);
    }
    out.push_back('\n');
  }
  const uint64_t other = summary.other_victims().total();
  if (other != 0) absl::StrAppendFormat(&out, "  %-20s %12s %12d\n", "(others)", "", other);
}

// The counters that are not 0, under a heading if there is one.
void counter_lines(const Report& report, std::string& out) {
  bool first = true;
  const auto line = [&](const char* name, uint64_t value) {
    if (value == 0) return;
    if (first) out.append("\nBeside\n");
    first = false;
    absl::StrAppendFormat(&out, "  %-20s %12d\n", name, value);
  };
  for (const CounterField& counter : kCounterFields) {
    if (counter.value == &lifecycles::ReconstructorCounters::events) continue;
    line(counter.name, report.counters.*counter.value);
  }
  for (const StreamField& counter : kStreamFields) line(counter.name, report.stream.*counter.value);
  line("lines_left_out", report.lines_left_out);
}

}  // namespace

void append_json(const Report& report, std::string& out) {
  const Summary& summary = report.summary;
  out.push_back('{');
  json::field("type", std::string_view("summary"), out);
  tally_field("total", summary.total(), out);
  tally_field("complete", summary.complete(), out);
  json::append_key("complete_share", out);
  absl::StrAppendFormat(&out, "%.6f", summary.complete_share(report.counters.not_followed));
  tally_field("overlapped_loss", summary.overlapped(), out);
  tallies(summary, out);
  open("faults", '{', out);
  json::field("count", summary.faults().faults, out);
  json::field("major", summary.faults().major, out);
  json::field("wait_ns", summary.faults().wait_ns, out);
  out.push_back('}');
  tally_field("regretted", summary.regretted(), out);
  json::field("regret_ns", summary.regret_ns(), out);
  json::field("violations", summary.violations(), out);
  json::field("losses", summary.losses(), out);
  json::field("lost_events", summary.lost_events(), out);
  latencies(summary, out);
  victims(summary, out);
  for (const CounterField& counter : kCounterFields) {
    json::field(counter.name, report.counters.*counter.value, out);
  }
  for (const StreamField& counter : kStreamFields) {
    json::field(counter.name, report.stream.*counter.value, out);
  }
  reconciliation(report.rows, out);
  // a replay prints all lines: without loss both outputs are the same
  if (report.lines_left_out != 0) json::field("lines_left_out", report.lines_left_out, out);
  if (summary.highest_weight() != 1) json::field("highest_weight", summary.highest_weight(), out);
  out.append("}\n");
}

void append_text(const std::vector<ReconcileRow>& rows, std::string& out) {
  if (rows.empty()) return;
  absl::StrAppendFormat(&out, "\n%-22s %12s %12s %12s\n", "Trust", "kernel", "ours", "difference");
  for (const ReconcileRow& row : rows) {
    absl::StrAppendFormat(&out, "  %-20s %12d %12d %12d  %s", row.counter, row.kernel_delta,
                          row.ours, row.difference, row.note);
    if (row.allowance != 0) absl::StrAppend(&out, " (up to ", row.allowance, " is no error)");
    out.push_back('\n');
  }
}

void append_text(const Report& report, std::string& out) {
  const Summary& summary = report.summary;
  absl::StrAppendFormat(&out, "%d lifecycles of %d pages, %.2f %% complete; %d violations\n",
                        summary.total().lifecycles, summary.total().pages,
                        100.0 * summary.complete_share(report.counters.not_followed),
                        summary.violations());
  absl::StrAppendFormat(&out, "%d events; %d lost, in %d gaps\n", report.counters.events,
                        summary.lost_events(), summary.losses());
  if (summary.highest_weight() != 1)
    absl::StrAppendFormat(
        &out,
        "ESTIMATES: only some pages were followed, and each stands for up to %d; the rows "
        "that compare with the kernel are of all pages\n",
        summary.highest_weight());
  tally_lines(summary, out);
  latency_lines(summary, out);
  victim_lines(summary, out);
  counter_lines(report, out);
  append_text(report.rows, out);
}

}  // namespace swaptrail::report
