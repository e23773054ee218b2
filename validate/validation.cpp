#include "validate/validation.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>

#include "trace/decode.h"
#include "trace/utf8.h"

namespace swaptrail::validate {
namespace {

constexpr uint64_t kSecond_ns = 1'000'000'000;
constexpr uint32_t kLinesPerSecond = 10;

// One line, without anything that a terminal would obey.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ';');
  return printable(text);
}

}  // namespace

Validation::Validation(const engine::LockstepOptions& lockstep, ValidationOptions options,
                       lifecycles::LifecycleSink& next)
    : options_(std::move(options)),
      next_(next),
      in_step_(lockstep, *this, next),
      max_swapfiles_(std::min<uint32_t>(lockstep.max_swapfiles, 64)) {
  learn_areas();
}

absl::StatusOr<std::unique_ptr<Validation>> Validation::create(
    const recording::RecordingHeader& header, ValidationOptions options,
    lifecycles::LifecycleSink& next) {
  auto lockstep = lockstep_options(header);
  if (!lockstep.ok()) return lockstep.status();
  lockstep->sample = options.sample;
  lockstep->max_findings = std::numeric_limits<size_t>::max();  // the output has all findings
  lockstep->max_folios = header.reconstruction.max_attempts;
  return std::unique_ptr<Validation>(new Validation(*lockstep, std::move(options), next));
}

// An area exists before its first entry, so it is enough to ask when an entry turns up.
void Validation::on_event(const swaptrail_event& event, uint64_t sequence) {
  const uint32_t type = entry_type(event.entry);
  if (event.entry != 0 && type < max_swapfiles_) {
    if ((known_areas_ >> type & 1) == 0) learn_areas();
    known_areas_ |= uint64_t{1} << type;
    // it may come back with another size
    if ((event.state & SWAPTRAIL_STATE_SWAPOFF) != 0) known_areas_ &= ~(uint64_t{1} << type);
  }
  in_step_.on_event(event, sequence);
}

void Validation::learn_areas() {
  for (const recording::SwapArea& area : options_.areas()) {
    if (area.type >= max_swapfiles_) continue;
    known_areas_ |= uint64_t{1} << area.type;
    in_step_.on_area(area);
  }
}

void Validation::on_finding(const engine::Finding& finding) {
  const Violation violation = as_violation(finding);
  next_.on_violation(violation);
  const uint64_t now_ns = options_.clock_ns();
  if (now_ns - second_ns_ >= kSecond_ns) {
    report_unlogged();
    second_ns_ = now_ns;
    logged_ = 0;
  }
  if (logged_ == kLinesPerSecond) {
    ++unlogged_;
    return;
  }
  ++logged_;
  std::fprintf(stderr, "swaptraild: finding: %.*s: %s\n", static_cast<int>(violation.rule.size()),
               violation.rule.data(), one_line(violation.text).c_str());
}

void Validation::report_unlogged() {
  if (unlogged_ == 0) return;
  std::fprintf(stderr, "swaptraild: %llu more findings\n",
               static_cast<unsigned long long>(unlogged_));
  unlogged_ = 0;
}

void Validation::finish(uint64_t now_ns) {
  in_step_.finish(now_ns);
  report_unlogged();
}

ValidationStatus Validation::status() const {
  return {options_.sample, counters().lifecycles, counters().agreed, counters().findings};
}

std::vector<report::ReconcileRow> Validation::trust_rows() const {
  const auto row = [](std::string_view name, uint64_t model, uint64_t ours, std::string_view note) {
    const auto left = static_cast<int64_t>(model), right = static_cast<int64_t>(ours);
    return report::ReconcileRow{name, left, right, right - left, note};
  };
  return {row("validated", counters().lifecycles, counters().agreed,
              "lifecycles of the model = those that were reported the same"),
          row("findings", 0, counters().findings, "of the model: there should be none")};
}

}  // namespace swaptrail::validate
