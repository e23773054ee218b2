// Linux 2.6 (2.6.24): pages in a swap cache, two LRU lists, and a reverse map that finds the page tables of a page.
//
// Way out: shrink_page_list -> add_to_swap -> __add_to_swap_cache, try_to_unmap -> try_to_unmap_one, swap_writepage.
// Way back: do_swap_page -> swapin_readahead -> read_swap_cache_async -> add_to_swap_cache -> __add_to_swap_cache.
//
// Each function is the kernel's of that name, and can be called alone between steps: that is how a test looks at one of
// them. Pages are frames, 0 .. frames - 1; entries are type << 58 | slot; processes are those of the workload.
//
// Simpler than the kernel: a write has ended when swap_writepage returns, so a page that was written is freed in the same
// pass. Pages go to a list at once, not by way of a pagevec. One zone, one CPU: kswapd runs when the step that woke it is
// over, or when an allocation sleeps. There are no files, no swap token (nobody else is in the middle of a fault), no swapoff.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/generations/generation.h"
#include "engine/generations/linux_2_6_pages.h"
#include "engine/generations/linux_2_6_slots.h"
#include "engine/generations/linux_2_6_zone.h"
#include "engine/generations/swap_device.h"

namespace swaptrail::engine::linux_2_6 {

class Linux26 : public Generation {
 public:
  explicit Linux26(const GenerationOptions& options);
  Linux26(const Linux26&) = delete;
  Linux26& operator=(const Linux26&) = delete;
  // Errors: Internal for a step that no workload has.
  absl::Status step(const WorkloadStep& step) override;
  const GenerationCounters& counters() const override { return counters_; }
  uint64_t resident() const override { return zone_.frames() - zone_.nr_free(); }

  // ---- swap cache (linux_2_6_cache.cpp)
  bool add_to_swap(uint32_t page);  // the page is locked. False: no slot
  CacheAdd add_to_swap_cache(uint32_t page, uint64_t entry);
  // NOLINTNEXTLINE(bugprone-reserved-identifier): the kernel's name
  CacheAdd __add_to_swap_cache(uint32_t page, uint64_t entry);
  void delete_from_swap_cache(uint32_t page);
  uint32_t lookup_swap_cache(uint64_t entry);  // with a reference; kNoPage
  bool remove_exclusive_swap_page(uint32_t page);
  bool can_share_swap_page(uint32_t page) const;
  void free_swap_and_cache(uint64_t entry);
  void free_page_and_swap_cache(uint32_t page);

  // ---- reverse map (linux_2_6_rmap.cpp)
  Unmap try_to_unmap(uint32_t page);  // locked, and in the swap cache
  Unmap try_to_unmap_one(uint32_t page, Mm& mm);
  uint32_t page_referenced(uint32_t page);  // how often since the last call

  // ---- reclaim (linux_2_6_reclaim.cpp, linux_2_6_lists.cpp). Counts freed pages.
  bool swap_writepage(uint32_t page);  // unlocks the page. False: the write failed
  Pageout pageout(uint32_t page);
  bool remove_mapping(uint32_t page);
  // Pages off the lists, each with a reference; they go back to a list, or are free.
  uint64_t shrink_page_list(std::span<const uint32_t> pages, ScanControl& sc);
  uint64_t shrink_inactive_list(uint64_t max_scan, ScanControl& sc);
  void shrink_active_list(uint64_t nr_pages, int priority);
  uint64_t shrink_zone(int priority, ScanControl& sc);

  // ---- allocation (linux_2_6_alloc.cpp)
  uint32_t alloc_page();     // kNoPage: the process that asks was killed
  bool try_to_free_pages();  // direct reclaim. False: nothing can be reclaimed
  uint64_t balance_pgdat();  // kswapd, to pages_high. How many it freed
  void out_of_memory();

  // ---- faults (linux_2_6_fault.cpp)
  Fault handle_mm_fault(Mm& mm, uint64_t address, Pte& pte, bool write);
  Fault do_swap_page(Mm& mm, uint64_t address, Pte& pte, bool write);
  void swapin_readahead(uint64_t entry);
  uint32_t read_swap_cache_async(
      uint64_t entry);  // with a reference; kNoPage: no memory, or the slot is free
  Fault do_wp_page(Mm& mm, uint64_t address, Pte& pte);

  // ---- to look and to interfere, between steps
  const SwapAreas& areas() const { return areas_; }
  SwapAreas& areas() { return areas_; }
  const Zone& zone() const { return zone_; }
  Mm* mm(uint32_t process) const { return mms_[process].get(); }  // null: it does not live
  uint32_t cached(uint64_t entry) const;  // the page in the swap cache, or kNoPage
  uint32_t isolate(uint32_t page);        // off its list, with a reference: the page
  void lock_page(uint32_t page);          // nobody may have locked it
  void unlock_page(uint32_t page) { zone_.page(page).clear(kPageLocked); }
  void set_page_dirty(uint32_t page) { zone_.page(page).set(kPageDirty); }
  void get_page(uint32_t page) { ++zone_.page(page).count; }
  void put_page(uint32_t page);  // free if that was the last reference
  // The names of the functions of both ways are appended as they are called; null: no more.
  void record_calls(std::vector<std::string_view>* calls) { calls_ = calls; }

  void prefetch(const WorkloadStep& far, const WorkloadStep& near) const override;

 private:
  enum class State : uint8_t { kNew, kAlive, kExited, kKilled };
  enum class Verdict : uint8_t { kFreed, kKeep, kActivate };

  void call(std::string_view name) {
    if (calls_ != nullptr) calls_->push_back(name);
  }
  bool trylock_page(uint32_t page);
  // processes (linux_2_6.cpp)
  Mm& begin(uint32_t process);
  absl::Status refuse(const WorkloadStep& step) const;
  void touch_slowly(Mm& mm, uint64_t address, Pte& pte, bool write);
  void fork(uint32_t process, uint32_t child);
  void exit_mm(uint32_t process, State state);
  void kill(uint32_t process);
  // the rest, by file as above
  void delete_from_cache_only(uint32_t page);
  void prefetch_entries(uint32_t page) const;
  uint32_t page_referenced_one(uint32_t page, Mm& mm, uint32_t& mapcount);
  void page_add_anon_rmap(uint32_t page, const Mm& mm, uint64_t address);
  void page_remove_rmap(uint32_t page);
  Verdict shrink_page(uint32_t page, ScanControl& sc);
  void isolate_lru_pages(uint64_t nr_to_scan, LruList list, std::vector<uint32_t>& pages);
  bool may_reclaim_mapped(int priority) const;
  void activate_page(uint32_t page);
  void mark_page_accessed(uint32_t page);
  void anon_vma_prepare(Mm& mm);
  Fault do_anonymous_page(Mm& mm, uint64_t address, Pte& pte);
  void check_content(uint32_t page, const Pte& pte);

  GenerationCounters counters_;
  GenerationOptions options_;
  SwapDevice device_;
  SwapAreas areas_;
  Zone zone_;
  std::array<std::vector<uint32_t>, kMostAreaTypes> swapper_space_;  // by type and slot
  std::array<std::unique_ptr<Mm>, kMostWorkloadProcesses> mms_;
  std::array<State, kMostWorkloadProcesses> states_{};
  std::vector<AnonVma> anon_vmas_;
  std::vector<uint32_t> inactive_batch_, active_batch_;  // isolated pages
  std::vector<std::string_view>* calls_ = nullptr;
  uint64_t last_token_ = 0;
  uint32_t current_ = 0;         // the process that makes the step
  bool current_killed_ = false;  // TIF_MEMDIE: it ends with this step
  bool kswapd_woken_ = false;
};

}  // namespace swaptrail::engine::linux_2_6

namespace swaptrail::engine {
std::unique_ptr<Generation> make_linux_2_6(const GenerationOptions& options);
}  // namespace swaptrail::engine
