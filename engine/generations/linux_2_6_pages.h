// What Linux 2.6 knows of pages and processes: page table entries, struct page, mm_struct, anon_vma.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/workloads/workload_source.h"
#include "trace/decode.h"

namespace swaptrail::engine::linux_2_6 {

inline constexpr uint32_t kNoPage = ~uint32_t{0};
inline constexpr uint32_t kNoProcess = ~uint32_t{0};
inline constexpr uint32_t kNoAnonVma = ~uint32_t{0};

// A page table entry (pte_t), and beside it what the page must hold.
class Pte {
 public:
  bool none() const { return word_ == 0; }
  bool present() const { return (word_ & kPresent) != 0; }
  bool swapped() const { return (word_ & kSwapped) != 0; }
  bool young() const { return (word_ & kYoung) != 0; }
  bool dirty() const { return (word_ & kDirty) != 0; }
  bool writable() const { return (word_ & kWritable) != 0; }
  uint32_t page() const { return static_cast<uint32_t>(word_ >> kShift); }  // of a present one
  uint64_t entry() const {                                                  // of a swapped one
    return make_entry(static_cast<uint32_t>(word_ >> kTypeShift),
                      (word_ << kTypeBits) >> (kTypeBits + kShift));
  }
  // The processor makes the access by itself: no fault.
  bool allows(bool write) const {
    const uint64_t needed = write ? kPresent | kWritable : kPresent;
    return (word_ & needed) == needed;
  }

  void clear() { word_ = 0; }
  // As a fault makes it: young. One that may be written is dirty too.
  void map(uint32_t page, bool write) {
    word_ = uint64_t{page} << kShift | kPresent | kYoung | (write ? kWritable | kDirty : 0);
  }
  void swap(uint64_t entry) {
    word_ = uint64_t{entry_type(entry)} << kTypeShift | entry_offset(entry) << kShift | kSwapped;
  }
  void set_accessed(bool write) { word_ |= write ? kYoung | kDirty : kYoung; }
  void set_old() { word_ &= ~kYoung; }
  void set_writable() { word_ |= kWritable | kDirty | kYoung; }
  void protect() { word_ &= ~kWritable; }

  uint64_t token = 0;  // what the process last wrote there: the oracle's, not the kernel's

 private:
  static constexpr uint64_t kPresent = 1, kSwapped = 2, kYoung = 4, kDirty = 8, kWritable = 16;
  static constexpr int kShift = 8, kTypeBits = 5, kTypeShift = 64 - kTypeBits;
  uint64_t word_ = 0;
};
static_assert(kMostAreaTypes <= 32);

// Page tables of three levels. An entry stays where it is as long as the process lives.
class PageTables {
 public:
  // Makes the tables that are missing. `page` is below kMostWorkloadPages.
  Pte& make(uint64_t page) {
    const uint64_t top = page >> (kLowBits + kMiddleBits);
    if (top >= top_.size()) [[unlikely]]
      top_.resize(top + 1);
    if (!top_[top]) [[unlikely]]
      top_[top] = std::make_unique<Middle>();
    std::unique_ptr<Table>& table = (*top_[top])[page >> kLowBits & (kMiddle - 1)];
    if (!table) [[unlikely]]
      table = std::make_unique<Table>();
    return (*table)[page & (kLow - 1)];
  }
  // Null: there is no table.
  Pte* find(uint64_t page) const {
    const uint64_t top = page >> (kLowBits + kMiddleBits);
    if (top >= top_.size() || !top_[top]) return nullptr;
    Table* table = (*top_[top])[page >> kLowBits & (kMiddle - 1)].get();
    return table == nullptr ? nullptr : &(*table)[page & (kLow - 1)];
  }
  // visit(page, Pte&) for each entry that is not none, in order of addresses.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (uint64_t top = 0; top < top_.size(); ++top) {
      for (uint64_t middle = 0; top_[top] && middle < kMiddle; ++middle) {
        Table* table = (*top_[top])[middle].get();
        if (table == nullptr) continue;
        const uint64_t first = (top << kMiddleBits | middle) << kLowBits;
        for (uint64_t low = 0; low < kLow; ++low) {
          if (!(*table)[low].none()) visit(first | low, (*table)[low]);
        }
      }
    }
  }

 private:
  static constexpr int kLowBits = 10, kMiddleBits = 13;
  static constexpr uint64_t kLow = uint64_t{1} << kLowBits, kMiddle = uint64_t{1} << kMiddleBits;
  static_assert(kMostWorkloadPages >> (kLowBits + kMiddleBits) <= kMiddle);
  using Table = std::array<Pte, kLow>;
  using Middle = std::array<std::unique_ptr<Table>, kMiddle>;
  std::vector<std::unique_ptr<Middle>> top_;
};

// Flags of struct page (include/linux/page-flags.h). There is no PG_writeback: a write has ended when it returns.
enum PageFlag : uint16_t {
  kPageLocked = 1,
  kPageError = 2,  // its write failed
  kPageReferenced = 4,
  kPageUptodate = 8,
  kPageDirty = 16,
  kPageLru = 32,     // on one of the two lists
  kPageActive = 64,  // on the active one, or on its way there
  kPageSwapCache = 128,
  kPageReadahead = 256,  // read for nobody yet: for the counters, the kernel has no such flag here
};

// struct page.
struct Page {
  uint32_t previous = kNoPage;     // page->lru: towards the head
  uint32_t next = kNoPage;         // towards the tail
  uint32_t count = 0;              // _count: page tables, the swap cache, and who works with it
  uint32_t mapcount = 0;           // _mapcount + 1: page tables
  uint64_t entry = 0;              // private: the slot, while it is in the swap cache
  uint64_t index = 0;              // index: its page number in the processes that have it
  uint32_t anon_vma = kNoAnonVma;  // mapping: the way to them
  uint16_t flags = 0;

  bool has(uint16_t flag) const { return (flags & flag) != 0; }
  void set(uint16_t flag) { flags |= flag; }
  void clear(uint16_t flag) { flags &= static_cast<uint16_t>(~flag); }
  bool test_and_clear(uint16_t flag) {
    const bool was = has(flag);
    clear(flag);
    return was;
  }
};

// The processes that may have a page (include/linux/rmap.h): a process and all that were forked of it share one. So the
// reverse map asks each of them for its entry, in order of forks.
struct AnonVma {
  std::vector<uint32_t> processes;
};

// struct mm_struct, and of task_struct what the OOM killer asks for. All of its memory is one vma.
struct Mm {
  uint32_t process = 0;
  uint32_t anon_vma = kNoAnonVma;  // of the vma; none before its first page
  uint32_t parent = kNoProcess;
  std::vector<uint32_t> children;  // that live
  uint64_t total_vm = 0;           // pages that it has touched
  PageTables tables;
};

}  // namespace swaptrail::engine::linux_2_6
