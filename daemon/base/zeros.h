// An array of zeros that takes memory only where it was touched.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

namespace swaptrail::base {

// Of a type for which all bytes zero are a value. The system provides the memory page by page, as it is touched.
template <typename T>
class Zeros {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  explicit Zeros(size_t size) : size_(size), all_(static_cast<T*>(std::calloc(size, sizeof(T)))) {
    if (!all_) throw std::bad_alloc();
  }

  T& operator[](size_t at) { return all_[at]; }
  const T& operator[](size_t at) const { return all_[at]; }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(T* all) const { std::free(all); }
  };
  size_t size_;
  std::unique_ptr<T[], Free> all_;
};

}  // namespace swaptrail::base
