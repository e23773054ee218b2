// Generations of pages (CONFIG_LRU_GEN).
#include <algorithm>
#include <bit>

#include "engine/machine/lru.h"

namespace swaptrail::engine {
namespace {

// The bits of a shadow: min_seq, what was seen of references, and PG_workingset.
constexpr int kReferenceBits = 2;  // LRU_REFS_WIDTH
constexpr uint32_t kMostReferences = (1U << kReferenceBits) - 1;
constexpr int kSequenceShift = kReferenceBits + 1;
constexpr int8_t kFirstPriority = 12;  // DEF_PRIORITY

}  // namespace

// ---- tiers -------------------------------------------------------------------------------------

void Tiers::carry_over() {
  for (uint32_t tier = 0; tier < kTiers; ++tier) {
    average_refaulted_[tier] = (average_refaulted_[tier] + refaulted_[tier]) / 2;
    average_total_[tier] = (average_total_[tier] + evicted_[tier]) / 2;
    refaulted_[tier] = evicted_[tier] = 0;
  }
}

uint32_t Tiers::highest_evicted() const {
  constexpr uint64_t kFirstGain = 2, kGain = 3;
  const uint64_t first_refaulted = average_refaulted_[0] + refaulted_[0];
  const uint64_t first_total = average_total_[0] + evicted_[0];
  uint32_t tier = 1;
  for (; tier < kTiers; ++tier) {
    const uint64_t refaulted = average_refaulted_[tier] + refaulted_[tier];
    const uint64_t total = average_total_[tier] + evicted_[tier];
    const bool few = refaulted < kGenerationBatch;
    const bool better = refaulted * (first_total + kGenerationBatch) * kFirstGain <=
                        (first_refaulted + 1) * total * kGain;
    if (!few && !better) break;
  }
  return tier - 1;
}

// ---- references --------------------------------------------------------------------------------

uint32_t Lru::references_of(const Folio& folio, const Link& link) const {
  return folio.referenced ? link.references + 1U : 0;
}

uint32_t Lru::tier_of(const Folio& folio, const Link& link) const {
  if (link.workingset) return kTiers - 1;
  const uint32_t references = references_of(folio, link);
  return references == 0 ? 0 : static_cast<uint32_t>(std::bit_width(references - 1));
}

// LRU_REFS_FLAGS, which had fewer bits once, but included PG_workingset.
void Lru::clear_references(Folio& folio, Link& link) {
  folio.referenced = false;
  link.references = 0;
  if (!features_.promotes_referenced) link.workingset = false;
}

// lru_gen_inc_refs
void Lru::mark_accessed(Folio& folio, Link& link) {
  if (!folio.referenced) {
    folio.referenced = true;
    link.references = 0;
  } else if (link.references == kMostReferences) {
    link.workingset = true;
  } else {
    ++link.references;
  }
}

bool Lru::take_second_reference(Folio& folio) {
  Link& link = link_of(folio);
  if (!folio.referenced && !link.workingset) {
    folio.referenced = true;
    link.references = 0;
    return false;
  }
  if (references_of(folio, link) > 1) {
    clear_references(folio, link);
    link.workingset = true;
  } else {
    mark_accessed(folio, link);
  }
  return true;
}

void Lru::promote(uint32_t frame) {
  Folio& folio = frames_[frame].folio;
  Link& link = links_[frame];
  if (features_.promotes_referenced && !folio.referenced && !link.workingset) {
    folio.referenced = true;
    link.references = 0;
    return;
  }
  if (!has(frame)) {  // isolated, or not added yet
    if (!features_.promotes_referenced) folio.referenced = true;
    return;
  }
  clear_references(folio, link);
  link.workingset = features_.promotes_referenced;
  change_generation(link, newest_);
}

void Lru::activate(uint32_t frame) {
  Folio& folio = frames_[frame].folio;
  Link& link = links_[frame];
  if (features_.promotes_referenced) {
    if (!take_second_reference(folio)) return;
  } else if (!has(frame)) {
    folio.referenced = true;
  }
  if (!has(frame) || link.sequence == newest_) return;
  if (!features_.promotes_referenced) clear_references(folio, link);
  remove(frame);
  folio.active = true;
  add(frame);
}

// ---- leaving and coming back -------------------------------------------------------------------

uint64_t Lru::shadow_of(const Folio& folio) {
  if (!features_.multi_gen_lru) {
    const uint64_t age = age_;
    age_ += folio.nr_pages;
    return age;
  }
  const Link& link = link_of(folio);
  const uint32_t references = references_of(folio, link);
  tiers_.evicted(tier_of(folio, link));
  return oldest_ << kSequenceShift | (references == 0 ? 0 : references - 1) << 1 |
         (link.workingset ? 1 : 0);
}

void Lru::refault(uint32_t frame, uint64_t shadow) {
  Folio& folio = frames_[frame].folio;
  if (!features_.multi_gen_lru) {
    if (!features_.anon_refaults || age_ - shadow > active()) return;
    folio.active = true;
    age_ += folio.nr_pages;
    ++activated_;
    return;
  }
  const uint64_t sequence = shadow >> kSequenceShift;
  const bool recent = newest_ - sequence < kMostGenerations;
  if (!features_.promotes_referenced || !recent) return;
  Link& link = links_[frame];
  const bool workingset = shadow & 1;
  const uint32_t references = (shadow >> 1 & kMostReferences) + 1;
  tiers_.refaulted(workingset ? kTiers - 1 : static_cast<uint32_t>(std::bit_width(references - 1)));
  link.workingset = workingset;
  if (!workingset) link.references = static_cast<uint8_t>(references - 1);
}

// ---- generations -------------------------------------------------------------------------------

void Lru::change_generation(Link& link, uint64_t sequence) {
  size_of(link) -= link.pages;
  link.sequence = sequence;
  size_of(link) += link.pages;
}

// lru_gen_add_folio (include/linux/mm_inline.h).
uint64_t Lru::generation_for(const Folio& folio) const {
  if (features_.promotes_referenced) return generation_by_references(folio);
  if (folio.active) return newest_;
  const bool pending = folio.reclaim && (folio.dirty || folio.writeback);
  if ((folio.anon && !folio.swapcache) || pending) return newest_ - 1;
  return oldest_ + kMinGenerations >= newest_ ? oldest_ : oldest_ + 1;
}

// lru_gen_folio_seq (include/linux/mm_inline.h).
uint64_t Lru::generation_by_references(const Folio& folio) const {
  const bool workingset = links_[FrameTable::of(folio)].workingset;
  const bool pending = folio.reclaim && (folio.dirty || folio.writeback);
  uint64_t from_newest = kMostGenerations - (workingset || folio.referenced ? 1 : 0);
  if (folio.active) {
    from_newest = kMinGenerations - (workingset ? 1 : 0);
  } else if (!folio.swapcache || pending) {
    from_newest = kMinGenerations;
  }
  return std::max(newest_ + 1 - from_newest, oldest_);
}

void Lru::keep_from_oldest(Folio& folio) {
  if (features_.promotes_referenced && generation_by_references(folio) != oldest_) return;
  Link& link = link_of(folio);
  clear_references(folio, link);
  folio.active = true;
}

bool Lru::wants_generation(int8_t priority) const {
  if (only_generation()) return true;
  if (priority == kFirstPriority || oldest_ + kMinGenerations < newest_) return false;
  if (features_.promotes_referenced) return true;
  const uint64_t young = sizes_[newest_ % kMostGenerations];
  const uint64_t old = sizes_[oldest_ % kMostGenerations];
  return young * kMinGenerations > size() || old * (kMinGenerations + 2) < size();
}

void Lru::begin_generation() {
  if (newest_ - oldest_ + 1 == kMostGenerations) retire_oldest();
  ++newest_;
}

// inc_min_seq: the rest of the oldest generation joins the next one, at its end.
void Lru::retire_oldest() {
  uint32_t frame = kNoFrame;
  while ((frame = lists_[oldest_ % kMostGenerations].tail) != kNoFrame) {
    Link& link = links_[frame];
    const uint64_t sequence = std::max<uint64_t>(link.sequence, oldest_ + 1);
    remove(frame);
    link.sequence = sequence;
    insert(frame, sequence % kMostGenerations, true);
  }
  tiers_.carry_over();
  ++oldest_;
}

// True if it is left out of this round: it is younger by now, or its tier is spared (sort_folio).
bool Lru::sort(uint32_t frame, uint32_t highest_tier) {
  Link& link = links_[frame];
  Folio& folio = frames_[frame].folio;
  uint64_t sequence = link.sequence;
  if (sequence == oldest_) {
    if (!features_.promotes_referenced || tier_of(folio, link) <= highest_tier) return false;
    tiers_.spared(tier_of(folio, link));
    sequence = oldest_ + 1;
    clear_references(folio, link);
  }
  remove(frame);
  link.sequence = sequence;
  insert(frame, sequence % kMostGenerations, false);
  return true;
}

// try_to_inc_min_seq
void Lru::retire_empty() {
  const uint64_t before = oldest_;
  while (lists_[oldest_ % kMostGenerations].tail == kNoFrame &&
         oldest_ + kMinGenerations <= newest_) {
    ++oldest_;
  }
  if (oldest_ != before) tiers_.carry_over();
}

// evict_folios, isolate_folios, scan_folios.
uint32_t Lru::isolate_oldest(uint32_t most, std::vector<uint32_t>& out) {
  if (features_.bounded_eviction) retire_empty();
  if (only_generation()) return 0;
  const uint32_t most_scanned = features_.bounded_eviction ? most : kMostScanned;
  const uint32_t highest_tier = tiers_.highest_evicted();
  uint32_t taken = 0, scanned = 0;
  for (uint32_t looked = 0; looked < most_scanned && taken < kGenerationBatch; ++looked) {
    const uint32_t frame = lists_[oldest_ % kMostGenerations].tail;
    if (frame == kNoFrame) break;
    scanned += links_[frame].pages;
    if (sort(frame, highest_tier)) continue;
    remove(frame);
    taken += links_[frame].pages;
    Folio& folio = frames_[frame].folio;
    if (!folio.referenced) clear_references(folio, links_[frame]);
    if (!features_.promotes_referenced) folio.referenced = false;
    out.push_back(frame);
  }
  retire_empty();
  return !features_.bounded_eviction && only_generation() ? 0 : scanned;
}

}  // namespace swaptrail::engine
