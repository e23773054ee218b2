#include "trace/recording/history.h"

#include <algorithm>

namespace swaptrail::recording {

History::History() : cpus_(kCpus), folios_(kFolios), names_(kNames) { used_.reserve(kCpus); }

void History::reset(uint64_t first_ns) {
  for (const uint16_t index : used_) cpus_[index] = Cpu();
  used_.clear();
  std::fill(folios_.begin(), folios_.end(), Folio());
  std::fill(names_.begin(), names_.end(), Name());
  previous_ns_ = first_ns;
  previous_cpu_ = 0;
}

void History::begin_use(Cpu& context, uint32_t index) {
  context.used = true;
  used_.push_back(static_cast<uint16_t>(index));
}

uint64_t History::folio_guess(uint8_t guess, const Trail& trail, const Kind& kind) {
  if (guess == kTrail) return trail.folio;
  if (guess == kNext) return kind.folio + kind.folio_step;
  const Folio& before = folio_slot(kind.folio);
  return before.folio == kind.folio ? before.next : 0;
}

uint64_t History::entry_guess(uint8_t guess, const Trail& trail, const Kind& kind, uint64_t folio) {
  if (guess == kTrail) return trail.entry;
  if (guess == kNext) return kind.entry + kind.nr_pages;
  const Folio& known = folio_slot(folio);
  return known.folio == folio ? known.entry : 0;
}

// Called when the guess was wrong: returns the first guess that would have been right, or the old
// one.
uint8_t History::better_folio_guess(const Trail& trail, const Kind& kind, uint64_t folio) {
  for (const uint8_t guess : {kTrail, kNext, kKnown})
    if (folio_guess(guess, trail, kind) == folio) return guess;
  return kind.folio_guess;
}

uint8_t History::better_entry_guess(const Trail& trail, const Kind& kind, uint64_t folio,
                                    uint64_t entry) {
  for (const uint8_t guess : {kTrail, kNext, kKnown})
    if (entry_guess(guess, trail, kind, folio) == entry) return guess;
  return kind.entry_guess;
}

void History::remember_place(uint8_t event_kind, Trail& trail, Kind& kind, const Trail& now) {
  if (now.folio != 0 && (now.folio != trail.folio || now.entry != trail.entry)) {
    Folio& slot = folio_slot(now.folio);
    if (slot.folio != now.folio) slot = {now.folio, 0, 0};
    slot.entry = now.entry;
  }
  if (event_kind == SWAPTRAIL_WRITE_ISSUED) {
    Folio& before = folio_slot(kind.folio);
    if (before.folio == kind.folio) before.next = now.folio;
  }
  kind.folio_step = now.folio - kind.folio;
  kind.folio = now.folio;
  kind.entry = now.entry;
  kind.nr_pages = now.nr_pages;
  // A write can end at any time, on any CPU: the trail continues behind it.
  if (event_kind != SWAPTRAIL_WRITE_COMPLETED) trail = now;
}

}  // namespace swaptrail::recording
