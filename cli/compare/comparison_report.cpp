#include "cli/compare/comparison_report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/compare/assets.h"
#include "cli/compare/findings.h"
#include "trace/report/json.h"
#include "trace/utf8.h"

namespace swaptrail::compare {
namespace {

using engine::Comparison;
using engine::GenerationCounters;
using engine::Sample;

struct CounterField {
  std::string_view name;
  uint64_t GenerationCounters::*value;
  std::string_view title;  // in the table; empty: not there
};
constexpr CounterField kCounterFields[] = {
    {"steps", &GenerationCounters::steps, ""},
    {"first_touches", &GenerationCounters::first_touches, ""},
    {"minor_faults", &GenerationCounters::minor_faults, ""},
    {"major_faults", &GenerationCounters::major_faults, "MAJOR"},
    {"copies", &GenerationCounters::copies, ""},
    {"swapped_in", &GenerationCounters::swapped_in, "READ"},
    {"readahead", &GenerationCounters::readahead, ""},
    {"readahead_hits", &GenerationCounters::readahead_hits, ""},
    {"swapped_out", &GenerationCounters::swapped_out, "WRITTEN"},
    {"writes_saved", &GenerationCounters::writes_saved, "SAVED"},
    {"discarded", &GenerationCounters::discarded, "DISCARDED"},
    {"scanned", &GenerationCounters::scanned, "SCANNED"},
    {"unmapped", &GenerationCounters::unmapped, ""},
    {"tlb_flushes", &GenerationCounters::tlb_flushes, "FLUSHES"},
    {"write_runs", &GenerationCounters::write_runs, "RUNS"},
    {"seek_slots", &GenerationCounters::seek_slots, "SEEK"},
    {"no_slot", &GenerationCounters::no_slot, ""},
    {"write_errors", &GenerationCounters::write_errors, ""},
    {"killed", &GenerationCounters::killed, "KILLED"},
    {"contents_checked", &GenerationCounters::contents_checked, ""},
    {"contents_wrong", &GenerationCounters::contents_wrong, ""},
};
static_assert(sizeof(GenerationCounters) == std::size(kCounterFields) * sizeof(uint64_t),
              "a counter is missing here");

// How many times as much as the optimum was read; nothing if that reads nothing.
std::string ratio_text(uint64_t read, uint64_t optimum) {
  if (optimum == 0) return "-";
  return absl::StrFormat("%.2f", static_cast<double>(read) / static_cast<double>(optimum));
}

void add_counters(const GenerationCounters& counters, std::string& out) {
  for (const CounterField& field : kCounterFields)
    report::json::field(field.name, counters.*field.value, out);
}

void add_curve(std::string_view name, const std::vector<Sample>& samples, uint64_t Sample::*value,
               std::string& out) {
  report::json::append_key(name, out);
  out.push_back('[');
  for (const Sample& sample : samples) {
    if (&sample != samples.data()) out.push_back(',');
    absl::StrAppend(&out, sample.*value);
  }
  out.push_back(']');
}

void add_curves(const std::vector<Sample>& samples, std::string& out) {
  report::json::append_key("curves", out);
  out.push_back('{');
  add_curve("swapped_in", samples, &Sample::swapped_in, out);
  add_curve("swapped_out", samples, &Sample::swapped_out, out);
  out.push_back('}');
}

void add_ratio(uint64_t read, uint64_t optimum, std::string& out) {
  if (optimum == 0) return;
  report::json::append_key("ratio", out);
  out.append(ratio_text(read, optimum));
}

// Inside a script element nothing may look like the end of it.
std::string for_script(const std::string& json) {
  std::string out;
  for (const char c : json) c == '<' ? static_cast<void>(out.append("\\u003c")) : out.push_back(c);
  return out;
}

std::string for_html(std::string_view text) {
  std::string out;
  for (const char c : printable(utf8(text))) {
    switch (c) {
      case '<':
        out.append("&lt;");
        break;
      case '&':
        out.append("&amp;");
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

std::string data_json(const Comparison& comparison) {
  const uint64_t best = comparison.optimum().counters().reads;
  std::string out = "{";
  add_curve("steps", comparison.optimum_samples(), &Sample::steps, out);
  report::json::append_key("generations", out);
  out.push_back('[');
  for (const Comparison::Column& column : comparison.columns()) {
    if (&column != comparison.columns().data()) out.push_back(',');
    out.push_back('{');
    report::json::field("name", std::string_view(column.name), out);
    add_counters(column.generation->counters(), out);
    add_ratio(column.generation->counters().swapped_in, best, out);
    add_curves(column.samples, out);
    out.push_back('}');
  }
  out.push_back(']');
  report::json::append_key("optimum", out);
  out.push_back('{');
  report::json::field("name", std::string_view("optimum"), out);
  report::json::field("swapped_in", best, out);
  add_ratio(best, best, out);
  add_curves(comparison.optimum_samples(), out);
  out.append("}}");
  return for_script(std::move(out));
}

// 1,234,567
std::string grouped(uint64_t number) {
  std::string digits = absl::StrCat(number);
  for (size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string findings_html(const Comparison& comparison) {
  const std::vector<std::string> lines = findings(comparison);
  if (lines.empty()) return "";
  std::string out = "<h2>What stands out</h2>\n<ul>\n";
  for (const std::string& line : lines) absl::StrAppend(&out, "<li>", for_html(line), "</li>\n");
  return out + "</ul>\n";
}

constexpr std::string_view kExplanation =
    R"(<p>Every generation got the same steps in the same order, with the
same memory and the same swap. <b>The optimum</b> (Bélády) knows the future: it keeps the pages that are used again soonest.
No policy can read fewer pages from swap with this memory.</p>
)";

}  // namespace

std::string comparison_text(const ComparisonSubject& subject, const Comparison& comparison) {
  std::string out =
      absl::StrFormat("%s: %d steps, %d pages of memory\n\n%-12s", printable(subject.workload),
                      comparison.steps(), subject.frames, "LINUX");
  for (const CounterField& field : kCounterFields)
    if (!field.title.empty()) absl::StrAppendFormat(&out, " %11s", field.title);
  absl::StrAppendFormat(&out, " %9s\n", "x OPTIMUM");
  const uint64_t best = comparison.optimum().counters().reads;
  for (const Comparison::Column& column : comparison.columns()) {
    const GenerationCounters& counters = column.generation->counters();
    absl::StrAppendFormat(&out, "%-12s", column.name);
    for (const CounterField& field : kCounterFields)
      if (!field.title.empty()) absl::StrAppendFormat(&out, " %11d", counters.*field.value);
    absl::StrAppendFormat(&out, " %9s\n", ratio_text(counters.swapped_in, best));
  }
  absl::StrAppendFormat(&out, "%-12s %11s %11d\n", "optimum", "", best);
  const std::vector<std::string> lines = findings(comparison);
  if (!lines.empty()) out.push_back('\n');
  for (const std::string& line : lines) absl::StrAppend(&out, line, "\n");
  return out;
}

std::string comparison_jsonl(const ComparisonSubject& subject, const Comparison& comparison) {
  std::string out;
  const auto open = [&](std::string_view type) {
    out.push_back('{');
    report::json::field("type", type, out);
    report::json::field("workload", utf8(subject.workload), out);
    report::json::field("frames", subject.frames, out);
  };
  for (const Comparison::Column& column : comparison.columns()) {
    open("generation");
    report::json::field("generation", std::string_view(column.name), out);
    add_counters(column.generation->counters(), out);
    out.append("}\n");
  }
  open("optimum");
  report::json::field("swapped_in", comparison.optimum().counters().reads, out);
  out.append("}\n");
  return out;
}

std::string comparison_html(const ComparisonSubject& subject, const Comparison& comparison) {
  const std::string workload = for_html(subject.workload);
  std::string out = absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>",
      workload, " under the generations of Linux</title>\n<style>");
  out.append(kChartStyle).append(kReportStyle);
  absl::StrAppend(&out, "</style></head><body>\n<h1>", workload,
                  " under the generations of Linux</h1>\n", "<p class=\"soft\">",
                  grouped(comparison.steps()), " steps, ", grouped(subject.frames),
                  " pages of memory, readahead of up to ", uint64_t{1} << subject.page_cluster,
                  " pages, seed ", subject.seed, "; swaptrail " SWAPTRAIL_VERSION "</p>\n");
  out.append(kExplanation).append(findings_html(comparison));
  out.append(
      "<div class=\"wide\"><table id=\"table\"><caption>In pages, unless said otherwise. What is 0 for all is left out.</caption></table></div>\n"
      "<h2>Read from swap so far</h2><div id=\"reads\"></div>\n"
      "<h2>Written to swap so far</h2><div id=\"writes\"></div>\n<script>");
  out.append(kChartScript).append("</script>\n<script type=\"application/json\" id=\"data\">");
  out.append(data_json(comparison)).append("</script>\n<script>");
  out.append(kReportScript).append("</script>\n</body></html>\n");
  return out;
}

}  // namespace swaptrail::compare
