// Findings, and the comparison of the model's accounts with the lifecycles of trace/.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/lockstep/lockstep_impl.h"

namespace swaptrail::engine {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(Taken::kCount)> kTakenNames = {
    "entered",         "adopted",     "slot",         "mappings",   "still_mapped",
    "dirtied",         "zero_filled", "zswap_stored", "completion", "write_failed",
    "extra_reference", "no_user",     "refused",      "swap_in",    "left_cache",
    "slot_freed",      "split"};

constexpr size_t kMostHeld = 4096;  // findings that wait

}  // namespace

std::string_view taken_name(Taken taken) {
  const size_t index = static_cast<size_t>(taken);
  return index < kTakenNames.size() ? kTakenNames[index] : "unknown";
}

void Lockstep::Impl::find(FindingKind kind, Rule rule, const Event& event, std::string text,
                          FolioRecord* record) {
  if (options_.may_miss_silently && kind == FindingKind::kLoss) return;
  if (record != nullptr) record->account.unsure = true;
  Finding finding;
  finding.kind = kind;
  finding.rule = rule;
  finding.folio = event.folio;
  finding.entry = event.entry;
  finding.time_ns = event.time_ns;
  finding.text = absl::StrCat("at ", std::string(kind_name(event.kind)), " of cpu ", event.cpu,
                              ", thread ", event.tid);
  if (!text.empty()) absl::StrAppend(&finding.text, ": ", text);
  if (record != nullptr) absl::StrAppend(&finding.text, "; before: ", describe(*record));
  report(std::move(finding));
}

// While a missing event may still come, findings wait: if it never comes, it is their cause.
void Lockstep::Impl::report(Finding finding) {
  const bool of_stream = finding.rule == Rule::kSequenceGap ||
                         finding.rule == Rule::kSequenceRepeated ||
                         finding.rule == Rule::kTimeBackwards || finding.rule == Rule::kBadEvent;
  if (stream_.waiting() != 0 && !of_stream && !finished_) {
    if (held_.size() < std::min(options_.max_findings, kMostHeld))
      held_.push_back(std::move(finding));
    return;
  }
  ++counters.broken[static_cast<size_t>(finding.rule)];
  if (counters.findings++ < options_.max_findings) sink_.on_finding(finding);
}

void Lockstep::Impl::report_held() {
  if (held_.empty()) return;
  for (Finding& finding : std::exchange(held_, {})) report(std::move(finding));
}

// The model's state, and the last events.
std::string Lockstep::Impl::describe(const FolioRecord& record) const {
  const Folio& folio = record.model;
  std::string text =
      absl::StrCat(folio.anon ? "anon" : "shmem", folio.swapcache ? ", in the swap cache" : "",
                   folio.dirty ? ", dirty" : "", folio.writeback ? ", under writeback" : "",
                   folio.mapped != 0 ? ", mapped" : "", ", ", folio.nr_pages, " pages");
  if (folio.entry != 0) {
    absl::StrAppend(&text, ", slot ", entry_type(folio.entry), ":", entry_offset(folio.entry));
  }
  if (record.account.passes > 1) absl::StrAppend(&text, ", pass ", record.account.passes);
  const size_t size = record.history.size();
  for (size_t i = 0; i < size; ++i) {
    const FolioRecord::Seen& seen = record.history[(record.history_next + i) % size];
    if (seen.time_ns == 0) continue;
    absl::StrAppend(&text, i == 0 ? "; " : ", ", std::string(kind_name(seen.kind)), " at ",
                    seen.time_ns);
  }
  return text;
}

// ---- lifecycles --------------------------------------------------------------------------------

void Lockstep::Impl::on_lifecycle(const Lifecycle& lifecycle) {
  if (!sampled(lifecycle.folio)) return;
  if (Batch* pass = pass_on(lifecycle.folio)) {
    pass->lifecycles.push_back(lifecycle);
    return;
  }
  match(lifecycle);
}

void Lockstep::Impl::match(const Lifecycle& lifecycle) {
  ++counters.lifecycles;
  way_back_.on_lifecycle(lifecycle);
  if (match_closed(lifecycle)) return;
  const auto live = folios_.find(lifecycle.folio);
  const bool same = live != folios_.end() && live->second.account.began() &&
                    live->second.account.first_batch_ns == lifecycle.at(Stage::kIsolated);
  if (same) {
    judge(live->second.account, lifecycle);
    live->second.account = Account{};
    return;
  }
  const bool sure = lifecycle.complete() && !lifecycle.overlapped_loss &&
                    !hidden(lifecycle.at(Stage::kIsolated)) && counters.folios_full == 0;
  // It was read in, and touched by reclaim before anything mapped it: it is open whether that is an
  // attempt.
  const bool kept = lifecycle.readahead && lifecycle.at(Stage::kRemoved) == 0;
  if (!sure || kept || lifecycle.outcome == Outcome::kUnknown) {
    ++counters.not_compared;
    return;
  }
  Event at{};
  at.time_ns = lifecycle.closed_ns;
  at.folio = lifecycle.folio;
  at.entry = lifecycle.entry;
  find(
      FindingKind::kDisagreement, Rule::kLifecycleUnknown, at,
      absl::StrCat("lifecycle ", lifecycle.id, ", ", std::string(outcome_name(lifecycle.outcome))));
}

bool Lockstep::Impl::match_closed(const Lifecycle& lifecycle) {
  const auto closed = closed_.find(lifecycle.folio);
  if (closed == closed_.end()) return false;
  std::deque<Account>& accounts = closed->second;
  const auto same = std::find_if(accounts.begin(), accounts.end(), [&](const Account& account) {
    const uint64_t isolated_ns = lifecycle.at(Stage::kIsolated);
    // It may be open whether its first pass is part of the attempt.
    const bool open = account.unsure && account.last_batch_ns == isolated_ns;
    return account.first_batch_ns == isolated_ns || open;
  });
  if (same == accounts.end()) return false;
  judge(*same, lifecycle);
  accounts.erase(same);
  --closed_count_;
  if (accounts.empty()) closed_.erase(closed);
  return true;
}

void Lockstep::Impl::judge(Account& account, const Lifecycle& lifecycle) {
  account.unsure |= loss_until_ns_ > account.begin_ns;
  const bool comparable = lifecycle.complete() && !lifecycle.overlapped_loss && !account.unsure &&
                          !account.dropped && lifecycle.outcome != Outcome::kUnknown;
  if (!comparable) {
    ++counters.not_compared;
    return;
  }
  std::string text;
  const Rule rule = compare(account, lifecycle, text);
  if (rule == Rule::kCount) {
    ++counters.agreed;
    return;
  }
  Finding finding;
  finding.kind = FindingKind::kDisagreement;
  finding.rule = rule;
  finding.lifecycle_id = lifecycle.id;
  finding.folio = lifecycle.folio;
  finding.entry = lifecycle.entry;
  finding.time_ns = lifecycle.closed_ns;
  finding.text = text;
  report(std::move(finding));
}

// Accounts whose lifecycle trace/ never reported.
void Lockstep::Impl::report_missing() {
  for (const auto& [folio, accounts] : closed_) {
    for (const Account& account : accounts) report_missing(account);
  }
}

void Lockstep::Impl::report_missing(const Account& account) {
  if (account.unsure || hidden(account.begin_ns)) return;
  Event at{};
  at.time_ns = account.begin_ns;
  at.folio = account.folio;
  at.entry = account.entry;
  find(FindingKind::kDisagreement, Rule::kLifecycleUnknown, at,
       absl::StrCat("the trace has no such lifecycle; its last pass: ",
                    std::string(exit_name(account.end.exit))));
}

void Lockstep::Impl::report_wrong(WayBack::Wrong wrong) {
  if (options_.may_miss_silently && wrong.kind == FindingKind::kLoss) return;
  Finding finding;
  finding.kind = wrong.kind;
  finding.rule = wrong.rule;
  finding.lifecycle_id = wrong.lifecycle_id;
  finding.entry = wrong.entry;
  finding.time_ns = wrong.time_ns;
  finding.text = std::move(wrong.text);
  report(std::move(finding));
}

void Lockstep::Impl::report_strays() {
  for (const auto& [key, stray] : strays_) {
    if (stray.count != 1) continue;
    report(stray.first);
  }
}

}  // namespace swaptrail::engine
