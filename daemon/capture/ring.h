// The consumer's side of one BPF ring buffer (kernel/bpf/ringbuf.c).
//
// libbpf has one too, but hides the two positions, which are needed to know that a sweep was
// complete: see sweeper.h and trace/merger.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "daemon/capture/record_queue.h"

namespace swaptrail::capture {

// One ring: owns the map's file descriptor and its mapping. Movable. One consuming thread.
class Ring final : public RecordQueue {
 public:
  // Makes a ring of `bytes` (a power of two, a multiple of the page size) in the kernel and maps it.
  // Errors: ResourceExhausted (no memory, or RLIMIT_MEMLOCK before Linux 5.11), PermissionDenied.
  static absl::StatusOr<Ring> create(size_t bytes);

  Ring(Ring&& other) noexcept;
  Ring& operator=(Ring&& other) noexcept;
  ~Ring() override;

  int fd() const { return fd_; }

  uint64_t producer_position() const override;
  uint64_t consumer_position() const override { return consumed_; }
  void consume(uint64_t until, size_t most,
               absl::FunctionRef<size_t(const void* record, size_t size)> take) override;

 private:
  Ring(int fd, size_t bytes, size_t page) : fd_(fd), bytes_(bytes), page_(page) {}
  absl::Status map();
  void close();

  int fd_ = -1;
  size_t bytes_ = 0;
  size_t page_ = 0;
  std::byte* consumer_page_ = nullptr;        // the consumer's position, ours to write
  const std::byte* producer_page_ = nullptr;  // the producer's position, then the data twice
  uint64_t consumed_ = 0;
};

}  // namespace swaptrail::capture
