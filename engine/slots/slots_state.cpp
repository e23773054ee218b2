#include "engine/slots/slots_state.h"

#include <algorithm>
#include <bit>

namespace swaptrail::engine {
namespace {

constexpr uint64_t kAll = ~uint64_t{0};

// Bits [first % 64, + count) of a word, as far as they are inside it.
uint64_t mask_of(uint64_t first, uint64_t count) {
  const uint64_t low = kAll << (first % 64);
  const uint64_t end = first % 64 + count;
  return end >= 64 ? low : low & ~(kAll << end);
}

// Bits of `free` at which `count` (2 to 32, a power of two) free bits begin, aligned.
uint64_t aligned_starts(uint64_t free, uint32_t count) {
  for (uint32_t step = 1; step < count; step *= 2) free &= free >> step;
  uint64_t starts = 1;
  for (uint32_t step = count; step < 64; step *= 2) starts |= starts << step;
  return free & starts;
}

}  // namespace

SlotMap::SlotMap(uint64_t slots) : words_((slots + 63) / 64), full_((words_.size() + 63) / 64) {
  if (slots % 64 != 0) words_.back() = kAll << (slots % 64);
  if (words_.size() % 64 != 0) full_.back() = kAll << (words_.size() % 64);
}

bool SlotMap::any(uint64_t first, uint32_t count) const {
  const uint64_t end = first + count;
  for (uint64_t at = first; at < end; at = (at / 64 + 1) * 64) {
    if ((words_[at / 64] & mask_of(at, end - at)) != 0) return true;
  }
  return false;
}

void SlotMap::set(uint64_t first, uint32_t count) {
  const uint64_t end = first + count;
  for (uint64_t at = first; at < end; at = (at / 64 + 1) * 64) {
    uint64_t& word = words_[at / 64];
    word |= mask_of(at, end - at);
    if (word == kAll) full_[at / 4096] |= uint64_t{1} << (at / 64 % 64);
  }
}

void SlotMap::clear(uint64_t first, uint32_t count) {
  const uint64_t end = first + count;
  for (uint64_t at = first; at < end; at = (at / 64 + 1) * 64) {
    words_[at / 64] &= ~mask_of(at, end - at);
    full_[at / 4096] &= ~(uint64_t{1} << (at / 64 % 64));
  }
}

uint64_t SlotMap::next_open_word(uint64_t word, uint64_t end) const {
  if (word / 64 >= full_.size()) return words_.size();
  uint64_t open = ~full_[word / 64] & (kAll << (word % 64));
  uint64_t group = word / 64;
  while (open == 0) {
    if (++group >= full_.size() || group * 4096 >= end) return words_.size();
    open = ~full_[group];
  }
  return group * 64 + static_cast<uint64_t>(std::countr_zero(open));
}

uint64_t SlotMap::find_free(uint64_t from, uint64_t end) const {
  if (from >= end) return end;
  uint64_t word = from / 64;
  uint64_t free = ~words_[word] & (kAll << (from % 64));
  while (free == 0) {
    word = next_open_word(word + 1, end);
    if (word * 64 >= end) return end;
    free = ~words_[word];
  }
  return std::min(end, word * 64 + static_cast<uint64_t>(std::countr_zero(free)));
}

uint64_t SlotMap::find_run(uint64_t from, uint64_t end, uint32_t count) const {
  if (count == 1) return find_free(from, end);
  from = (from + count - 1) / count * count;
  if (count >= 64) {
    while (from + count <= end && any(from, count)) from += count;
    return from + count <= end ? from : end;
  }
  for (; from + count <= end; from = (from / 64 + 1) * 64) {
    const uint64_t starts = aligned_starts(~words_[from / 64], count) & (kAll << (from % 64));
    if (starts == 0) continue;
    const uint64_t found = from / 64 * 64 + static_cast<uint64_t>(std::countr_zero(starts));
    return found + count <= end ? found : end;
  }
  return end;
}

uint64_t SlotMap::find_taken(uint64_t from, uint64_t end) const {
  while (from < end) {
    const uint64_t taken = words_[from / 64] & (kAll << (from % 64));
    if (taken != 0) {
      return std::min(end, from / 64 * 64 + static_cast<uint64_t>(std::countr_zero(taken)));
    }
    from = (from / 64 + 1) * 64;
  }
  return end;
}

void ClusterLists::unlink(uint32_t cluster) {
  const Cluster& gone = clusters_[cluster];
  if (gone.list == kOffLists) return;
  Head& head = heads_[gone.list];
  (gone.previous == kNoCluster ? head.first : clusters_[gone.previous].next) = gone.next;
  (gone.next == kNoCluster ? head.last : clusters_[gone.next].previous) = gone.previous;
  --head.size;
}

void ClusterLists::place(uint32_t cluster, uint8_t list, uint32_t previous) {
  unlink(cluster);
  Cluster& placed = clusters_[cluster];
  placed.list = list;
  if (list == kOffLists) return;
  Head& head = heads_[list];
  placed.previous = previous;
  placed.next = previous == kNoCluster ? head.first : clusters_[previous].next;
  (previous == kNoCluster ? head.first : clusters_[previous].next) = cluster;
  (placed.next == kNoCluster ? head.last : clusters_[placed.next].previous) = cluster;
  ++head.size;
}

AreaState::AreaState(const Area& described, uint32_t slots_a_cluster, bool has_clusters,
                     uint32_t cpu_count)
    : area(described),
      cluster_slots(slots_a_cluster),
      clustered(has_clusters),
      taken(described.pages),
      held(described.pages),
      cpus(cpu_count) {
  const uint64_t cluster_count = (area.pages + cluster_slots - 1) / cluster_slots;
  if (clustered) clusters = ClusterLists(cluster_count);
  usable = area.pages - 1;
  std::sort(area.bad_pages.begin(), area.bad_pages.end());
  taken.set(0, 1);
  if (clustered) clusters[0].count = 1;
  for (const uint64_t slot : area.bad_pages) {
    if (slot >= area.pages || taken.test(slot)) continue;
    taken.set(slot, 1);
    --usable;
    if (clustered) ++clusters[cluster_of(slot)].count;
  }
  if (clustered && area.pages % cluster_slots != 0) {
    clusters[cluster_of(area.pages)].count += cluster_slots - area.pages % cluster_slots;
  }
  now.lowest = 1;
  now.highest = area.pages - 1;
  now.scan_next = 1;
}

uint64_t AreaState::cluster_end(uint32_t cluster) const {
  return std::min<uint64_t>((uint64_t{cluster} + 1) * cluster_slots, area.pages);
}

bool AreaState::is_bad(uint64_t slot) const {
  return std::binary_search(area.bad_pages.begin(), area.bad_pages.end(), slot);
}

void AreaState::note_move(uint32_t cluster) {
  if (journal == nullptr) return;
  const Cluster& moved = clusters[cluster];
  journal->push_back({static_cast<uint8_t>(area.type), false, moved.list, moved.order, cluster,
                      moved.previous, 0});
}

void AreaState::move_to_back(uint32_t cluster, uint8_t list) {
  note_move(cluster);
  if (clusters.back(list) == cluster) return;
  clusters.place(cluster, list, clusters.back(list));
}

void AreaState::move_to_front(uint32_t cluster, uint8_t list) {
  note_move(cluster);
  if (clusters.front(list) == cluster) return;
  clusters.place(cluster, list, kNoCluster);
}

void AreaState::take_off(uint32_t cluster) {
  note_move(cluster);
  clusters.place(cluster, kOffLists, kNoCluster);
}

void AreaState::mark(uint64_t first, uint32_t count) {
  taken.set(first, count);
  if (clustered) clusters[cluster_of(first)].count += count;
  now.in_use += count;
  if (first == now.lowest) now.lowest += count;
  if (first + count - 1 == now.highest) now.highest -= count;
  if (now.in_use == usable) {
    now.lowest = area.pages;
    now.highest = 0;
  }
  if (journal == nullptr) return;
  journal->push_back({static_cast<uint8_t>(area.type), true, 0, 0, 0, count, first});
}

void AreaState::unmark(uint64_t first, uint32_t count) {
  taken.clear(first, count);
  if (clustered) clusters[cluster_of(first)].count -= count;
  now.in_use -= count;
  now.lowest = std::min(now.lowest, first);
  now.highest = std::max(now.highest, first + count - 1);
}

void AreaState::undo(const Undo& change) {
  if (change.slots) {
    taken.clear(change.first, change.previous_or_count);
    held.clear(change.first, change.previous_or_count);
    if (clustered) {
      clusters[cluster_of(change.first)].count -= static_cast<uint16_t>(change.previous_or_count);
    }
    return;
  }
  clusters[change.cluster].order = change.order;
  clusters.place(change.cluster, change.list, change.previous_or_count);
}

}  // namespace swaptrail::engine
