#include "cli/offline/finding_report.h"

#include <algorithm>
#include <optional>

#include "absl/strings/str_format.h"
#include "trace/decode.h"
#include "trace/report/json.h"
#include "trace/report/text.h"
#include "trace/utf8.h"

namespace swaptrail::offline {
namespace {

namespace json = report::json;

constexpr size_t kMaxOwners = 1 << 20;

constexpr std::string_view kKindNames[] = {"violation", "loss", "disagreement"};
constexpr std::string_view kKindHeadings[] = {"VIOLATION", "LOSS", "DISAGREEMENT"};

// Each line of `text` on its own, indented.
void append_indented(std::string_view text, std::string& out) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    report::append_all(out, "    ", printable(text.substr(0, end)), "\n");
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

void append_seconds(uint64_t time_ns, uint64_t start_ns, std::string& out) {
  const uint64_t since = time_ns > start_ns ? time_ns - start_ns : 0;
  absl::StrAppendFormat(&out, "%d.%06d s", since / 1'000'000'000, since / 1'000 % 1'000'000);
}

}  // namespace

std::string_view finding_kind_name(engine::FindingKind kind) {
  return kKindNames[static_cast<size_t>(kind)];
}

void append_rules(report::PrintFormat format, std::string& out) {
  for (size_t index = 0; index < static_cast<size_t>(engine::Rule::kCount); ++index) {
    const engine::RuleText& rule = engine::rule_text(static_cast<engine::Rule>(index));
    if (format == report::PrintFormat::kJsonl) {
      out.push_back('{');
      report::json::field("type", std::string_view("rule"), out);
      report::json::field("name", rule.name, out);
      report::json::field("kernel", rule.kernel, out);
      report::json::field("text", rule.text, out);
      out.append("}\n");
    } else {
      report::append_all(out, rule.name, "\n    ", rule.text, "\n    ", rule.kernel, "\n");
    }
  }
}

void Owners::on_event(const swaptrail_event& event) {
  faulting_entry_ = 0;
  if (freed_ != 0) by_folio_.erase(freed_);
  const bool freed = event.kind == SWAPTRAIL_REMOVED && event.result == 1;
  freed_ = freed ? event.folio : 0;
  if (event.kind == SWAPTRAIL_SLOT_ALLOCATED || event.kind == SWAPTRAIL_SWAP_READ)
    by_folio_.erase(event.folio);  // another page may have it by now
  Owner* owner = nullptr;
  if (event.kind == SWAPTRAIL_SWAP_IN) {
    faulting_entry_ = event.entry;
    owner = &faulting_;
  } else if (event.kind == SWAPTRAIL_UNMAPPED_ONE) {
    if (by_folio_.size() >= kMaxOwners && !by_folio_.contains(event.folio)) return;
    owner = &by_folio_[event.folio];
  }
  if (owner == nullptr) return;
  owner->tgid = event.u.map.owner;
  std::copy_n(event.u.map.comm, SWAPTRAIL_COMM_LEN, owner->comm.begin());
}

const Owners::Owner* Owners::find(uint64_t folio, uint64_t entry) const {
  if (entry != 0 && entry == faulting_entry_) return &faulting_;
  const auto found = by_folio_.find(folio);
  return found == by_folio_.end() ? nullptr : &found->second;
}

void FindingReport::append_text_block(const engine::Finding& finding) {
  const engine::RuleText& rule = engine::rule_text(finding.rule);
  report::append_all(buffer_, kKindHeadings[static_cast<size_t>(finding.kind)], " ", rule.name,
                     " (", rule.kernel, ")\n    at ");
  append_seconds(finding.time_ns, start_ns_, buffer_);
  if (finding.lifecycle_id != 0) report::append_all(buffer_, ", lifecycle #", finding.lifecycle_id);
  if (const auto pfn = names_.pfn_of(finding.folio); pfn && finding.folio != 0)
    report::append_all(buffer_, ", pfn ", *pfn);
  if (finding.entry != 0)
    report::append_all(buffer_, ", slot ", entry_type(finding.entry), ":",
                       entry_offset(finding.entry));
  if (const Owners::Owner* owner = owners_.find(finding.folio, finding.entry))
    report::append_all(buffer_, ", of ", owner->tgid, " ", printable(comm_text(owner->comm)));
  report::append_all(buffer_, "\n    ", rule.text, "\n");
  append_indented(finding.text, buffer_);
}

void FindingReport::append_json_line(const engine::Finding& finding) {
  const engine::RuleText& rule = engine::rule_text(finding.rule);
  buffer_.push_back('{');
  report::json::field("type", std::string_view("finding"), buffer_);
  report::json::field("kind", finding_kind_name(finding.kind), buffer_);
  report::json::field("rule", rule.name, buffer_);
  report::json::field("kernel", rule.kernel, buffer_);
  report::json::number_or_null("lifecycle", finding.lifecycle_id != 0, finding.lifecycle_id,
                               buffer_);
  const std::optional<uint64_t> pfn =
      finding.folio != 0 ? names_.pfn_of(finding.folio) : std::nullopt;
  report::json::number_or_null("pfn", pfn.has_value(), pfn.value_or(0), buffer_);
  report::json::number_or_null("swap_type", finding.entry != 0, entry_type(finding.entry), buffer_);
  report::json::number_or_null("swap_offset", finding.entry != 0, entry_offset(finding.entry),
                               buffer_);
  report::json::field("time_ns", finding.time_ns, buffer_);
  const Owners::Owner* owner = owners_.find(finding.folio, finding.entry);
  report::json::number_or_null("pid", owner != nullptr, owner != nullptr ? owner->tgid : 0,
                               buffer_);
  report::json::name_or_null("comm", owner != nullptr,
                             owner != nullptr ? comm_text(owner->comm) : std::string_view(),
                             buffer_);
  report::json::field("text", finding.text, buffer_);
  buffer_.append("}\n");
}

void FindingReport::on_finding(const engine::Finding& finding) {
  if (failed_ || format_ == report::PrintFormat::kNone) return;
  if (format_ == report::PrintFormat::kJsonl)
    append_json_line(finding);
  else
    append_text_block(finding);
  flush();
}

void FindingReport::on_summary(const LockstepSummary& summary) {
  if (failed_ || format_ == report::PrintFormat::kNone) return;
  if (format_ == report::PrintFormat::kJsonl)
    append_json(summary, buffer_);
  else
    append_text(summary, buffer_);
  flush();
}

void FindingReport::flush() {
  failed_ = !sink_.append(buffer_).ok();
  buffer_.clear();
}

}  // namespace swaptrail::offline
