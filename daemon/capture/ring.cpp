#include "daemon/capture/ring.h"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/capture/load_acquire.h"
#include "trace/check.h"

namespace swaptrail::capture {
namespace {

// include/uapi/linux/bpf.h: BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT, BPF_RINGBUF_HDR_SZ
constexpr uint32_t kBusyBit = 1U << 31;
constexpr uint32_t kDiscardBit = 1U << 30;
constexpr size_t kHeaderSize = 8;

absl::Status errno_status(const char* what, size_t bytes) {
  const std::string text = absl::StrCat(what, " of ", bytes >> 10, " KiB: ", std::strerror(errno));
  if (errno == EPERM && geteuid() != 0) return absl::PermissionDeniedError(text);
  return absl::ResourceExhaustedError(text);
}

}  // namespace

absl::StatusOr<Ring> Ring::create(size_t bytes) {
  const int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, bytes, nullptr);
  if (fd < 0) {
    errno = -fd;
    return errno_status("can't allocate a ring", bytes);
  }
  Ring ring(fd, bytes, sysconf(_SC_PAGESIZE));
  if (absl::Status status = ring.map(); !status.ok()) return status;
  return ring;
}

absl::Status Ring::map() {
  void* consumer = mmap(nullptr, page_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (consumer == MAP_FAILED) return errno_status("can't map the ring's position", page_);
  consumer_page_ = static_cast<std::byte*>(consumer);
  // the kernel maps the data twice in a row, so that a record never wraps
  void* producer =
      mmap(nullptr, page_ + 2 * bytes_, PROT_READ, MAP_SHARED, fd_, static_cast<off_t>(page_));
  if (producer == MAP_FAILED) return errno_status("can't map a ring", bytes_);
  producer_page_ = static_cast<const std::byte*>(producer);
  return absl::OkStatus();
}

Ring::Ring(Ring&& other) noexcept { *this = std::move(other); }

Ring& Ring::operator=(Ring&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::exchange(other.fd_, -1);
  bytes_ = other.bytes_;
  page_ = other.page_;
  consumer_page_ = std::exchange(other.consumer_page_, nullptr);
  producer_page_ = std::exchange(other.producer_page_, nullptr);
  consumed_ = other.consumed_;
  return *this;
}

Ring::~Ring() { close(); }

void Ring::close() {
  if (consumer_page_ != nullptr) munmap(consumer_page_, page_);
  if (producer_page_ != nullptr) munmap(const_cast<std::byte*>(producer_page_), page_ + 2 * bytes_);
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

uint64_t Ring::producer_position() const {
  return load_acquire(*reinterpret_cast<const uint64_t*>(producer_page_));
}

void Ring::consume(uint64_t until, size_t most,
                   absl::FunctionRef<size_t(const void* record, size_t size)> take) {
  const std::byte* records = producer_page_ + page_;
  SWAPTRAIL_DCHECK(until - consumed_ <= bytes_);  // positions of this ring, and not an older one
  for (size_t taken = 0; consumed_ < until && taken < most;) {
    const std::byte* record = records + (consumed_ & (bytes_ - 1));
    const uint32_t header = load_acquire(*reinterpret_cast<const uint32_t*>(record));
    if (header & kBusyBit) break;
    const size_t size = header & ~(kBusyBit | kDiscardBit);
    if (!(header & kDiscardBit)) taken += take(record + kHeaderSize, size);
    consumed_ += (size + kHeaderSize + 7) & ~size_t{7};
  }
  std::atomic_ref<uint64_t>(*reinterpret_cast<uint64_t*>(consumer_page_))
      .store(consumed_, std::memory_order_release);
}

}  // namespace swaptrail::capture
