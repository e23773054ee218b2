// Linux 2.4, as of 2.4.0 to 2.4.4: swap_out() takes pages from processes, and lists decide which of them leave memory.
//
// A page goes through three hands. swap_out() walks the page tables of the largest process; where a page's age is 0 it takes
// the entry away and puts the page in the swap cache: it stays in memory, on inactive_dirty. page_launder() writes what is
// dirty there and moves what is clean to inactive_clean. reclaim_page() takes from there, for who needs a frame. On each of
// these lists a page that is used is found in the swap cache, and is active again without a read.
//
// No threads: kswapd and kreclaimd run where the kernel would let them, when a process yields, waits, or is done with its
// fault. A write is under way, and its page locked, until somebody waits for it or a round of kswapd is over.
//
// What differs from the kernel: refill_inactive() calls swap_out() once between scans, for here no time passes while it goes
// on (the kernel, while it returns 1); background scanning is once a second, whoever woke kswapd; a write that fails leaves
// the page dirty and active; after a run that moved nothing kswapd can't be woken for a second, unless somebody waits for
// it. docs/GENERATIONS.md
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/generations/linux_2_4_pages.h"
#include "engine/generations/old_generation.h"

namespace swaptrail::engine::linux_2_4 {

class Linux24 final : public OldGeneration {
 public:
  // Frames of each zone, lowest first; they add up to options.frames. Empty: 16 MiB for DMA, and the rest.
  explicit Linux24(const GenerationOptions& options, std::span<const uint64_t> zones = {});
  uint64_t resident() const override { return frames() - pages_.nr_free_pages(); }

  // mm/vmscan.c. What each does and returns is told where it is defined.
  int swap_out(unsigned priority, unsigned gfp_mask);
  int swap_out_mm(OldProcess& mm, unsigned gfp_mask);
  int swap_out_vma(OldProcess& mm, const VmArea& vma, uint64_t page, unsigned gfp_mask);
  int swap_out_pgd(OldProcess& mm, const VmArea& vma, Pmd& dir, uint64_t page, uint64_t end,
                   unsigned gfp_mask);
  int swap_out_pmd(OldProcess& mm, const VmArea& vma, PteTable& dir, uint64_t page, uint64_t end,
                   unsigned gfp_mask);
  int try_to_swap_out(OldProcess& mm, const VmArea& vma, uint64_t page, OldPte& page_table,
                      unsigned gfp_mask);
  uint32_t reclaim_page(Pages24::Zone& zone);  // Pages24::kEnd: none
  uint64_t page_launder(unsigned gfp_mask, bool sync);
  int refill_inactive_scan(unsigned priority, bool oneshot);
  uint64_t inactive_shortage() const;
  uint64_t free_shortage() const;
  int refill_inactive(unsigned gfp_mask, bool user);
  int do_try_to_free_pages(unsigned gfp_mask, bool user);
  int try_to_free_pages(unsigned gfp_mask);
  void kswapd();
  void kreclaimd();
  void wakeup_kswapd(bool block);
  void kswapd_init();
  // mm/swap.c
  void swap_setup();
  uint64_t inactive_target() const;
  void recalculate_vm_stats();
  // mm/oom_kill.c
  bool out_of_memory() const;
  void oom_kill();
  // mm/page_alloc.c: __alloc_pages of one page. Pages24::kEnd: there is none; by who may wait only if he was killed.
  // NOLINTNEXTLINE(bugprone-reserved-identifier): the kernel's name
  uint32_t __alloc_pages(unsigned gfp_mask);

  // mm/swap_state.c, mm/swapfile.c, mm/page_io.c. Frames, or Pages24::kEnd.
  void add_to_swap_cache(uint32_t frame, uint64_t entry);
  void delete_from_swap_cache(uint32_t frame);
  uint32_t lookup_swap_cache(uint64_t entry);
  uint32_t read_swap_cache_async(uint64_t entry);
  void swapin_readahead(uint64_t entry);
  uint32_t valid_swaphandles(uint64_t entry, uint64_t& first) const;
  bool is_page_shared(uint32_t frame) const;
  bool writepage(uint32_t frame);
  bool swap_writepage(uint32_t frame);
  void finish_writes();  // all that are under way are done

  const Pages24& pages() const { return pages_; }
  Pages24& pages() { return pages_; }
  const Counters24& counters_2_4() const { return more_; }
  uint64_t memory_pressure() const { return memory_pressure_; }
  uint32_t page_cluster() const { return page_cluster_; }
  void set_page_cluster(uint32_t order) { page_cluster_ = order; }  // sysctl vm.page-cluster
  bool kswapd_is_woken() const { return kswapd_woken_; }
  size_t writes_under_way() const { return in_flight_.size(); }

 private:
  using FilePage = std::pair<uint32_t, uint64_t>;  // object, page
  struct Write {
    uint32_t frame;
    bool failed;
  };
  enum class Mark : uint8_t { kMin, kLow, kHigh };  // PAGES_MIN, PAGES_LOW, PAGES_HIGH

  bool handle_fault(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte,
                    bool write) override;
  void timer() override;
  void after_fault() override { schedule(); }
  void copy_one_pte(OldPte& from, OldPte& to) override;
  void zap_page(uint32_t frame) override;
  void get_page(uint32_t frame) override { ++pages_[frame].count; }
  absl::Status check_frames(References& references) const override;
  absl::Status check_lists() const;

  // linux_2_4_swap_out.cpp
  OldProcess* largest_swap_cnt() const;
  void drop_pte(OldProcess& mm, OldPte& pte, uint64_t entry);

  // linux_2_4_lists.cpp
  bool is_in_use(const Page24& page) const;
  void launder_page(uint32_t frame, bool launder_loop, uint64_t& cleaned_pages);
  uint64_t moves() const;

  // linux_2_4_daemons.cpp
  uint32_t alloc_pages_limit(Mark mark, bool direct_reclaim);
  uint32_t alloc_from_free(unsigned gfp_mask, bool direct_reclaim);
  bool wait_for_memory(unsigned gfp_mask, int tries);
  void schedule();

  // linux_2_4_memory.cpp
  bool do_no_page(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte);
  bool do_file_page(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte);
  bool do_swap_page(OldProcess& process, OldPte& pte, bool write);
  bool do_wp_page(OldProcess& process, OldPte& pte);
  uint32_t alloc_user_page(OldProcess& process);
  void put_page(uint32_t frame);  // page_cache_release
  void remove_inode_page(uint32_t frame);
  void account_reclaim(const Page24& page);

  Pages24 pages_;
  Counters24 more_;
  std::vector<std::vector<uint32_t>>
      swapper_space_;  // by type and slot: the frame in the swap cache
  absl::flat_hash_map<FilePage, uint32_t> page_hash_;
  absl::flat_hash_map<uint32_t, std::shared_ptr<const SwapMethod>> methods_;  // by object
  std::vector<Write> in_flight_;
  uint32_t page_cluster_ = 0;
  uint64_t memory_pressure_ = 0;
  uint64_t aged_ = 0;                   // pages whose age a look changed
  uint64_t recalculated_ = 0;           // jiffies when recalculate_vm_stats() ran
  uint64_t next_timeout_ = kHz;         // jiffies when kswapd wakes by itself
  std::optional<uint64_t> idle_until_;  // jiffies: kswapd moved nothing, and sleeps until then
  bool kswapd_woken_ = false;
  bool kreclaimd_woken_ = false;
  bool kswapd_runs_ = false;  // now: the current task is kswapd
  bool memalloc_ = false;     // PF_MEMALLOC of the current task
  uint32_t current_ = 0;      // process that faults
};

}  // namespace swaptrail::engine::linux_2_4
