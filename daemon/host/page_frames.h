// Converts the address of a struct page to its page frame number.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"

namespace swaptrail::host {

// The kernel's array of struct page (CONFIG_SPARSEMEM_VMEMMAP). A value; any thread.
class PageFrames {
 public:
  PageFrames(uint64_t base, uint64_t page_struct_size)
      : base_(base), page_struct_size_(page_struct_size) {}

  // Finds the array by trial: touches a few pages of this process, and compares their numbers in
  // /proc/self/pagemap with the struct pages that a raw tracepoint on mm_page_alloc reports
  // (calibrate.bpf.c). Errors: Unavailable if they don't match (no pagemap, no raw tracepoints,
  // another memory model): then swaptrail shows no page frame numbers, and nothing else is lost.
  static absl::StatusOr<PageFrames> calibrate();

  // Address of the struct page of frame 0.
  uint64_t base() const { return base_; }

  // Address of a frame's struct page. Does not check whether the frame exists.
  uint64_t address_of(uint64_t number) const { return base_ + number * page_struct_size_; }
  // nullopt for an address before the array or not at a struct page.
  std::optional<uint64_t> number_of(uint64_t page_struct) const;

 private:
  uint64_t base_;
  uint64_t page_struct_size_;
};

}  // namespace swaptrail::host
