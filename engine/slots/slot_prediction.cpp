#include "engine/slots/slot_prediction.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

constexpr std::string_view kMissNames[] = {
    "none", "unknown_history", "cached_batch", "other_cpu", "random_start", "reuse", "other"};
static_assert(std::size(kMissNames) == static_cast<size_t>(SlotMiss::kCount));

constexpr std::string_view kViolationNames[] = {"none", "slot_out_of_range", "slot_in_use",
                                                "slot_misaligned", "slot_bad_page"};
static_assert(std::size(kViolationNames) == static_cast<size_t>(SlotViolation::kCount));

}  // namespace

absl::Status SlotPrediction::add_area(const Area& area, bool fresh) {
  // If an area was being swapped off, its last frees may not have been seen.
  if (slots_.area(area.type) != nullptr && slots_.retiring(area.type)) {
    slots_.swapoff(area.type).IgnoreError();
  }
  const absl::Status added = slots_.swapon(area);
  if (added.ok()) known_[area.type] = {fresh, SlotMap(area.pages)};
  return added;
}

absl::Status SlotPrediction::remove_area(uint32_t type) {
  const absl::Status removed = slots_.swapoff(type);
  if (removed.ok()) known_[type] = {false, SlotMap()};
  return removed;
}

SlotViolation SlotPrediction::violation_of(uint64_t entry, uint32_t nr_pages) const {
  const Area* area = slots_.area(entry_type(entry));
  const uint64_t slot = entry_offset(entry);
  if (area == nullptr || slot == 0 || nr_pages == 0 || slot >= area->pages ||
      nr_pages > area->pages - slot) {
    return SlotViolation::kOutOfRange;
  }
  if (slot % nr_pages != 0) return SlotViolation::kMisaligned;
  const auto bad = std::lower_bound(area->bad_pages.begin(), area->bad_pages.end(), slot);
  if (bad != area->bad_pages.end() && *bad < slot + nr_pages) return SlotViolation::kBadPage;
  for (uint32_t page = 0; !lost_ && page < nr_pages; ++page) {
    if (slots_.in_use(entry + page)) return SlotViolation::kInUse;
  }
  return SlotViolation::kNone;
}

SlotMiss SlotPrediction::cause_of(uint32_t cpu, uint32_t nr_pages, uint64_t entry,
                                  std::optional<uint64_t> predicted) const {
  const Known& known = known_[entry_type(entry)];
  if (lost_ || !known.fresh) return SlotMiss::kUnknownHistory;
  if (slots_.in_cache(entry)) return SlotMiss::kCachedBatch;
  const std::optional<uint32_t> observed_holder = slots_.holder(entry, nr_pages);
  const std::optional<uint32_t> predicted_holder =
      predicted ? slots_.holder(*predicted, nr_pages) : std::nullopt;
  if ((observed_holder && *observed_holder != cpu) ||
      (predicted_holder && *predicted_holder != cpu)) {
    return SlotMiss::kOtherCpu;
  }
  if (slots_.scans(entry_type(entry))) return SlotMiss::kRandomStart;
  return known.freed.any(entry_offset(entry), nr_pages) ? SlotMiss::kReuse : SlotMiss::kOther;
}

SlotCheck SlotPrediction::take(uint32_t cpu, uint32_t nr_pages, uint64_t entry) {
  SlotCheck check;
  ++counts_.allocations;
  check.predicted = slots_.step(cpu, nr_pages, entry);
  const bool turn =
      cpu >= expected_.size() || std::exchange(expected_[cpu], entry + nr_pages) != entry;
  counts_.turns += turn;
  if (check.predicted == entry) {
    ++counts_.exact;
    counts_.exact_turns += turn;
    return check;
  }
  check.violation = violation_of(entry, nr_pages);
  ++counts_.violations[static_cast<size_t>(check.violation)];
  check.miss = check.violation != SlotViolation::kNone
                   ? SlotMiss::kOther
                   : cause_of(cpu, nr_pages, entry, check.predicted);
  ++counts_.misses[static_cast<size_t>(check.miss)];
  if (check.violation == SlotViolation::kNone) slots_.adopt(cpu, nr_pages, entry);
  return check;
}

void SlotPrediction::free(uint32_t cpu, uint64_t entry, uint32_t nr_pages, bool swapoff) {
  // The second time it is retired already; that error does not matter.
  if (swapoff && !slots_.retiring(entry_type(entry)))
    slots_.retire(entry_type(entry)).IgnoreError();
  const uint64_t cluster = slots_.options().cluster_slots;
  while (nr_pages > 0) {
    const uint64_t room = cluster - entry_offset(entry) % cluster;
    const auto here = static_cast<uint32_t>(std::min<uint64_t>(room, nr_pages));
    free_in_cluster(cpu, entry, here);
    entry += here;
    nr_pages -= here;
  }
}

void SlotPrediction::free_in_cluster(uint32_t cpu, uint64_t entry, uint32_t nr_pages) {
  const Area* area = slots_.area(entry_type(entry));
  const uint64_t slot = entry_offset(entry);
  if (area == nullptr || slot == 0 || slot >= area->pages || nr_pages > area->pages - slot) {
    counts_.unknown_frees += nr_pages;
    return;
  }
  known_[entry_type(entry)].freed.set(slot, nr_pages);
  if (slots_.free(cpu, entry, nr_pages).ok()) return;
  // Some of them were taken before the observation: then free them one by one.
  for (uint32_t page = 0; page < nr_pages; ++page) {
    if (!slots_.free(cpu, entry + page, 1).ok()) ++counts_.unknown_frees;
  }
}

std::string_view slot_miss_name(SlotMiss miss) {
  return miss < SlotMiss::kCount ? kMissNames[static_cast<size_t>(miss)] : "unknown";
}

std::string_view slot_violation_name(SlotViolation violation) {
  return violation < SlotViolation::kCount ? kViolationNames[static_cast<size_t>(violation)]
                                           : "unknown";
}

}  // namespace swaptrail::engine
