#include "engine/steps/features.h"

#include <algorithm>
#include <array>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace swaptrail::engine {
namespace {

// A set is what a kernel of the time had; each adds to the previous one.
void caches(Features& set) {  // Linux 4.19 to 6.9
  set.allocator = Allocator::kSlotCaches;
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
}

void queued(Features& set) { set.queued_writes = true; }  // 7.3

struct Named {
  std::string_view name;
  void (*add)(Features&);
};
constexpr std::array kSets = {
    Named{"5.10", caches},     Named{"6.1", folios},      Named{"6.12", cluster_lists},
    Named{"6.16", alloc_swap}, Named{"6.18", swap_table}, Named{"7.0", cached_allocation},
    Named{"7.3", queued},
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

// The functions that identify a set: the last row whose functions all exist.
struct Mark {
  std::string_view hook;
  std::string_view target;
  std::string_view set;
};
constexpr Mark kMarks[] = {
    {"slot_freed", "swap_range_free", "5.10"},
    {"reclaim_batch", "shrink_folio_list", "6.1"},
    {"slot_freed", "swap_entry_range_free", "6.12"},
    {"slot_allocated", "folio_alloc_swap", "6.16"},
    {"cache_deleted", "swap_cache_del_folio", "6.18"},
    {"slot_freed", "__swap_cluster_free_entries", "7.0"},
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
  for (const Mark& mark : kMarks) {
    if (has(hooks, mark.hook, mark.target)) set = mark.set;
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

}  // namespace swaptrail::engine
