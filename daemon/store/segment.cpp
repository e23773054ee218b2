#include "daemon/store/segment.h"

#include <algorithm>
#include <cstring>

#include "trace/check.h"
#include "trace/decode.h"

namespace swaptrail::store {
namespace {

// Words of the filters: the large ones have room for a key of each record at 16 bits, the small
// ones for a few hundred processes and cgroups. Multiples of 8 keep the records on cache lines.
struct FilterWords {
  size_t large, small;
  size_t total() const { return 3 * large + 3 * small; }
};

FilterWords filter_words(size_t bytes) {
  constexpr size_t kUsualRecord = 312;
  const size_t records = bytes / kUsualRecord;
  return {.large = (records / 4 + 8) / 8 * 8, .small = (records / 32 + 8) / 8 * 8};
}

void raise_to(std::atomic<uint64_t>& most, uint64_t value) {
  if (value > most.load(std::memory_order_relaxed)) most.store(value, std::memory_order_relaxed);
}

}  // namespace

Units slot_units(const Hot& hot) {
  if (hot.entry == 0) return {};
  return {.first = entry_offset(hot.entry), .count = std::max<uint32_t>(hot.nr_pages, 1)};
}

Units folio_units(const Hot& hot, const PageSizes& sizes) {
  return {.first = hot.folio / sizes.struct_page, .count = hot.folio == 0 ? 0u : hot.nr_pages};
}

Units mapped_units(const Mapping& mapping, uint16_t nr_pages, const PageSizes& sizes) {
  if (mapping.address == 0 || mapping.tgid == 0) return {};
  const bool counted = mapping.ptes != SWAPTRAIL_NOT_COUNTED && mapping.ptes != 0;
  const uint32_t rest = nr_pages > mapping.first_page ? nr_pages - mapping.first_page : 1;
  return {.first = mapping.address / sizes.page, .count = counted ? mapping.ptes : rest};
}

void SegmentSummary::clear() {
  min_closed_ns = ~uint64_t{0};
  max_closed_ns = areas = 0;
  outcomes = origins = 0;
  incomplete = unkept_mappings = false;
  for (Bloom* bloom : {&tgids, &comms, &cgroups}) bloom->clear();
  for (RangeBloom* bloom : {&slots, &folios, &addresses}) bloom->clear();
  for (auto& longest : longest_ns) longest.store(0, std::memory_order_relaxed);
  regretted.store(false, std::memory_order_relaxed);
}

Segment::Segment(std::byte* memory, size_t bytes, const PageSizes& sizes)
    : sizes_(sizes),
      bytes_(memory_bytes(bytes)),
      hot_begin_(filter_words(bytes).total() * sizeof(uint64_t)),
      memory_(memory) {
  const FilterWords words = filter_words(bytes);
  auto* next = reinterpret_cast<uint64_t*>(memory_);
  const auto take = [&next](size_t count) {
    const std::span<uint64_t> taken(next, count);
    next += count;
    return taken;
  };
  summary_.tgids = Bloom(take(words.small));
  summary_.comms = Bloom(take(words.small));
  summary_.cgroups = Bloom(take(words.small));
  summary_.slots = RangeBloom(take(words.large));
  summary_.folios = RangeBloom(take(words.large));
  summary_.addresses = RangeBloom(take(words.large));
}

size_t Segment::memory_bytes(size_t bytes) {
  return (bytes - sizeof(Segment)) / sizeof(Hot) * sizeof(Hot);
}

size_t Segment::max_records(size_t bytes) {
  const size_t room = memory_bytes(bytes) - filter_words(bytes).total() * sizeof(uint64_t);
  return room / (sizeof(Hot) + kMinColdBytes);
}

void Segment::open(uint64_t ordinal, uint64_t first_sequence) {
  SWAPTRAIL_CHECK(!pinned() && ordinal != 0);
  cold_begin_ = bytes_;
  first_sequence_ = first_sequence;
  summary_.clear();
  sealed_.store(false, std::memory_order_relaxed);
  count_.store(0, std::memory_order_relaxed);
  ordinal_.store(ordinal);
}

bool Segment::append(const Lifecycle& lifecycle) {
  const uint32_t index = count_.load(std::memory_order_relaxed);
  const size_t hot_end = hot_begin_ + (index + size_t{1}) * sizeof(Hot);
  if (hot_end > cold_begin_) return false;
  const Cold cold = write_cold(lifecycle, memory_ + cold_begin_, cold_begin_ - hot_end);
  if (cold.bytes == 0) return false;
  cold_begin_ -= cold.bytes;
  write_hot(lifecycle, cold, static_cast<uint32_t>(cold_begin_),
            hash_of(lifecycle.mappings[0].comm), reinterpret_cast<std::byte*>(hot_at(index)));
  summarize(record(index), lifecycle);
  count_.store(index + 1, std::memory_order_release);
  return true;
}

// `lifecycle` is what the record was made from: its times need no unpacking.
void Segment::summarize(const RecordView& record, const Lifecycle& lifecycle) {
  const Hot& hot = record.hot();
  summary_.min_closed_ns = std::min(summary_.min_closed_ns, hot.closed_ns);
  summary_.max_closed_ns = std::max(summary_.max_closed_ns, hot.closed_ns);
  summary_.outcomes |= 1u << (static_cast<unsigned>(hot.outcome) & 31);
  summary_.origins |= 1u << (hot.first_origin & 31);
  summary_.incomplete |= hot.incomplete != IncompleteReason::kNone;
  summary_.unkept_mappings |= record.mapping_count() > hot.mappings;
  summary_.cgroups.add(base::mixed(hot.cgroup));
  const Units slots = slot_units(hot);
  if (slots.count != 0) {
    summary_.areas |= uint64_t{1} << entry_type(hot.entry);
    summary_.slots.add(entry_type(hot.entry), slots.first, slots.count);
  }
  const Units folio = folio_units(hot, sizes_);
  if (folio.count != 0) summary_.folios.add(0, folio.first, folio.count);
  summarize_mappings(record);
  for (size_t span = 0; span < kStageLatencyCount; ++span) {
    const auto took = stage_latency_ns(lifecycle, hot.backend, static_cast<Latency>(span));
    if (took) raise_to(summary_.longest_ns[span], *took);
  }
}

uint64_t Segment::hash_of(const Comm& comm) {
  if (comm != hashed_) hash_ = comm_hash(hashed_ = comm);
  return hash_;
}

void Segment::summarize_mappings(const RecordView& record) {
  for (const Mapping& mapping : record.mappings()) {
    summary_.tgids.add(base::mixed(mapping.tgid));
    summary_.comms.add(hash_of(mapping.comm));
    const Units pages = mapped_units(mapping, record.hot().nr_pages, sizes_);
    if (pages.count != 0) summary_.addresses.add(mapping.tgid, pages.first, pages.count);
  }
}

void Segment::note_stay(uint32_t index, const Stay& stay, Notes& notes) {
  set_last_note(notes.add(stay, record(index).last_note()), memory_ + hot_at(index)->cold);
}

void Segment::note_return(uint32_t index, const Return& entry_return, uint64_t regret_ns,
                          Notes& notes) {
  Hot& hot = *hot_at(index);
  std::byte* cold = memory_ + hot.cold;
  const RecordView view = record(index);
  if (add_return(entry_return, regret_ns, hot, cold)) {
    set_last_note(notes.add(entry_return, view.last_note()), cold);
  }
  const Back back = view.back();
  if (back.regretted_pages != 0) summary_.regretted.store(true, std::memory_order_relaxed);
  for (const Latency span : {Latency::kFault, Latency::kTimeInSwap}) {
    const auto took = view.span_ns(span, back);
    if (took) raise_to(summary_.longest_ns[static_cast<size_t>(span)], *took);
  }
}

bool Segment::pin(uint64_t ordinal) {
  SWAPTRAIL_DCHECK(ordinal != 0);
  // Sequentially consistent, as are retire() and pinned(): either we see that it was retired, or
  // the thread that retired it sees the pin before reusing it.
  pins_.fetch_add(1);
  if (ordinal_.load() == ordinal) return true;
  unpin();
  return false;
}

}  // namespace swaptrail::store
