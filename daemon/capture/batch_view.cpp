#include "daemon/capture/batch_view.h"

#include <bpf/bpf.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/capture/load_acquire.h"

namespace swaptrail::capture {
namespace {

// Element sizes of an array map: kernel/bpf/arraymap.c array_map_alloc.
size_t stride_of(size_t value_size) { return (value_size + 7) & ~size_t{7}; }

constexpr int kTries = 4;

// In order.
void copy(const swaptrail_pass& from, swaptrail_pass& to) {
  static_assert(sizeof(swaptrail_pass) % sizeof(uint64_t) == 0);
  const auto* words = reinterpret_cast<const uint64_t*>(&from);
  for (size_t at = 0; at < sizeof(swaptrail_pass) / sizeof(uint64_t); ++at) {
    const uint64_t word = load_acquire(words[at]);
    std::memcpy(reinterpret_cast<std::byte*>(&to) + at * sizeof(word), &word, sizeof(word));
  }
}

}  // namespace

absl::StatusOr<BatchView> BatchView::create(int places, int beside, size_t value_size) {
  const size_t stride = stride_of(value_size);
  void* mapped = mmap(nullptr, stride * SWAPTRAIL_PLACES, PROT_READ, MAP_SHARED, places, 0);
  if (mapped == MAP_FAILED)
    return absl::ResourceExhaustedError(
        absl::StrCat("can't map the programs' table of batches: ", std::strerror(errno)));
  return BatchView(static_cast<const std::byte*>(mapped), stride, beside);
}

BatchView::BatchView(BatchView&& other) noexcept
    : places_(std::exchange(other.places_, nullptr)),
      stride_(other.stride_),
      beside_(other.beside_) {}

BatchView::~BatchView() {
  if (places_ != nullptr) munmap(const_cast<std::byte*>(places_), stride_ * SWAPTRAIL_PLACES);
}

// The programs write meanwhile. A pass that stays the same, and as long as it was, while it is copied, and is not being changed
// before or after that, is whole; its begin is read first. If the place changes hands, so does `begin_ns`.
swaptrail_batch BatchView::at(size_t place) const {
  const auto& shown = *reinterpret_cast<const swaptrail_batch*>(places_ + place * stride_);
  swaptrail_batch batch{};
  for (int tries = 0; tries < kTries; ++tries) {
    batch.changing = load_acquire(shown.changing);
    batch.begin_ns = load_acquire(shown.begin_ns);
    copy(shown.pass, batch.pass);
    batch.passes = load_acquire(shown.passes);  // after the pass: it is open, or counted
    batch.place.owner = load_acquire(shown.place.owner);
    batch.changing |= load_acquire(shown.changing);
    const bool same = load_acquire(shown.begin_ns) == batch.begin_ns &&
                      load_acquire(shown.pass.begin_ns) == batch.pass.begin_ns &&
                      load_acquire(shown.pass.events) == batch.pass.events;
    if (batch.changing == 0 && same) return batch;
  }
  batch.changing = 1;
  return batch;
}

std::optional<swaptrail_batch> BatchView::of(uint32_t tid) const {
  const swaptrail_batch batch = at(tid % SWAPTRAIL_PLACES);
  if (batch.place.owner == SWAPTRAIL_OWNER(tid)) return batch;
  const auto first = of_beside(tid);
  auto second = first ? of_beside(tid) : std::nullopt;
  if (second) {  // the kernel copies it while the programs write
    const bool same = first->begin_ns == second->begin_ns &&
                      first->pass.begin_ns == second->pass.begin_ns &&
                      first->pass.events == second->pass.events;
    second->changing |= first->changing | uint32_t{!same};
    second->pass = first->pass;
  }
  return second;
}

std::optional<swaptrail_batch> BatchView::of_beside(uint32_t tid) const {
  std::vector<std::byte> value(stride_);
  if (bpf_map_lookup_elem(beside_, &tid, value.data()) != 0) return std::nullopt;
  swaptrail_batch batch;
  std::memcpy(&batch, value.data(), sizeof(batch));
  return batch;
}

std::vector<swaptrail_pass> BatchView::open_passes() const {
  std::vector<swaptrail_pass> open;
  const auto keep = [&](const swaptrail_pass& pass) {
    if (pass.folio != 0) open.push_back(pass);
  };
  for (size_t place = 0; place < SWAPTRAIL_PLACES; ++place)
    keep(reinterpret_cast<const swaptrail_batch*>(places_ + place * stride_)->pass);
  uint32_t tid = 0;
  for (const uint32_t* previous = nullptr; bpf_map_get_next_key(beside_, previous, &tid) == 0;
       previous = &tid)
    if (const auto batch = of_beside(tid)) keep(batch->pass);
  return open;
}

}  // namespace swaptrail::capture
