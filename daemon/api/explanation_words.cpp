#include "daemon/api/explanation_words.h"

#include <linux/kernel-page-flags.h>

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trace/decode.h"
#include "trace/report/print.h"
#include "trace/text.h"
#include "trace/utf8.h"

namespace swaptrail::api {
namespace {

template <size_t kCount, typename Enum>
std::string_view word_of(const std::array<std::string_view, kCount>& words, Enum value) {
  const auto index = static_cast<size_t>(value);
  return index < kCount ? words[index] : "for a reason without a name";
}

constexpr std::array<std::string_view, static_cast<size_t>(AbortReason::kCount)> kAbort = {
    "the reason is not known",
    "there was no slot for it: swap is full, its cgroup is at its swap limit, or there was no memory "
    "for the swap cache",
    "some page table still maps it",
    "it was used again before it was freed",
    "it was written to again before it was freed",
    "this reclaim may not write, or its cgroup allows zswap only",
    "the device failed to write it",
    "somebody else held a reference to it",
    "it was a large page and was split: its pieces go on as attempts of their own",
    "nobody needs it any more: its memory was freed, or its process ended",
};

constexpr std::array<std::string_view, static_cast<size_t>(IncompleteReason::kCount)> kIncomplete =
    {
        "nothing is missing",         "a part of it happened before swaptraild was attached",
        "an event was lost",          "this kernel has no hook that could show it",
        "a table had no room for it", "the observation ended in the middle",
};

constexpr std::array<std::string_view, kStageCount> kStages = {
    "isolated",
    "slot reserved",
    "unmapped",
    "write begun",
    "handed to the device",
    "write call returned",
    "writeback ended",
    "removed from the swap cache and freed",
};

constexpr std::array<std::string_view, SWAPTRAIL_ORIGIN_END> kOrigins = {
    "outside any reclaim that was seen",
    "in background reclaim",
    "because it needed memory itself (direct reclaim)",
    "because a cgroup was at its memory limit",
    "because reclaim was asked for (memory.reclaim)",
    "in node_reclaim",
    "because of MADV_PAGEOUT",
    "because of DAMON",
    "for hibernation",
    "for a cgroup's limit or memory.reclaim",
    "in a reclaim whose begin was not seen",
    "because of a command written to lru_gen in debugfs",
};

}  // namespace

std::string duration(uint64_t duration_ns) {
  std::string out;
  report::append_duration(duration_ns, out);
  return out;
}

std::string ago(uint64_t now_ns, uint64_t then_ns) {
  return then_ns >= now_ns ? "just now" : duration(now_ns - then_ns) + " ago";
}

std::string process_words(uint32_t pid, std::string_view comm) {
  if (pid == 0 && comm.empty()) return "a process that is not known";
  std::string name = comm.empty() ? "a process" : printable(comm);
  return pid == 0 ? name : absl::StrCat(name, " (pid ", pid, ")");
}

std::string reclaimer_words(const Reclaimer& reclaimer, const PageFacts& facts) {
  const std::string_view why = word_of(kOrigins, reclaimer.origin);
  std::string out = absl::StrCat("by ", process_words(reclaimer.tgid, comm_text(reclaimer.comm)),
                                 ", ", absl_view(why));
  if (reclaimer.cgroup == 0) return out;
  const std::string path = facts.cgroup_path ? facts.cgroup_path(reclaimer.cgroup) : "";
  absl::StrAppend(&out, ", from the cgroup ",
                  path.empty() ? absl::StrCat("with id ", reclaimer.cgroup) : path);
  return out;
}

std::string owner_words(const ledger::SlotHeld& slot, const PageFacts& facts) {
  switch (slot.holder.kind) {
    case ledger::OwnerKind::kProcess:
      return absl::StrCat(slot.page == 0
                              ? "a page"
                              : absl::StrCat("page 0x", absl::Hex(slot.page * facts.page_bytes)),
                          " of ", process_words(slot.holder.tgid, comm_text(slot.holder.comm)));
    case ledger::OwnerKind::kShared:
      return absl::StrCat("a page of shared memory (inode ", slot.holder.inode, ")");
    default:
      return "a page, nobody knows whose";
  }
}

std::string slot_words(uint64_t entry, uint64_t at_ns, const PageFacts& facts) {
  std::string out =
      absl::StrCat("swap entry type ", entry_type(entry), ", offset ", entry_offset(entry));
  const std::string path = facts.area_path ? facts.area_path(entry_type(entry), at_ns) : "";
  return path.empty() ? out : absl::StrCat(out, " (", path, ")");
}

std::string_view abort_words(AbortReason reason) { return word_of(kAbort, reason); }
std::string_view incomplete_words(IncompleteReason reason) { return word_of(kIncomplete, reason); }
std::string_view stage_words(Stage stage) { return word_of(kStages, stage); }

// include/uapi/linux/kernel-page-flags.h
std::vector<std::string> flag_names(uint64_t frame_flags) {
  constexpr std::pair<int, const char*> kNames[] = {
      {KPF_LOCKED, "locked"},
      {KPF_ERROR, "error"},
      {KPF_REFERENCED, "referenced"},
      {KPF_UPTODATE, "uptodate"},
      {KPF_DIRTY, "dirty"},
      {KPF_LRU, "lru"},
      {KPF_ACTIVE, "active"},
      {KPF_SLAB, "slab"},
      {KPF_WRITEBACK, "writeback"},
      {KPF_RECLAIM, "reclaim"},
      {KPF_BUDDY, "buddy"},
      {KPF_MMAP, "mmap"},
      {KPF_ANON, "anon"},
      {KPF_SWAPCACHE, "swapcache"},
      {KPF_SWAPBACKED, "swapbacked"},
      {KPF_COMPOUND_HEAD, "compound_head"},
      {KPF_COMPOUND_TAIL, "compound_tail"},
      {KPF_HUGE, "huge"},
      {KPF_UNEVICTABLE, "unevictable"},
      {KPF_HWPOISON, "hwpoison"},
      {KPF_NOPAGE, "nopage"},
      {KPF_KSM, "ksm"},
      {KPF_THP, "thp"},
      {KPF_OFFLINE, "offline"},
      {KPF_ZERO_PAGE, "zero_page"},
      {KPF_IDLE, "idle"},
      {KPF_PGTABLE, "pgtable"},
  };
  std::vector<std::string> out;
  for (const auto& [bit, name] : kNames) {
    if ((frame_flags >> bit & 1) != 0) out.emplace_back(name);
  }
  return out;
}

}  // namespace swaptrail::api
