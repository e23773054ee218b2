// Prints the lockstep's findings, as text for people and as JSON lines for tools.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "cli/offline/slot_shares.h"
#include "engine/lockstep/lockstep.h"
#include "trace/recording/bytes.h"
#include "trace/report/print.h"
#include "trace/report/printer.h"
#include "trace/report/summary.h"

namespace swaptrail::offline {

std::string_view finding_kind_name(engine::FindingKind kind);

// The rules that a swap-out can't break: name, kernel function, and what a violation means.
void append_rules(report::PrintFormat format, std::string& out);

// Printed last.
struct LockstepSummary {
  std::string subject;  // "Linux 6.12.1, mode full"
  const engine::LockstepCounters& counters;
  const report::Summary& trace;  // of the same lifecycles
  const SlotShares& slots;
};
void append_json(const LockstepSummary& summary, std::string& out);
void append_text(const LockstepSummary& summary, std::string& out);

// The owners of folios, as far as the stream has shown them. Bounded: the first ones stay.
class Owners {
 public:
  struct Owner {
    uint32_t tgid = 0;
    Comm comm{};
  };
  void on_event(const swaptrail_event& event);
  // Null: not known.
  const Owner* find(uint64_t folio, uint64_t entry) const;

 private:
  absl::flat_hash_map<uint64_t, Owner> by_folio_;
  uint64_t freed_ = 0;  // folio that the current event freed
  Owner faulting_;      // of the current event, if it is a swap-in
  uint64_t faulting_entry_ = 0;
};

// Writes findings as they come. After an error of the sink it does nothing. One thread.
class FindingReport : public engine::FindingSink {
 public:
  // `start_ns`: the zero of the seconds in text. `names` and `sink` must outlive it.
  FindingReport(report::PrintFormat format, uint64_t start_ns, const report::Names& names,
                recording::ByteSink& sink)
      : format_(format), start_ns_(start_ns), names_(names), sink_(sink) {}

  // Call it before the lockstep gets the event.
  void on_event(const swaptrail_event& event) { owners_.on_event(event); }
  void on_finding(const engine::Finding& finding) override;
  void on_summary(const LockstepSummary& summary);

 private:
  void append_text_block(const engine::Finding& finding);
  void append_json_line(const engine::Finding& finding);
  void flush();

  const report::PrintFormat format_;
  const uint64_t start_ns_;
  const report::Names& names_;
  recording::ByteSink& sink_;
  Owners owners_;
  std::string buffer_;
  bool failed_ = false;
};

}  // namespace swaptrail::offline
