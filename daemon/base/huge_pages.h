// Memory of the system, in huge pages where it grants them.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <memory>
#include <new>

namespace swaptrail::base {

// Zeros, and touched later: the first touch of each 2 MiB is one fault, and not 512. For what is filled from one end to the
// other; where only a part of each huge page is used, the rest of it is resident for nothing.
class HugePages {
 public:
  explicit HugePages(size_t bytes) : all_(map(bytes), Unmap{bytes + kHuge}) {
    void* begin = all_.get();
    size_t room = bytes + kHuge;
    begin_ = static_cast<std::byte*>(std::align(kHuge, bytes, begin, room));
    madvise(begin_, bytes, MADV_HUGEPAGE);  // refused by a kernel without them
  }
  std::byte* begin() const { return begin_; }

 private:
  static constexpr size_t kHuge = size_t{2} << 20;

  struct Unmap {
    size_t bytes;
    void operator()(void* all) const { munmap(all, bytes); }
  };
  static void* map(size_t bytes) {
    void* all = mmap(nullptr, bytes + kHuge, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) throw std::bad_alloc();
    return all;
  }

  std::unique_ptr<void, Unmap> all_;
  std::byte* begin_;
};

}  // namespace swaptrail::base
