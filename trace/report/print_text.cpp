// Text for people: one line each.
#include <algorithm>
#include <cctype>
#include <string>

#include "absl/strings/str_format.h"
#include "trace/decode.h"
#include "trace/report/print.h"
#include "trace/report/text.h"
#include "trace/utf8.h"

namespace swaptrail::report {
namespace {

struct DurationUnit {
  uint64_t ns;
  const char* name;
};
constexpr DurationUnit kUnits[] = {
    {3'600'000'000'000, "h"}, {60'000'000'000, "min"}, {1'000'000'000, "s"},
    {1'000'000, "ms"},        {1'000, "us"},           {1, "ns"}};

constexpr std::string_view kShortStages[] = {"isolated", "slot",    "unmapped",  "write",
                                             "issued",   "written", "completed", "removed"};
static_assert(std::size(kShortStages) == kStageCount);

void append_time(uint64_t time_ns, uint64_t start_ns, std::string& out) {
  const uint64_t since = time_ns > start_ns ? time_ns - start_ns : 0;
  absl::StrAppendFormat(&out, "%4d.%06d", since / 1'000'000'000, since / 1'000 % 1'000'000);
}

// A process chooses its comm, and whoever makes a cgroup its name: neither may reach a terminal
// with control characters.
void append_comm(const Comm& comm, std::string& out) {
  const std::string_view text = comm_text(comm);
  out.append(text.empty() ? "?" : printable(text));
}

void append_entry(uint64_t entry, std::string& out) {
  if (entry == 0) {
    out.append("-");
  } else {
    absl::StrAppendFormat(&out, "%d:%d", entry_type(entry), entry_offset(entry));
  }
}

void append_owner(const Lifecycle& lifecycle, std::string& out) {
  const Mapping& owner = lifecycle.mappings[0];
  if (lifecycle.mapping_count == 0) {
    out.append(lifecycle.shmem ? "shmem" : "-");
    return;
  }
  absl::StrAppendFormat(&out, "%d ", owner.tgid);
  append_comm(owner.comm, out);
  if (owner.address != 0) absl::StrAppendFormat(&out, " 0x%x", owner.address);
  if (lifecycle.mapping_count > 1) absl::StrAppendFormat(&out, " +%d", lifecycle.mapping_count - 1);
  if (lifecycle.owner_guessed) out.append(" (guessed)");
}

void append_cgroup(uint64_t cgroup, const Names& names, std::string& out) {
  if (cgroup == 0) return;
  const std::optional<std::string_view> path = names.cgroup_path(cgroup);
  if (path) {
    append_all(out, " in ", printable(*path));
  } else {
    append_all(out, " in cgroup ", cgroup);
  }
}

void append_reclaimer(const Reclaimer& reclaimer, std::string& out) {
  append_all(out, origin_name(reclaimer.origin), " ", reclaimer.tid, " ");
  append_comm(reclaimer.comm, out);
}

void append_outcome(const Lifecycle& lifecycle, std::string& out) {
  append_all(out, outcome_name(lifecycle.outcome));
  if (lifecycle.abort_reason != AbortReason::kNone) {
    append_all(out, " (", abort_reason_name(lifecycle.abort_reason), ")");
  }
  if (lifecycle.kept_because != AbortReason::kNone) {
    append_all(out, " (kept once: ", abort_reason_name(lifecycle.kept_because), ")");
  }
  if (lifecycle.waiting_for != Waiting::kNothing) {
    append_all(out, " (waits for ", waiting_name(lifecycle.waiting_for), ")");
  }
  if (!lifecycle.complete()) {
    append_all(out, " [incomplete: ", incomplete_reason_name(lifecycle.incomplete), "]");
  } else if (lifecycle.overlapped_loss) {
    out.append(" [beside a loss]");
  }
  if (lifecycle.weight() != 1) append_all(out, " [1 of ", lifecycle.weight(), "]");
}

struct Step {
  uint64_t time_ns;
  size_t stage;
};

// Each stage with the time since the one before it, in the order in which they happened.
void append_stages(const Lifecycle& lifecycle, std::string& out) {
  Step steps[kStageCount];
  size_t count = 0;
  for (size_t stage = 0; stage < kStageCount; ++stage) {
    if (lifecycle.stage_ns[stage] != 0) steps[count++] = {lifecycle.stage_ns[stage], stage};
  }
  std::stable_sort(steps, steps + count,
                   [](const Step& a, const Step& b) { return a.time_ns < b.time_ns; });
  for (size_t index = 0; index < count; ++index) {
    append_all(out, index == 0 ? " | " : ", ", kShortStages[steps[index].stage]);
    if (index == 0) continue;
    out.append(" +");
    append_duration(steps[index].time_ns - steps[index - 1].time_ns, out);
  }
}

void append_pages(uint32_t nr_pages, std::string& out) {
  append_all(out, " ", nr_pages, nr_pages == 1 ? " page" : " pages");
}

// When, whose lifecycle, and which pages: of a return or a change of those that stay.
template <typename Change>
void append_pages_in_swap(const Change& change, uint64_t start_ns, std::string& out) {
  append_time(change.time_ns, start_ns, out);
  append_all(out, " #", change.lifecycle_id, " ");
  append_entry(change.entry, out);
  append_pages(change.nr_pages, out);
}

}  // namespace

void append_duration(uint64_t duration_ns, std::string& out) {
  const DurationUnit* unit = kUnits;
  while (unit->ns > 1 && duration_ns < unit->ns) ++unit;
  if (unit->ns == 1) {
    append_all(out, duration_ns, " ns");
    return;
  }
  const double value = static_cast<double>(duration_ns) / static_cast<double>(unit->ns);
  const int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  absl::StrAppendFormat(&out, "%.*f %s", digits, value, unit->name);
}

void append_text(const Lifecycle& lifecycle, const Names& names, uint64_t start_ns,
                 std::string& out) {
  append_time(lifecycle.closed_ns, start_ns, out);
  append_all(out, " #", lifecycle.id, " ");
  append_owner(lifecycle, out);
  out.append(" -> ");
  append_entry(lifecycle.entry, out);
  append_pages(lifecycle.nr_pages, out);
  append_cgroup(lifecycle.cgroup, names, out);
  out.append(" by ");
  append_reclaimer(lifecycle.last, out);
  if (lifecycle.passes > 1) append_all(out, " (pass ", lifecycle.passes, ")");
  out.append(": ");
  append_outcome(lifecycle, out);
  append_stages(lifecycle, out);
  out.push_back('\n');
}

void append_text(const Return& entry_return, uint64_t start_ns, std::string& out) {
  append_pages_in_swap(entry_return, start_ns, out);
  append_all(out, " ", return_name(entry_return.how));
  if (entry_return.after_ns != 0) {
    out.append(" after ");
    append_duration(entry_return.after_ns, out);
  }
  if (entry_return.tgid != 0) {
    append_all(out, " by ", entry_return.tgid, " ");
    append_comm(entry_return.comm, out);
  }
  if (entry_return.address != 0) absl::StrAppendFormat(&out, " 0x%x", entry_return.address);
  if (entry_return.fault_ns != 0) {
    out.append(entry_return.major ? " major fault " : " fault ");
    append_duration(entry_return.fault_ns, out);
  }
  out.push_back('\n');
}

void append_text(const Stay& stay, uint64_t start_ns, std::string& out) {
  append_pages_in_swap(stay, start_ns, out);
  append_all(out, " ", stay_name(stay.change), "\n");
}

void append_text(const Violation& violation, uint64_t start_ns, std::string& out) {
  append_time(violation.time_ns, start_ns, out);
  append_all(out, " #", violation.lifecycle_id, " VIOLATION ", printable(violation.rule), " ");
  append_entry(violation.entry, out);
  append_all(out, ": ", printable(violation.text), "\n");
}

void append_text(const Loss& loss, uint64_t start_ns, std::string& out) {
  append_time(loss.to_ns, start_ns, out);
  append_all(out, " LOSS of ", loss.count);
  if (loss.is_of_runs()) {
    out.append(" program runs that the kernel skipped within ");
  } else {
    append_all(out, " events on CPU ", loss.cpu, " within ");
  }
  append_duration(loss.to_ns - std::min(loss.from_ns, loss.to_ns), out);
  out.push_back('\n');
}

}  // namespace swaptrail::report
