// Linux 2.0: the swap daemon goes from process to process, and takes a few old pages of each.
//
// There are no lists. Reclaim walks page tables, of one process after the other, each from where it stopped last. A page has
// an age: 3 when it is allocated, 3 more (20 at most) when a walk finds its entry accessed, 1 less when it does not; it goes
// at 0. So a page that is used often survives 20 walks without a use, and one that was used once 6.
//
// A page that others share can't be swapped: there is no way from a page to its entries, and so none to change all of them.
//
// What differs from the kernel: a swap write is done at once; one that fails leaves the page where it was (2.0 lost it); the
// watermarks of a memory below 2 MiB are smaller. SysV shared memory has a swap method of its own (shm_swap), which is not
// here: shared regions stay. docs/GENERATIONS.md
#pragma once

#include <utility>
#include <vector>

#include "engine/generations/old_generation.h"

namespace swaptrail::engine {

// swap_control_t, include/linux/swapctl.h. What is done by default can be changed here, by a test or a user.
struct SwapControl20 {
  int max_page_age = 20;
  int page_advance = 3;
  int page_decline = 1;
  int page_initial_age = 3;
  int age_cluster_fract = 32;  // of 1024: how many pages of a process are taken in its turn
  int age_cluster_min = 4;     // but so many at least
  int pageout_weight =
      8192;  // of 1024: how often swap_out() tries a process, at priority 0, by process
};

class Linux20 final : public OldGeneration {
 public:
  explicit Linux20(const GenerationOptions& options);
  uint64_t resident() const override { return frames() - nr_free_pages(); }

  SwapControl20 swap_control;

  // mm/vmscan.c. kswapd: one time awake, from wake-up to sleep; how many pages it freed. swap_tick: what the timer does.
  uint64_t kswapd();
  void swap_tick();
  // Frees a page; false: it could not. `wait`: tries harder.
  bool try_to_free_page(bool wait);
  bool swap_out(int priority);
  int swap_out_process(OldProcess& process);
  int swap_out_vma(OldProcess& process, const VmArea& area, uint64_t page);
  int swap_out_pgd(OldProcess& process, const VmArea& area, Pmd& pmd, uint64_t page, uint64_t end);
  int swap_out_pmd(OldProcess& process, const VmArea& area, PteTable& table, uint64_t page,
                   uint64_t end);
  int try_to_swap_out(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte);
  // mm/filemap.c. Frees a page of the page cache that nobody maps.
  bool shrink_mmap(int priority);
  // include/linux/swapctl.h
  void touch_page(uint32_t frame);
  void age_page(uint32_t frame);
  uint64_t age_cluster_size(uint64_t resources) const;  // AGE_CLUSTER_SIZE

  uint64_t nr_free_pages() const { return free_area_.size(); }
  uint64_t min_free_pages() const { return min_free_pages_; }
  uint64_t free_pages_low() const { return free_pages_low_; }
  uint64_t free_pages_high() const { return free_pages_high_; }
  const std::vector<uint32_t>& free_area() const { return free_area_; }
  int age(uint32_t frame) const { return mem_map_[frame].age; }
  uint32_t count(uint32_t frame) const { return mem_map_[frame].count; }
  // The slot that has the page as it is; 0: none. It is not taken out, unlike by the kernel's find_in_swap_cache.
  uint64_t swap_cache(uint32_t frame) const { return mem_map_[frame].swap_cache; }
  uint32_t swap_task() const { return swap_task_; }  // the number of the process that is next
  uint64_t wakeups() const { return wakeups_; }      // of kswapd
  uint64_t image_reads() const { return image_reads_; }
  void set_locked(uint32_t frame, bool locked) { mem_map_[frame].locked = locked; }  // PG_locked

 private:
  struct Page {               // mem_map_t, and its entry in swap_cache[]
    uint64_t swap_cache = 0;  // the entry of which it is an exact copy; 0: none
    uint32_t count = 0;
    uint8_t age = 0;
    bool locked : 1 = false;      // PG_locked
    bool referenced : 1 = false;  // PG_referenced
    bool inode : 1 = false;       // in the page cache, as files_[frame]
    bool shared : 1 = false;      // of a shared segment, and so not to be discarded
  };
  using FilePage = std::pair<uint32_t, uint64_t>;  // object, page

  bool handle_fault(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte,
                    bool write) override;
  void timer() override { swap_tick(); }
  void copy_one_pte(OldPte& from, OldPte& to) override;
  void zap_page(uint32_t frame) override { free_page(frame); }
  void get_page(uint32_t frame) override { ++mem_map_[frame].count; }
  absl::Status check_frames(References& references) const override;

  int swap_out_dirty(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte);
  int discard(OldProcess& process, OldPte& pte);
  OldProcess* next_swap_task();
  void unmap(OldProcess& process, OldPte& pte, uint64_t entry);

  uint32_t get_free_page(OldProcess& process);
  void free_page(uint32_t frame);
  bool page_unuse(uint32_t frame);
  void remove_from_page_cache(uint32_t frame);
  void add_to_swap_cache(uint32_t frame, uint64_t entry);
  bool delete_from_swap_cache(uint32_t frame);

  bool do_no_page(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte, bool write);
  bool do_file_page(OldProcess& process, const VmArea& area, uint64_t page, OldPte& pte);
  bool swap_in(OldProcess& process, OldPte& pte, bool write);
  bool do_wp_page(OldProcess& process, OldPte& pte);

  std::vector<Page> mem_map_;
  std::vector<FilePage> files_;  // by frame; empty until a file is mapped
  absl::flat_hash_map<FilePage, uint32_t> page_cache_;
  std::vector<uint32_t> free_area_;
  uint64_t min_free_pages_, free_pages_low_, free_pages_high_;
  uint32_t swap_task_ = 0;
  uint32_t clock_ = 0;     // of shrink_mmap
  bool use_cache_ = true;  // what try_to_free_page begins with: shrink_mmap, or swap_out
  bool sigbus_ = false;    // a region's swap method failed
  uint64_t next_swap_jiffies_ = 0;
  uint64_t pause_ = 1;  // ticks to wait after a run of kswapd that freed nothing
  uint64_t wakeups_ = 0;
  uint64_t image_reads_ = 0;
};

}  // namespace swaptrail::engine
