#include "engine/steps/features.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace swaptrail::engine {
namespace {

// A set is what a kernel of the time had; each adds to the one before it.
void pages(Features& set) {                // Linux 4.4
  set.allocator = Allocator::kLinearScan;  // mm/swapfile.c: get_swap_page, scan_swap_map
  set.default_priority = DefaultPriority::kFallingFrom1;
  set.activates_at_writeback = false;  // mm/vmscan.c: shrink_page_list, keep_locked
  set.second_chance =
      false;  // page_check_references: one young entry activates what is swap-backed
  set.touched_is_active = true;
  set.anon_refaults = false;
  set.vma_readahead = false;
  set.knows_synchronous = false;
  set.swapin_bypasses_cache = false;
  set.whole_huge_pages = false;
  set.pageout_advice = false;
  set.rmap_rechecks_mapped = false;
  set.zero_map = false;
  set.fake_zswap_writeback = true;
  set.large_zswap = false;
  set.tries_rw_page = true;
  set.any_order = false;
  set.pinned_check_after_unmap = false;
  set.pageout_ignores_references = false;
  set.multi_gen_lru = false;
  set.promotes_referenced = false;
  set.bounded_eviction = false;
}

void caches(Features& set) {               // 4.19
  set.allocator = Allocator::kSlotCaches;  // mm/swap_slots.c, 4.11
  set.default_priority = DefaultPriority::kFallingFrom2;
  set.activates_at_writeback = true;  // 4.11
  set.swapped_in_is_active = true;
  set.vma_readahead = true;
  set.knows_synchronous = true;
  set.swapin_bypasses_cache = true;
  set.whole_huge_pages = true;
}

void refaults(Features& set) {  // 5.10
  set.second_chance = true;
  set.touched_is_active = false;
  set.swapped_in_is_active = false;
  set.anon_refaults = true;
  set.pageout_advice = true;
}

void folios(Features& set) {  // 6.1
  set.rmap_rechecks_mapped = true;
  set.pinned_check_after_unmap = true;
}

void cluster_lists(Features& set) {  // 6.12
  set.allocator = Allocator::kClusterLists;
  set.zero_map = true;
  set.fake_zswap_writeback = false;
  set.tries_rw_page = false;
  set.any_order = true;
  set.pageout_ignores_references = true;
  set.multi_gen_lru = true;
}

void alloc_swap(Features& set) {  // 6.16
  set.allocator = Allocator::kGlobalCluster;
  set.dirties_in_add_to_swap = false;
  set.shmem_slot_hidden = false;
  set.large_zswap = true;
  set.promotes_referenced = true;
}

void swap_table(Features& set) {  // 6.18
  set.allocator = Allocator::kSwapTable;
  set.bounded_eviction = true;
}

void cached_allocation(Features& set) {  // 7.0
  set.slot_freed_inside_removal = true;
  set.swapin_bypasses_cache = false;
  set.default_priority = DefaultPriority::kEqual;
}

void queued(Features& set) { set.queued_writes = true; }  // 7.3

struct Named {
  std::string_view name;
  void (*add)(Features&);
};
constexpr std::array kSets = {
    Named{"4.4", pages},       Named{"4.19", caches},           Named{"5.10", refaults},
    Named{"6.1", folios},      Named{"6.12", cluster_lists},    Named{"6.16", alloc_swap},
    Named{"6.18", swap_table}, Named{"7.0", cached_allocation}, Named{"7.3", queued},
};
constexpr auto kNames = [] {
  std::array<std::string_view, kSets.size()> names{};
  for (size_t i = 0; i < names.size(); ++i) names[i] = kSets[i].name;
  return names;
}();

Features set_up_to(std::string_view name) {
  Features set;
  for (const Named& one : kSets) {
    one.add(set);
    if (one.name == name) break;
  }
  return set;
}

// Which function serves a hook, from the set of that name on. A set is known by the functions marked as its own: it is the
// last of which one is there.
struct Served {
  std::string_view hook;
  std::string_view target;
  std::string_view since;
  bool is_mark = false;
};
constexpr Served kServed[] = {
    {"reclaim_batch", "shrink_page_list", "4.4"},
    {"reclaim_batch", "shrink_folio_list", "6.1", true},
    {"pageout_request", "reclaim_pages", "5.10"},
    {"node_reclaim", "zone_reclaim", "4.4"},
    {"node_reclaim", "node_reclaim", "4.19"},
    {"slot_allocated", "add_to_swap", "4.4"},
    {"slot_allocated", "folio_alloc_swap", "6.16", true},
    {"unmapped_one", "try_to_unmap_one", "4.4"},
    {"swap_ptes", "mm_trace_rss_stat", "5.10"},
    {"unmapped", "try_to_unmap", "4.4"},
    {"write", "swap_writepage", "4.4"},
    {"write", "swap_writeout", "6.16"},
    {"zswap_stored", "__frontswap_store", "4.4"},
    {"zswap_stored", "zswap_store", "6.12"},
    {"write_issued", "__swap_writepage", "4.4"},
    {"write_completed", "end_page_writeback", "4.4"},
    {"write_completed", "folio_end_writeback", "6.1"},
    {"removed", "__remove_mapping", "4.4"},
    {"cache_deleted", "delete_from_swap_cache", "4.4"},
    {"cache_deleted", "swap_cache_del_folio", "6.18", true},
    {"slot_freed", "swap_entry_free", "4.4", true},
    {"slot_freed", "swap_range_free", "4.19"},
    {"slot_freed", "swap_range_free", "5.10", true},
    {"slot_freed", "swap_entry_range_free", "6.12", true},
    {"slot_freed", "swap_entries_free", "6.16"},
    {"slot_freed", "__swap_cluster_free_entries", "7.0", true},
    {"swap_in", "do_swap_page", "4.4"},
    {"lru_gen_request", "lru_gen_seq_write", "6.1"},
    {"shmem_write", "shmem_writepage", "4.4"},
    {"shmem_write", "shmem_writeout", "6.16"},
    {"entries_dropped", "swap_free", "6.1"},
    {"entries_dropped", "swap_free_nr", "6.12"},
    {"entries_dropped", "folio_put_swap", "7.0"},
    {"shmem_swap_in", "shmem_getpage_gfp", "4.4"},
    {"shmem_swap_in", "shmem_swapin_page", "5.10"},
    {"shmem_swap_in", "shmem_swapin_folio", "6.1"},
    {"swap_read", "swap_readpage", "4.4"},
    {"swap_read", "swap_read_folio", "6.12"},
    {"zswap_loaded", "__frontswap_load", "4.4"},
    {"zswap_loaded", "zswap_load", "6.12"},
    {"split", "split_huge_page_to_list", "4.4"},
    {"split", "split_huge_page_to_list_to_order", "6.12"},
    {"split", "__folio_split", "6.16"},
};
constexpr std::string_view kDeciding[] = {"reclaim_batch", "slot_allocated", "cache_deleted",
                                          "slot_freed"};

bool has(std::span<const HookTarget> hooks, std::string_view hook, std::string_view target) {
  return std::any_of(hooks.begin(), hooks.end(), [&](const HookTarget& one) {
    return one.hook == hook && (target.empty() ? !one.target.empty() : one.target == target);
  });
}

}  // namespace

absl::StatusOr<Features> features_of(std::span<const HookTarget> hooks) {
  for (std::string_view hook : kDeciding) {
    if (!has(hooks, hook, "")) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the hook ", std::string(hook), " was not attached: the model needs it in every step"));
    }
  }
  std::string_view set;
  for (const Named& one : kSets) {
    const auto marks = [&](const Served& served) {
      return served.is_mark && served.since == one.name && has(hooks, served.hook, served.target);
    };
    if (std::ranges::any_of(kServed, marks)) set = one.name;
  }
  if (set.empty()) {
    return absl::InvalidArgumentError(
        "the kernel functions behind the hooks are none that the model knows");
  }
  return set_up_to(set);
}

absl::StatusOr<Features> features_named(std::string_view name) {
  if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) return set_up_to(name);
  std::string message = absl::StrCat("no features named ", std::string(name), "; there are");
  for (std::string_view one : kNames) absl::StrAppend(&message, " ", std::string(one));
  return absl::InvalidArgumentError(message);
}

std::span<const std::string_view> feature_set_names() { return kNames; }

std::span<const std::string_view> observable_set_names() {
  const auto first = std::ranges::find(kNames, "5.10");
  return std::span(kNames).subspan(static_cast<size_t>(first - kNames.begin()));
}

std::string_view served_by(std::string_view hook, std::string_view set) {
  const auto age = [](std::string_view name) {
    return std::ranges::find(kNames, name) - kNames.begin();
  };
  std::string_view target;
  for (const Served& served : kServed)
    if (served.hook == hook && age(served.since) <= age(set)) target = served.target;
  return target;
}

}  // namespace swaptrail::engine
