// Page table entries and page tables of Linux 2.6.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/workloads/workload_source.h"
#include "trace/decode.h"

namespace swaptrail::engine::linux_2_6 {

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

}  // namespace swaptrail::engine::linux_2_6
