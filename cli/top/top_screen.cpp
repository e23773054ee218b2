#include "cli/top/top_screen.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/online/quantities.h"
#include "trace/utf8.h"

namespace swaptrail::top {
namespace {

constexpr uint64_t kPage_bytes = 4096;  // of x86-64
constexpr const char* kKeysLine =
    "p pivot  r/w/g sort by rate/wait/regret  +/- interval  space pause  j/k scroll  q quit";

double rate(uint64_t count, absl::Duration length) {
  const double seconds = absl::ToDoubleSeconds(length);
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

std::string column_names() {
  return absl::StrFormat("%10s %12s %10s %10s %10s %9s  %s", "OUT/s", "OUT BYTES/s", "IN/s",
                         "STAYED/s", "REGRET/s", "WAIT", "NAME");
}

std::string row_text(const TopRow& row, absl::Duration length) {
  const auto bytes = static_cast<uint64_t>(rate(row.freed_pages * kPage_bytes, length));
  return absl::StrFormat("%10.1f %12s %10.1f %10.1f %10.1f %9s  %s", rate(row.freed_pages, length),
                         online::bytes_text(bytes), rate(row.returned_pages, length),
                         rate(row.stayed_pages, length), rate(row.regretted_pages, length),
                         online::duration_text(row.wait_ns), printable(row.name));
}

std::string headline(const TopView& view, const TopState& state) {
  uint64_t out = 0, in = 0;
  for (const TopRow& row : view.rows) {
    out += row.freed_pages;
    in += row.returned_pages;
  }
  return absl::StrFormat("swaptrail top: by %s, sorted by %s, every %s%s; out %.1f/s, in %.1f/s%s",
                         std::string(pivot_name(state.pivot)), std::string(sort_name(state.sort)),
                         absl::FormatDuration(state.interval), state.paused ? ", PAUSED" : "",
                         rate(out, view.length), rate(in, view.length),
                         view.estimated ? "; ESTIMATES: only some pages are followed" : "");
}

// Cut first, coloured afterwards: colour codes have no width.
std::string fit(const std::string& text, size_t width) {
  return std::string(utf8_prefix(text, width));
}

}  // namespace

std::string top_table(const TopView& view, const TopState& state, const online::Style& style) {
  std::string out = absl::StrCat(headline(view, state), "\n", style.bold(column_names()), "\n");
  for (const TopRow& row : view.rows) absl::StrAppend(&out, row_text(row, view.length), "\n");
  return out;
}

std::string top_screen(const TopView& view, const TopState& state, const online::Style& style,
                       size_t width, size_t height) {
  std::vector<std::string> lines = {style.bold(fit(headline(view, state), width)),
                                    style.dim(fit(kKeysLine, width))};
  const bool waiting = view.length == absl::ZeroDuration();
  lines.push_back(view.trouble.empty() ? fit(waiting ? "waiting for two answers" : "", width)
                                       : style.red(fit(printable(view.trouble), width)));
  lines.push_back(style.bold(fit(column_names(), width)));
  for (size_t index = state.first_row; index < view.rows.size(); ++index)
    lines.push_back(fit(row_text(view.rows[index], view.length), width));
  lines.resize(height);
  std::string out = "\x1b[H";
  for (size_t index = 0; index < height; ++index)
    absl::StrAppend(&out, lines[index], "\x1b[K", index + 1 == height ? "" : "\r\n");
  return out;
}

}  // namespace swaptrail::top
