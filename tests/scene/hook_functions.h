// Which function serves which hook on the tested kernels: their attach plans, and the table of docs/KERNELS.md.
#pragma once

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/probe/attach_plan.h"

namespace swaptrail {

inline std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Those of tests/vm/kernels.sh, the one list of kernels, from old to new.
inline std::vector<std::string> tested_series(const std::string& root) {
  const std::string script = text_of_file(root + "/tests/vm/kernels.sh");
  const size_t begin = script.find("readonly SERIES=(") + 17;
  return absl::StrSplit(script.substr(begin, script.find(')', begin) - begin), ' ');
}

// What matters of its BTF and symbols is in tests/data/kernels.
inline absl::StatusOr<probe::KernelView> open_kernel(const std::string& root,
                                                     const std::string& series) {
  const std::string path = absl::StrCat(root, "/tests/data/kernels/", series);
  return probe::KernelView::open(
      {.btf_path = path + ".btf", .symbols_path = path + ".symbols", .release = series});
}

// The table begins behind this.
inline constexpr std::string_view kFunctionsHead = "| hook | function, kernels |\n|---|---|\n";

// "`write` | `swap_writepage` 5.10–6.12; `swap_writeout` 6.16–7.3": a row for each hook of mode full.
inline absl::StatusOr<std::string> function_table(const std::string& root) {
  struct Span {
    std::string served, from, to;
  };
  struct Row {
    std::string hook;
    bool by_kprobe = false;
    std::vector<Span> spans = {};
  };
  std::vector<Row> rows;
  for (const std::string& series : tested_series(root)) {
    const auto kernel = open_kernel(root, series);
    if (!kernel.ok()) return kernel.status();
    const probe::AttachPlan plan = probe::make_attach_plan(*kernel, {probe::Mode::kFull, ""});
    if (rows.empty())
      for (const probe::HookPlan& hook : plan.hooks) rows.push_back({hook.hook});
    for (size_t at = 0; at < rows.size(); ++at) {
      const probe::HookPlan& hook = plan.hooks[at];
      std::string served = hook.state == probe::HookState::kAbsent ? "absent" : "missing";
      if (hook.state == probe::HookState::kChosen)
        served = absl::StrCat("`", hook.target.target, "`");
      rows[at].by_kprobe |= hook.target.by_kprobe;
      std::vector<Span>& spans = rows[at].spans;
      if (spans.empty() || spans.back().served != served) spans.push_back({served, series, series});
      spans.back().to = series;
    }
  }
  std::string table;
  for (const Row& row : rows) {
    absl::StrAppend(&table, "| `", row.hook, "` | ");
    for (const Span& span : row.spans) {
      absl::StrAppend(&table, &span == row.spans.data() ? "" : "; ", span.served, " ", span.from);
      if (span.to != span.from) absl::StrAppend(&table, "–", span.to);
    }
    absl::StrAppend(&table, row.by_kprobe ? " (a kprobe in every mode) |\n" : " |\n");
  }
  return table;
}

}  // namespace swaptrail
