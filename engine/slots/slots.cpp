#include "engine/slots/slots.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "absl/strings/str_format.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

constexpr SlotRules kSlotRules[] = {
    // caches: alloc, return; lists, isolates; clusters: rotational, global; nonfull first; scan by CPU
    {false, false, false, false, false, false, false, false, SlotRules::kRotated},
    {true, true, false, false, false, false, false, true, SlotRules::kColumns},
    {true, true, true, false, false, false, false, true, SlotRules::kColumns},
    {true, false, true, true, true, false, false, true, SlotRules::kColumns},
    {false, false, true, true, true, true, false, true, SlotRules::kColumns},
    {false, false, true, true, true, true, true, true, SlotRules::kLinear},
};
static_assert(std::size(kSlotRules) == static_cast<size_t>(Allocator::kSwapTable) + 1);

SlotOptions possible_options(SlotOptions options) {
  options.cpus = std::max<uint32_t>(options.cpus, 1);
  options.cluster_slots = std::bit_ceil(std::clamp<uint32_t>(options.cluster_slots, 64, 8192));
  return options;
}

}  // namespace

const SlotRules& slot_rules(Allocator generation) {
  return kSlotRules[std::min(static_cast<size_t>(generation), std::size(kSlotRules) - 1)];
}

SlotCore::SlotCore(const SlotOptions& options)
    : options_(possible_options(options)),
      rules_(slot_rules(options.generation)),
      order_(options.default_priority),
      top_order_(static_cast<uint32_t>(std::countr_zero(options_.cluster_slots))),
      cpus_(options_.cpus),
      random_(options.seed) {}

// SplitMix64: any seed works, even 0.
uint64_t SlotCore::random() {
  uint64_t mixed = random_ += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  return mixed ^ mixed >> 31;
}

absl::Status SlotAllocator::swapon(const Area& area) {
  if (area.pages < 2) {
    return absl::InvalidArgumentError(absl::StrFormat("swap area %u has no slot", area.type));
  }
  if (area.pages > uint64_t{1} << 32) {
    return absl::InvalidArgumentError(absl::StrFormat("swap area %u: too large", area.type));
  }
  const bool clustered = !area.rotational || rules_.rotational_clusters;
  auto state = std::make_unique<AreaState>(area, options_.cluster_slots, clustered, options_.cpus);
  if (state->usable == 0) {
    return absl::InvalidArgumentError(absl::StrFormat("swap area %u is all bad", area.type));
  }
  const absl::StatusOr<int32_t> priority = order_.add(area);
  if (!priority.ok()) return priority.status();
  state->area.priority = *priority;
  // A scan begins at a random place in areas that seek at no cost (wear levelling).
  if (!area.rotational) {
    state->now.scan_next = 1 + random() % state->now.highest;
    for (CpuPlace& cpu : state->cpus) cpu.scan_next = 1 + random() % state->now.highest;
  }
  if (clustered) set_free_order(*state);
  total_ += state->usable;
  areas_[area.type] = std::move(state);
  return absl::OkStatus();
}

// mm/swapfile.c: setup_swap_map_and_extents, setup_clusters. Clusters that are partly used from the
// start (the header's, the last, those with bad slots) are on no free list.
void SlotCore::set_free_order(AreaState& area) {
  const uint32_t count = area.clusters.count();
  // SWAP_CLUSTER_COLS: SWAP_ADDRESS_SPACE_PAGES / SWAPFILE_CLUSTER. Clusters that are used one
  // after another are that far apart, so that CPUs do not meet in one address space.
  const uint32_t columns = rules_.free_order == SlotRules::kColumns
                               ? static_cast<uint32_t>(std::max<uint64_t>(
                                     kAddressSpaceSlots / options_.cluster_slots, 1))
                               : 1;
  const uint32_t first =
      rules_.free_order == SlotRules::kRotated ? area.cluster_of(area.now.scan_next) : 0;
  const auto add = [&](uint32_t cluster) {
    const uint16_t used = area.clusters[cluster].count;
    if (used == 0) {
      area.move_to_back(cluster, kFree);
    } else if (rules_.lists) {
      area.move_to_back(cluster, kNonfull);
    }
  };
  for (uint32_t column = 0; column < columns; ++column) {
    for (uint32_t at = column; at < count; at += columns) add((at + first) % count);
  }
}

// mm/swapfile.c: swapoff, until try_to_unuse; and disable_swap_slots_cache_lock.
absl::Status SlotAllocator::retire(uint32_t type) {
  const absl::Status removed = order_.remove(type);
  if (!removed.ok()) return removed;
  areas_[type]->retired = true;
  total_ -= areas_[type]->usable;
  ++retiring_;
  if (areas_[type]->now.in_use == 0) forget(type);
  return absl::OkStatus();
}

absl::Status SlotAllocator::swapoff(uint32_t type) {
  if (type >= kMostAreaTypes || areas_[type] == nullptr) {
    return absl::NotFoundError(absl::StrFormat("there is no swap area %u", type));
  }
  const absl::Status retired = areas_[type]->retired ? absl::OkStatus() : retire(type);
  if (areas_[type] != nullptr) forget(type);
  return retired;
}

void SlotCore::forget(uint32_t type) {
  for (CpuState& cpu : cpus_) {
    const auto gone = [&](uint64_t entry) { return entry_type(entry) == type; };
    uint64_t* begin = cpu.cache.data() + cpu.at;
    cpu.cached = std::remove_if(begin, begin + cpu.cached, gone) - begin;
    cpu.back_count =
        std::remove_if(cpu.back.data(), cpu.back.data() + cpu.back_count, gone) - cpu.back.data();
    for (GlobalCursor& cursor : cpu.cursors) {
      if (cursor.type == type) cursor.next = 0;
    }
  }
  in_use_ -= areas_[type]->now.in_use;
  areas_[type].reset();
  --retiring_;
}

bool SlotCore::possible(uint32_t cpu, uint32_t nr_pages) const {
  return cpu < cpus_.size() && std::has_single_bit(nr_pages) && nr_pages <= options_.cluster_slots;
}

std::optional<uint64_t> SlotAllocator::allocate(uint32_t cpu, uint32_t nr_pages) {
  if (!possible(cpu, nr_pages)) return std::nullopt;
  if (rules_.alloc_cache) set_cache_activity(/*drain=*/true);
  const uint64_t entry = place(cpu, static_cast<uint32_t>(std::countr_zero(nr_pages)));
  return entry == 0 ? std::nullopt : std::optional(entry);
}

AreaState* SlotCore::find(uint64_t entry, uint32_t nr_pages) {
  const uint32_t type = entry_type(entry);
  AreaState* area = type < kMostAreaTypes ? areas_[type].get() : nullptr;
  const uint64_t slot = entry_offset(entry);
  if (area == nullptr || slot == 0 || slot >= area->area.pages) return nullptr;
  return nr_pages <= area->area.pages - slot ? area : nullptr;
}

const AreaState* SlotCore::state_of(uint64_t entry) const {
  return const_cast<SlotCore*>(this)->find(entry, 1);
}

void SlotCore::taken(AreaState& area, uint64_t first, uint32_t count) {
  area.mark(first, count);
  in_use_ += count;
  if (area.now.in_use != area.usable) return;
  order_.leave(area.area.type);
  area.reclaim_due = rules_.lists && area.clustered && area.journal == nullptr;
}

absl::Status SlotAllocator::free(uint32_t cpu, uint64_t entry, uint32_t nr_pages) {
  const uint32_t type = entry_type(entry);
  if (type >= kMostAreaTypes || areas_[type] == nullptr) {
    return absl::NotFoundError(absl::StrFormat("there is no swap area %u", type));
  }
  AreaState* area = find(entry, nr_pages);
  const uint64_t slot = entry_offset(entry);
  if (area == nullptr || nr_pages == 0 || cpu >= cpus_.size() ||
      slot / options_.cluster_slots != (slot + nr_pages - 1) / options_.cluster_slots) {
    return absl::OutOfRangeError(absl::StrFormat("no slots %u+%u", slot, nr_pages));
  }
  for (uint64_t at = slot; at < slot + nr_pages; ++at) {
    if (area->taken.test(at) && !area->is_bad(at)) continue;
    return absl::FailedPreconditionError(absl::StrFormat("slot %u is free", at));
  }
  if (rules_.alloc_cache && nr_pages == 1 && area->held.test(slot)) drop_from_caches(entry);
  released(*area, slot, nr_pages);
  return absl::OkStatus();
}

// swap_range_free, with dec_cluster_info_page, or free_cluster and partial_free_cluster.
void SlotCore::released(AreaState& area, uint64_t first, uint32_t count) {
  area.unmark(first, count);
  in_use_ -= count;
  if (area.retired) {
    if (area.now.in_use == 0) forget(area.area.type);
    return;
  }
  order_.enter(area.area.type);
  if (!area.clustered) return;
  const uint32_t cluster = area.cluster_of(first);
  Cluster& emptied = area.clusters[cluster];
  if (emptied.count == 0) {
    area.move_to_back(cluster, kFree);
    emptied.order = 0;
  } else if (rules_.lists && (emptied.list < kNonfull || emptied.list >= kFrag)) {
    area.move_to_back(cluster, kNonfull + emptied.order);
  }
}

SlotUsage SlotAllocator::usage() const {
  SlotUsage usage{total_, in_use_, 0, 0};
  for (const CpuState& cpu : cpus_) {
    usage.cached += cpu.cached;
    usage.returning += cpu.back_count;
  }
  return usage;
}

bool SlotCore::handed_out(uint64_t entry) const {
  const AreaState* area = state_of(entry);
  const uint64_t slot = entry_offset(entry);
  return area != nullptr && area->taken.test(slot) && !area->held.test(slot) && !area->is_bad(slot);
}

const Area* SlotAllocator::area(uint32_t type) const {
  return type < kMostAreaTypes && areas_[type] != nullptr ? &areas_[type]->area : nullptr;
}

bool SlotAllocator::in_cache(uint64_t entry) const {
  const AreaState* area = state_of(entry);
  return area != nullptr && area->held.test(entry_offset(entry));
}

bool SlotAllocator::retiring(uint32_t type) const {
  return type >= kMostAreaTypes || areas_[type] == nullptr || areas_[type]->retired;
}

bool SlotAllocator::scans(uint32_t type) const {
  return type < kMostAreaTypes && areas_[type] != nullptr && !rules_.lists &&
         areas_[type]->clusters.size(kFree) == 0;
}

}  // namespace swaptrail::engine
