// The reclaim batches that run, as the programs show them (bpf/tasks.bpf.h, bpf/pass.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "bpf/pass.h"

namespace swaptrail::capture {

// Not thread-safe.
class BatchView {
 public:
  // `places` and `beside`: the two maps of the table, which must stay open. Errors: ResourceExhausted.
  static absl::StatusOr<BatchView> create(int places, int beside, size_t value_size);

  BatchView(BatchView&& other) noexcept;
  BatchView& operator=(BatchView&&) = delete;
  ~BatchView();

  // What the batch of a thread shows; nothing if it has none. With `changing`, only begin_ns is valid. Without a system call,
  // unless another thread has its place.
  std::optional<swaptrail_batch> of(uint32_t tid) const;
  // The passes that are open. For the time when no program runs any more.
  std::vector<swaptrail_pass> open_passes() const;

 private:
  BatchView(const std::byte* places, size_t stride, int beside)
      : places_(places), stride_(stride), beside_(beside) {}
  swaptrail_batch at(size_t place) const;
  std::optional<swaptrail_batch> of_beside(uint32_t tid) const;

  const std::byte* places_;  // mapped, SWAPTRAIL_PLACES values of `stride_` bytes
  size_t stride_;
  int beside_;
};

}  // namespace swaptrail::capture
