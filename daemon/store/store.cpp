#include "daemon/store/store.h"

#include <algorithm>

#include "absl/status/status.h"
#include "daemon/base/raise.h"
#include "trace/check.h"

namespace swaptrail::store {
namespace {

// How many ids of evicted lifecycles are taken out of the index for each one that is added. A
// segment holds at most 3 times as many records as another, so all are out before the next
// eviction.
constexpr uint32_t kForgetPerAdd = 4;

constexpr size_t kMinSegmentBytes = size_t{16} << 10, kMaxSegmentBytes = size_t{16} << 20;
constexpr size_t kMaxBytes = size_t{16} << 30;

}  // namespace

Store::Division Store::divide(const Options& options) {
  // What a segment costs besides itself: its pointers in the ring, and its owner's.
  const size_t segment_bytes = options.segment_bytes + sizeof(std::atomic<Segment*>) +
                               sizeof(std::unique_ptr<Segment>) + sizeof(uint32_t) +
                               sizeof(Snapshot::Part);
  const size_t per_segment = Segment::max_records(options.segment_bytes);
  Division out;
  out.notes = options.max_notes != 0
                  ? options.max_notes
                  : std::max<size_t>(options.max_bytes / 8 / Notes::bytes_for(1), 1);
  for (size_t segments = options.max_bytes / segment_bytes; segments >= 4; --segments) {
    const size_t fixed =
        sizeof(Store) + sizeof(SegmentRing) + Violations::bytes_for(options.max_violations) +
        Notes::bytes_for(out.notes) + base::FixedMap<uint32_t>::bytes_for(segments * per_segment) +
        segments * (segment_bytes - options.segment_bytes);
    if (fixed + segments * options.segment_bytes > options.max_bytes) continue;
    const size_t spare =
        options.spare_segments != 0 ? options.spare_segments : std::max<size_t>(segments / 8, 1);
    if (segments < spare + 3) break;
    out.segments = segments;
    out.live = segments - spare - 1;  // one is being taken out of the index
    out.index_records = segments * per_segment;
    out.fixed_bytes = fixed;
    break;
  }
  return out;
}

absl::StatusOr<std::unique_ptr<Store>> Store::create(const Options& options) {
  if (options.segment_bytes < kMinSegmentBytes || options.segment_bytes > kMaxSegmentBytes) {
    return absl::InvalidArgumentError("the store's segments must be of 16 KiB to 16 MiB");
  }
  if (options.max_bytes > kMaxBytes || options.max_violations == 0 ||
      options.max_violations > 1'000'000 || options.sizes.page == 0 ||
      options.sizes.struct_page == 0) {
    return absl::InvalidArgumentError("an option of the store is out of bounds");
  }
  const Division division = divide(options);
  if (division.segments == 0 || division.segments >= kNone >> kIndexBits) {
    return absl::InvalidArgumentError("the store's size does not fit that of its segments");
  }
  return std::unique_ptr<Store>(new Store(options, division));
}

Store::Store(const Options& options, const Division& division)
    : options_(options),
      division_(division),
      ring_(std::make_shared<SegmentRing>(
          division.live, division.notes,
          division.segments * Segment::memory_bytes(options.segment_bytes))),
      index_(division.index_records),
      violations_(options.max_violations),
      live_(division.live, kNone) {
  ring_->owned.reserve(division.segments);
  base::raise(bytes_, division.fixed_bytes);
  roll();
}

void Store::add(const Lifecycle& lifecycle) {
  forget_retired(kForgetPerAdd);
  if (!segment(open_).append(lifecycle)) {
    if (!roll() || !segment(open_).append(lifecycle)) {
      base::raise(unstored_);
      return;
    }
  }
  if (lifecycle.id != 0) {
    bool is_new = false;
    uint32_t* place = index_.find_or_insert(lifecycle.id, is_new);
    SWAPTRAIL_CHECK(place != nullptr);  // it has room for all that the segments can hold
    *place = place_of(open_, segment(open_).count() - 1);
  }
  base::raise(stored_);
}

uint32_t Store::find(uint64_t id) const {
  const uint32_t* place = id == 0 ? nullptr : index_.find(id);
  if (place == nullptr || segment(*place >> kIndexBits).retired()) return kNone;
  return *place;
}

void Store::note_return(const Return& entry_return) {
  const uint32_t place = find(entry_return.lifecycle_id);
  if (place == kNone) {
    base::raise(unmatched_);
    return;
  }
  segment(place >> kIndexBits)
      .note_return(part_of(place), entry_return, options_.regret_ns, ring_->notes);
  base::raise(joined_);
}

void Store::note_stay(const Stay& stay) {
  const uint32_t place = find(stay.lifecycle_id);
  if (place == kNone) return;
  segment(place >> kIndexBits).note_stay(part_of(place), stay, ring_->notes);
}

void Store::note_loss(const Loss& loss) {
  const uint64_t newest = std::max(last_loss_ns_.load(std::memory_order_relaxed), loss.to_ns);
  last_loss_ns_.store(newest, std::memory_order_release);
}

// The open segment is full: continues with another one, if need be in place of the oldest. False:
// snapshots hold all segments that could be used.
bool Store::roll() {
  forget_retired(~uint32_t{0});
  uint32_t owned = kNone;
  if (!take_segment(owned)) return false;
  if (newest_ - oldest_ + 1 == division_.live) evict_oldest();
  const uint64_t first =
      open_ == kNone ? 1 : segment(open_).first_sequence() + segment(open_).count();
  if (open_ != kNone) segment(open_).seal();
  open(owned, first);
  return true;
}

void Store::open(uint32_t owned, uint64_t first_sequence) {
  SWAPTRAIL_CHECK(newest_ - oldest_ + 1 < division_.live ||
                  open_ == kNone);  // its place in the ring is free
  const uint64_t ordinal = ++newest_;
  segment(owned).open(ordinal, first_sequence);
  open_ = owned;
  live_[ordinal % division_.live] = owned;
  ring_->live[ordinal % division_.live].store(&segment(owned), std::memory_order_release);
  ring_->newest.store(ordinal, std::memory_order_release);
}

// One that is evicted and not held, or a new one while there are fewer than allowed.
bool Store::take_segment(uint32_t& owned) {
  auto& all = ring_->owned;
  for (uint32_t at = 0; at < all.size(); ++at) {
    if (!all[at]->retired() || all[at]->pinned()) continue;
    owned = at;
    return true;
  }
  if (all.size() == division_.segments) return false;
  std::byte* memory =
      ring_->memory.begin() + all.size() * Segment::memory_bytes(options_.segment_bytes);
  all.push_back(std::make_unique<Segment>(memory, options_.segment_bytes, options_.sizes));
  base::raise(bytes_, options_.segment_bytes);
  owned = static_cast<uint32_t>(all.size() - 1);
  return true;
}

void Store::evict_oldest() {
  retired_ = live_[oldest_ % division_.live];
  ++oldest_;
  segment(retired_).retire();
  retired_left_ = segment(retired_).count();
  base::raise(evicted_, retired_left_);
}

void Store::forget_retired(uint32_t most) {
  for (uint32_t step = 0; step < most && retired_left_ > 0; ++step) {
    --retired_left_;
    const uint64_t id = segment(retired_).record(retired_left_).id();
    uint32_t* place = id == 0 ? nullptr : index_.find(id);
    if (place != nullptr && *place == place_of(retired_, retired_left_)) index_.erase_found(place);
  }
}

StoreStatus Store::status() const {
  StoreStatus out;
  // Evicted first: it must not exceed the number stored.
  out.evicted = evicted_.load(std::memory_order_acquire);
  const uint64_t stored = stored_.load(std::memory_order_acquire);
  out.lifecycles = stored - out.evicted;
  out.bytes = bytes_.load(std::memory_order_acquire);
  out.max_bytes = options_.max_bytes;
  out.unstored = unstored_.load(std::memory_order_acquire);
  out.returns_joined = joined_.load(std::memory_order_acquire);
  out.returns_unmatched = unmatched_.load(std::memory_order_acquire);
  out.violations = violations_.total();
  out.notes = ring_->notes.total();
  out.notes_kept = division_.notes;
  out.last_loss_ns = last_loss_ns_.load(std::memory_order_acquire);
  return out;
}

}  // namespace swaptrail::store
