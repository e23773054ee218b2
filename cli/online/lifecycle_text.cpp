#include "cli/online/lifecycle_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/online/quantities.h"
#include "cli/online/words.h"
#include "trace/utf8.h"

namespace swaptrail::online {
namespace {

// How it ended, as a sentence; by Outcome.
constexpr const char* kEndings[] = {
    "not specified",
    "freed after the device had written it",
    "freed after zswap had taken it",
    "freed as zero-filled, without I/O",
    "freed without I/O: still as it was last written",
    "given up: the page stayed in memory",  // except slot_gone
    "not yet: it is still on its way",
    "how it ended is not known",
};

struct Mark {
  bool (v1::Lifecycle::*set)() const;
  const char* text;
};
constexpr Mark kMarks[] = {
    {&v1::Lifecycle::shmem, "shared memory"},
    {&v1::Lifecycle::ksm, "merged by KSM"},
    {&v1::Lifecycle::rewritten, "its slot held an older copy"},
    {&v1::Lifecycle::readahead, "read in, but not used"},
    {&v1::Lifecycle::owner_guessed, "the owner is a guess"},
    {&v1::Lifecycle::overlapped_loss, "events were lost meanwhile"},
    {&v1::Lifecycle::regretted, "came back too soon"},
};

std::string color_of(const v1::Lifecycle& lifecycle, const Style& style) {
  const std::string text = outcome_text(lifecycle);
  if (lifecycle.outcome() == v1::OUTCOME_ABORTED) return style.yellow(text);
  if (lifecycle.outcome() == v1::OUTCOME_UNKNOWN) return style.red(text);
  return style.green(text);
}

uint64_t duration_of(const v1::Lifecycle& lifecycle) {
  if (lifecycle.stages_size() < 2) return 0;
  const uint64_t first = lifecycle.stages(0).monotonic_ns();
  const uint64_t last = lifecycle.stages(lifecycle.stages_size() - 1).monotonic_ns();
  return last > first ? last - first : 0;
}

std::string notes_of(const v1::Lifecycle& lifecycle) {
  std::vector<std::string> notes;
  if (lifecycle.passes() > 1) notes.push_back(absl::StrCat("pass ", lifecycle.passes()));
  if (lifecycle.incomplete() != v1::INCOMPLETE_REASON_UNSPECIFIED)
    notes.push_back("incomplete: " + word_of(lifecycle.incomplete()));
  if (lifecycle.regretted()) notes.push_back("regretted");
  if (lifecycle.weight() > 1) notes.push_back(absl::StrCat("stands for ", lifecycle.weight()));
  return absl::StrJoin(notes, ", ");
}

void append_line(const Style& style, const char* name, const std::string& text, std::string& out) {
  if (!text.empty()) absl::StrAppend(&out, style.dim(absl::StrFormat("  %-15s", name)), text, "\n");
}

void append_stages(const v1::Lifecycle& lifecycle, const Style& style, std::string& out) {
  for (int index = 0; index < lifecycle.stages_size(); ++index) {
    const uint64_t now_ns = lifecycle.stages(index).monotonic_ns();
    const uint64_t before_ns = index == 0 ? now_ns : lifecycle.stages(index - 1).monotonic_ns();
    const std::string delta =
        index == 0 ? "" : "+" + duration_text(now_ns > before_ns ? now_ns - before_ns : 0);
    absl::StrAppend(
        &out, style.dim("  | "),
        absl::StrFormat("%-17s %12s\n", word_of(lifecycle.stages(index).stage()), delta));
  }
}

std::string reclaimer_text(const v1::Reclaimer& reclaimer) {
  std::string text = absl::StrCat(process_text(reclaimer.process()), " (tid ", reclaimer.tid(),
                                  ") for ", word_of(reclaimer.origin()));
  if (reclaimer.has_cgroup()) absl::StrAppend(&text, " of ", cgroup_text(reclaimer.cgroup()));
  return text;
}

bool same(const v1::Reclaimer& a, const v1::Reclaimer& b) {
  return a.tid() == b.tid() && a.origin() == b.origin();
}

std::string page_text(const v1::Lifecycle& lifecycle) {
  std::string text = pages_text(lifecycle.nr_pages());
  if (lifecycle.has_entry())
    absl::StrAppend(&text, ", entry ", entry_text(lifecycle.entry()), " generation ",
                    lifecycle.entry().generation());
  if (lifecycle.has_pfn()) absl::StrAppend(&text, absl::StrFormat(", pfn 0x%x", lifecycle.pfn()));
  if (lifecycle.fallback_from() != 0)
    absl::StrAppend(&text, ", split from ", pages_text(lifecycle.fallback_from()),
                    " for which swap had no room");
  return text;
}

std::string return_text(const v1::Return& back) {
  std::string text = word_of(back.how());
  if (back.has_after_ns()) absl::StrAppend(&text, " after ", duration_text(back.after_ns()));
  if (back.process().pid() != 0) absl::StrAppend(&text, " by ", process_text(back.process()));
  if (back.address() != 0) absl::StrAppend(&text, absl::StrFormat(" at 0x%x", back.address()));
  if (back.owner_pid() != 0 && back.owner_pid() != back.process().pid())
    absl::StrAppend(&text, " of pid ", back.owner_pid());
  if (back.has_fault_ns())
    absl::StrAppend(&text, ", ", back.major() ? "major" : "minor", " fault of ",
                    duration_text(back.fault_ns()));
  return text;
}

// The page that was asked for, if the folio has others.
std::string asked_text(const v1::Lifecycle& lifecycle) {
  if (!lifecycle.has_asked() || lifecycle.nr_pages() < 2) return "";
  const v1::FolioPage& page = lifecycle.asked();
  std::string text = absl::StrCat("page ", page.index());
  if (page.has_entry()) absl::StrAppend(&text, ", entry ", entry_text(page.entry()));
  if (page.address() != 0) absl::StrAppend(&text, absl::StrFormat(", 0x%x", page.address()));
  if (page.has_returned()) return absl::StrCat(text, ", ", return_text(page.returned()));
  if (page.has_in_swap()) absl::StrAppend(&text, page.in_swap() ? ", in swap" : ", left swap");
  return text;
}

// What happened to it after its first return.
void append_later(const v1::Lifecycle& lifecycle, const Style& style, std::string& out) {
  if (lifecycle.gone_pages() != 0 && lifecycle.nr_pages() > 1)
    append_line(style, "left swap",
                absl::StrCat(lifecycle.gone_pages(), " of ", pages_text(lifecycle.nr_pages())),
                out);
  for (const v1::Stay& stay : lifecycle.stays())
    append_line(style, "in swap",
                absl::StrCat(word_of(stay.change()), " ", clock_text(stay.time()), ", entry ",
                             entry_text(stay.entry())),
                out);
  constexpr int kMost = 8;
  const int first = std::max(0, lifecycle.later_size() - kMost);
  if (first != 0 || lifecycle.later_cut())
    append_line(style, "later", "older ones are left out", out);
  for (int index = first; index < lifecycle.later_size(); ++index) {
    const v1::Return& later = lifecycle.later(index);
    const bool further = later.nr_pages() == 0 && later.how() == v1::RETURN_HOW_SWAPPED_IN;
    append_line(style,
                further                 ? "also read"
                : later.nr_pages() == 0 ? "failed"
                                        : "later",
                return_text(later), out);
  }
}

std::string ending_text(const v1::Lifecycle& lifecycle) {
  const bool known = v1::Outcome_IsValid(lifecycle.outcome());
  std::string text = known ? kEndings[lifecycle.outcome()] : kEndings[0];
  if (lifecycle.outcome() == v1::OUTCOME_ABORTED &&
      lifecycle.abort_reason() == v1::ABORT_REASON_SLOT_GONE)
    text = "given up: nobody needs the page any more";
  if (lifecycle.backend() != v1::BACKEND_UNSPECIFIED)
    absl::StrAppend(&text, "; backend ", word_of(lifecycle.backend()));
  absl::StrAppend(&text, "; ", lifecycle.passes(), lifecycle.passes() == 1 ? " pass" : " passes");
  return text;
}

}  // namespace

std::string process_text(const v1::Process& process) {
  if (process.pid() == 0 && process.comm().empty()) return "-";
  return absl::StrCat(process.comm().empty() ? "?" : printable(process.comm()), "/", process.pid());
}

std::string cgroup_text(const v1::Cgroup& cgroup) {
  if (!cgroup.path().empty()) return printable(cgroup.path());
  return cgroup.id() == 0 ? "-" : absl::StrCat("cgroup ", cgroup.id());
}

std::string entry_text(const v1::SwapEntry& entry) {
  return absl::StrCat(entry.type(), ":", entry.offset());
}

std::string owner_text(const v1::Lifecycle& lifecycle) {
  if (lifecycle.mappings_size() == 0 && lifecycle.has_object())
    return absl::StrCat("shmem inode ", lifecycle.object().inode());
  if (lifecycle.mappings_size() == 0) return lifecycle.shmem() ? "shmem" : "-";
  std::string text = process_text(lifecycle.mappings(0).process());
  if (lifecycle.mapping_count() > 1) absl::StrAppend(&text, " +", lifecycle.mapping_count() - 1);
  return text;
}

std::string outcome_text(const v1::Lifecycle& lifecycle) {
  std::string text = word_of(lifecycle.outcome());
  if (lifecycle.abort_reason() != v1::ABORT_REASON_UNSPECIFIED)
    absl::StrAppend(&text, " (", word_of(lifecycle.abort_reason()), ")");
  if (lifecycle.waiting_for() != v1::WAITING_UNSPECIFIED)
    absl::StrAppend(&text, " (waits for ", word_of(lifecycle.waiting_for()), ")");
  return text;
}

std::string returned_text(const v1::Lifecycle& lifecycle) {
  return lifecycle.has_returned() ? return_text(lifecycle.returned()) : "";
}

Table lifecycle_columns() {
  return Table({{"TIME", Align::kLeft, 15},
                {"OWNER", Align::kLeft, 22},
                {"ADDRESS", Align::kRight, 14},
                {"ENTRY", Align::kRight, 10},
                {"PAGES", Align::kRight, 5},
                {"OUTCOME", Align::kLeft, 24},
                {"TOOK", Align::kRight, 9},
                {"ORIGIN", Align::kLeft, 11},
                {"RECLAIMER", Align::kLeft, 18},
                {"CGROUP", Align::kLeft, 20},
                {"NOTES"}});
}

std::string lifecycle_line(const Table& columns, const v1::Lifecycle& lifecycle) {
  const uint64_t address = lifecycle.mappings_size() == 0 ? 0 : lifecycle.mappings(0).address();
  return columns.line({clock_text(lifecycle.closed()), owner_text(lifecycle),
                       address == 0 ? "-" : absl::StrFormat("0x%x", address),
                       lifecycle.has_entry() ? entry_text(lifecycle.entry()) : "-",
                       absl::StrCat(lifecycle.nr_pages()), outcome_text(lifecycle),
                       lifecycle.stages_size() < 2 ? "-" : duration_text(duration_of(lifecycle)),
                       word_of(lifecycle.last_reclaimer().origin()),
                       process_text(lifecycle.last_reclaimer().process()),
                       cgroup_text(lifecycle.cgroup()), notes_of(lifecycle)});
}

std::string lifecycle_block(const v1::Lifecycle& lifecycle, const Style& style) {
  std::string out =
      absl::StrCat(style.bold(absl::StrCat("#", lifecycle.id())), "  ", color_of(lifecycle, style),
                   "  ", time_text(lifecycle.closed()), "\n");
  append_line(style, "page", page_text(lifecycle), out);
  for (const v1::Mapping& mapping : lifecycle.mappings())
    append_line(style, "owner",
                process_text(mapping.process()) +
                    (mapping.address() == 0 ? "" : absl::StrFormat(" 0x%x", mapping.address())),
                out);
  if (lifecycle.mapping_count() > static_cast<uint32_t>(lifecycle.mappings_size()))
    append_line(style, "mappings", absl::StrCat(lifecycle.mapping_count(), " in all"), out);
  if (lifecycle.has_cgroup()) append_line(style, "cgroup", cgroup_text(lifecycle.cgroup()), out);
  if (lifecycle.has_first_reclaimer() &&
      !same(lifecycle.first_reclaimer(), lifecycle.last_reclaimer()))
    append_line(style, "begun by", reclaimer_text(lifecycle.first_reclaimer()), out);
  if (lifecycle.has_last_reclaimer())
    append_line(style, "reclaimer", reclaimer_text(lifecycle.last_reclaimer()), out);
  append_stages(lifecycle, style, out);
  append_line(style, "ended", ending_text(lifecycle), out);
  if (lifecycle.kept_because() != v1::ABORT_REASON_UNSPECIFIED)
    append_line(style, "kept before", word_of(lifecycle.kept_because()), out);
  append_line(style, "came back", returned_text(lifecycle), out);
  append_line(style, "asked for", asked_text(lifecycle), out);
  append_later(lifecycle, style, out);
  if (lifecycle.incomplete() != v1::INCOMPLETE_REASON_UNSPECIFIED)
    append_line(style, "incomplete", word_of(lifecycle.incomplete()), out);
  for (const Mark& mark : kMarks)
    if ((lifecycle.*mark.set)()) append_line(style, "note", mark.text, out);
  return out;
}

}  // namespace swaptrail::online
