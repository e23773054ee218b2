// The events that a complaint is about, to read.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/sim/folios.h"
#include "tests/sim/oracle.h"
#include "trace/decode.h"

namespace swaptrail::sim {
namespace {

constexpr size_t kMostLines = 60;
constexpr std::string_view kFates[] = {"unobserved", "hidden", "DROPPED", "-"};

bool overlaps(uint64_t begin, uint64_t count, uint64_t wanted, uint64_t wanted_count) {
  return begin != 0 && wanted != 0 && begin < wanted + wanted_count && wanted < begin + count;
}

bool concerns(const swaptrail_event& event, const Complaint& complaint) {
  uint64_t pages = std::max<uint64_t>(1, event.nr_pages);
  if (event.kind == SWAPTRAIL_SPLIT) pages = std::max<uint64_t>(pages, event.result);
  return overlaps(event.folio, pages * kPageStruct, complaint.folio, 1) ||
         overlaps(event.entry, pages, complaint.entry, complaint.nr_pages);
}

std::string state_text(uint16_t state) {
  constexpr std::string_view kLetters = "AKBCDWMO";
  std::string text;
  for (size_t bit = 0; bit < kLetters.size(); ++bit) {
    if (state & (1U << bit)) text.push_back(kLetters[bit]);
  }
  return text;
}

std::string line(const Witness& witness) {
  const swaptrail_event& event = witness.fate == Fate::kDelivered ? witness.record : witness.truth;
  std::string text = absl::StrFormat(
      "  %12d cpu %d %-10s tid %-5d batch %d %-15s folio %x entry %d:%d pages %d result %d %s\n",
      event.time_ns, event.cpu, kFates[static_cast<size_t>(witness.fate)], event.tid,
      event.batch_ns, kind_name(event.kind), event.folio, entry_type(event.entry),
      entry_offset(event.entry), event.nr_pages, event.result, state_text(event.state));
  if (event.kind == SWAPTRAIL_WRITE_END) {
    text.pop_back();
    absl::StrAppendFormat(&text, " %s\n", backend_name(static_cast<uint8_t>(event.u.page.backend)));
  }
  return text;
}

}  // namespace

std::string Oracle::story(const Complaint& complaint) const {
  std::vector<const Witness*> shown;
  absl::flat_hash_map<uint64_t, bool> batches;
  for (const Witness& witness : distorted_.witnesses) {
    const bool wanted = concerns(witness.truth, complaint);
    if (wanted && witness.truth.batch_ns != 0) batches[witness.truth.batch_ns] = true;
  }
  for (const Witness& witness : distorted_.witnesses) {
    const swaptrail_event& event = witness.truth;
    const bool frame = event.kind == SWAPTRAIL_RECLAIM_BEGIN || event.kind == SWAPTRAIL_RECLAIM_END;
    if (concerns(event, complaint) || (frame && batches.contains(event.batch_ns))) {
      shown.push_back(&witness);
    }
  }
  std::string text;
  for (const TrueSwapOut& truth : truth_) {
    if (truth.folio != complaint.folio) continue;
    absl::StrAppendFormat(
        &text, "  truly %d-%d %s entry %d:%d pages %d passes %d mappings %d, backend %s\n",
        truth.begin_ns, truth.end_ns, outcome_name(truth.outcome), entry_type(truth.entry),
        entry_offset(truth.entry), truth.nr_pages, truth.passes, truth.mappings,
        backend_name(truth.backend));
  }
  const size_t skipped = shown.size() > kMostLines ? shown.size() - kMostLines : 0;
  if (skipped != 0) absl::StrAppendFormat(&text, "  (%d events before)\n", skipped);
  for (size_t index = skipped; index < shown.size(); ++index) {
    absl::StrAppend(&text, line(*shown[index]));
  }
  return text;
}

}  // namespace swaptrail::sim
