#include "tests/mutation/describe.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/mutation/check.h"
#include "trace/decode.h"

namespace swaptrail::mutation {
namespace {

constexpr size_t kAround = 8;        // events of the place, before and after
constexpr size_t kMostFindings = 6;  // reported for each case

std::string state_text(uint16_t state) {
  constexpr char kLetters[] = "AKSCDWMOG";  // in the order of enum swaptrail_state
  std::string text;
  for (size_t bit = 0; bit + 1 < sizeof(kLetters); ++bit) {
    if (state & (1u << bit)) text += kLetters[bit];
  }
  return text.empty() ? "-" : text;
}

std::string entry_text(uint64_t entry) {
  return entry == 0 ? "-" : absl::StrCat(entry_type(entry), ":", entry_offset(entry));
}

std::string union_text(const swaptrail_event& event) {
  if (is_kind(event, kinds(SWAPTRAIL_UNMAPPED_ONE, SWAPTRAIL_SWAP_IN)))
    return absl::StrFormat(" owner=%u address=%x first=%u ptes=%u", event.u.map.owner,
                           static_cast<uint64_t>(event.u.map.address), event.u.map.first_page,
                           event.u.map.ptes);
  if (event.kind == SWAPTRAIL_WRITE_END) return absl::StrCat(" backend=", event.u.page.backend);
  if (event.kind == SWAPTRAIL_RECLAIM_END)
    return absl::StrCat(" scanned=", event.u.end.nr_scanned, " pageout=", event.u.end.nr_pageout);
  return "";
}

std::string describe_step(const Step& step, const Original& original) {
  const swaptrail_event& event = step.event;
  const int64_t since = event.time_ns - original.event(0).time_ns;
  std::string text =
      absl::StrFormat("%12.3f cpu%u #%-6u t%-5u %-15s", static_cast<double>(since) / 1000,
                      event.cpu, step.sequence, event.tid, std::string(kind_name(event.kind)));
  absl::StrAppendFormat(&text, " f=%06x e=%s n=%u r=%d %s", (event.folio >> 6) & 0xffffff,
                        entry_text(event.entry), event.nr_pages, event.result,
                        state_text(event.state));
  if (event.batch_ns != 0)
    absl::StrAppendFormat(&text, " b=%d",
                          static_cast<int64_t>(event.batch_ns - original.event(0).time_ns) / 1000);
  absl::StrAppend(&text, union_text(event), event.lost ? absl::StrCat(" lost=", event.lost) : "");
  return text;
}

// The first and the last step that is not as it was.
std::pair<size_t, size_t> changed_range(const Stream& was, const Stream& is) {
  const auto same = [](const Step& a, const Step& b) {
    return (differing_fields(a, b) & ~(kSequence | kLost)) == 0;
  };
  const size_t most = std::min(was.size(), is.size());
  size_t front = 0, back = 0;
  while (front < most && same(was[front], is[front])) ++front;
  while (back < most - front && same(was[was.size() - 1 - back], is[is.size() - 1 - back])) ++back;
  return {front, is.size() - back};
}

bool is_of(const Place& place, const swaptrail_event& event) {
  return place.has_folio(event.folio) || place.has_entry(event.entry);
}

// Events of the place near the damage; if it has no folio and no slot, its neighbours.
std::vector<size_t> around(const Damaged& damaged, size_t first, size_t last) {
  const bool any = damaged.place.folios.empty() && damaged.place.slots.empty();
  std::vector<size_t> chosen;
  const auto wanted = [&](size_t at) {
    return any || is_of(damaged.place, damaged.stream[at].event);
  };
  for (size_t at = std::min(first, damaged.stream.size()); at-- > 0 && chosen.size() < kAround;) {
    if (wanted(at)) chosen.push_back(at);
  }
  std::reverse(chosen.begin(), chosen.end());
  for (size_t at = first; at < std::min(last, first + 4); ++at) chosen.push_back(at);
  const size_t most = chosen.size() + kAround;
  for (size_t at = std::max(last, first); at < damaged.stream.size() && chosen.size() < most;
       ++at) {
    if (wanted(at)) chosen.push_back(at);
  }
  return chosen;
}

}  // namespace

std::string describe_finding(const engine::Finding& finding, const Original& original) {
  constexpr std::string_view kKinds[] = {"violation", "loss", "disagreement"};
  const int64_t since = finding.time_ns - original.event(0).time_ns;
  return absl::StrFormat(
      "%s %s at %.3f f=%06x e=%s: %s", std::string(kKinds[static_cast<size_t>(finding.kind)]),
      std::string(engine::rule_text(finding.rule).name), static_cast<double>(since) / 1000,
      (finding.folio >> 6) & 0xffffff, entry_text(finding.entry), finding.text);
}

std::string describe_case(const Damage& damage, const Instance& instance, const Damaged& damaged,
                          const Report& report) {
  const Original& original = *instance.original;
  std::string text = absl::StrCat("  ", std::string(damage.name), " in ", original.name(), ": ",
                                  std::string(damage.meaning), "\n  was ",
                                  describe_step(original.stream()[instance.site], original), "\n");
  const auto [first, last] = changed_range(original.stream(), damaged.stream);
  for (const size_t at : around(damaged, first, last)) {
    absl::StrAppend(&text, at >= first && at < last ? "  >>> " : "      ",
                    describe_step(damaged.stream[at], original), "\n");
  }
  const size_t told = std::min(report.findings.size(), kMostFindings);
  for (size_t i = 0; i < told; ++i)
    absl::StrAppend(&text, "  found: ", describe_finding(report.findings[i], original), "\n");
  if (report.findings.empty()) text += "  found: nothing\n";
  if (told < report.findings.size())
    absl::StrAppend(&text, "  ... and ", report.findings.size() - told, " more\n");
  return text;
}

}  // namespace swaptrail::mutation
