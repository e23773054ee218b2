#include "daemon/store/record.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <new>

namespace swaptrail::store {
namespace {

// Written once, before Back::any is published.
struct FirstReturn {
  uint64_t time_ns, after_ns, fault_ns, address, reader_cgroup;
  Comm comm;
  uint32_t tgid, tid, owner_tgid;
  uint16_t first_page;  // of its entry, counted from the lifecycle's first
  uint16_t nr_pages, mapped_pages, passes;
  uint8_t shmem;
  uint8_t unused[3];
};

// How the second reclaimer is stored.
enum class LastForm : uint8_t { kSame, kOtherBatch, kOther };

// Followed by: the stages that were seen, the first reclaimer, the last one, the mappings, the shared
// object, the bits of the pages that are gone.
struct ColdHead {
  FirstReturn first_return;
  uint64_t last_note;  // atomic once it is published
  uint64_t id;
  uint64_t base_ns;  // the earliest stage
  uint32_t mapping_count, generation, passes;
  uint8_t seen;  // bit (1 << Stage)
  uint8_t visible;
  AbortReason abort_reason, kept_because;
  Waiting waiting_for;
  uint8_t flags;
  LastForm last_form;
  uint8_t wide;        // stages are 8 bytes each, not 4 after base_ns
  uint8_t gone_words;  // of 64 pages each; 0: one page, or too many
  uint8_t stages;      // how many were seen
  uint16_t fallback_from;
};
static_assert(sizeof(ColdHead) == 128 && sizeof(ColdHead) + sizeof(Reclaimer) == kMinColdBytes);
static_assert(sizeof(Mapping) == 32 && sizeof(Reclaimer) % 8 == 0 && sizeof(SharedObject) == 24);

enum Flag : uint8_t {
  kShmem = 1,
  kKsm = 2,
  kRewritten = 4,
  kReadahead = 8,
  kOwnerGuessed = 16,
  kOverlappedLoss = 32,
  kObject = 64,  // a shared object is kept
};

// The offsets of the parts.
struct Layout {
  size_t first, last, mappings, object, gone, end;
};

size_t last_bytes(LastForm form) {
  if (form == LastForm::kSame) return 0;
  return form == LastForm::kOtherBatch ? sizeof(uint64_t) : sizeof(Reclaimer);
}

Layout layout_of(const ColdHead& head, size_t mappings) {
  const size_t stages = head.stages * size_t{head.wide != 0 ? 8u : 4u};
  Layout layout{};
  layout.first = sizeof(ColdHead) + (stages + 7) / 8 * 8;
  layout.last = layout.first + sizeof(Reclaimer);
  layout.mappings = layout.last + last_bytes(head.last_form);
  layout.object = layout.mappings + mappings * sizeof(Mapping);
  layout.gone = layout.object + ((head.flags & kObject) != 0 ? sizeof(SharedObject) : 0);
  layout.end = layout.gone + head.gone_words * sizeof(uint64_t);
  return layout;
}

// Includes mappings that an owner's guess filled in without counting.
size_t mappings_of(const Lifecycle& lifecycle) {
  using Words = std::array<uint64_t, sizeof(Mapping) / sizeof(uint64_t)>;
  const auto is_empty = [](const Mapping& mapping) {
    const auto words = std::bit_cast<Words>(mapping);
    return (words[0] | words[1] | words[2] | words[3]) == 0;
  };
  size_t kept = kMaxMappings;
  while (kept > 0 && is_empty(lifecycle.mappings[kept - 1])) --kept;
  return kept;
}

LastForm last_form(const Reclaimer& first, const Reclaimer& last) {
  if (first.cgroup != last.cgroup || first.tid != last.tid || first.tgid != last.tgid ||
      first.origin != last.origin || first.comm != last.comm) {
    return LastForm::kOther;
  }
  return first.batch_ns == last.batch_ns ? LastForm::kSame : LastForm::kOtherBatch;
}

bool has_object(const Lifecycle& lifecycle) {
  const SharedObject& object = lifecycle.object;
  return object.inode != 0 || object.index != 0 || object.device != 0;
}

uint8_t flags_of(const Lifecycle& lifecycle) {
  return static_cast<uint8_t>(
      (lifecycle.shmem ? kShmem : 0) | (lifecycle.ksm ? kKsm : 0) |
      (lifecycle.rewritten ? kRewritten : 0) | (lifecycle.readahead ? kReadahead : 0) |
      (lifecycle.owner_guessed ? kOwnerGuessed : 0) |
      (lifecycle.overlapped_loss ? kOverlappedLoss : 0) | (has_object(lifecycle) ? kObject : 0));
}

void set_flags(uint8_t flags, Lifecycle& lifecycle) {
  lifecycle.shmem = (flags & kShmem) != 0;
  lifecycle.ksm = (flags & kKsm) != 0;
  lifecycle.rewritten = (flags & kRewritten) != 0;
  lifecycle.readahead = (flags & kReadahead) != 0;
  lifecycle.owner_guessed = (flags & kOwnerGuessed) != 0;
  lifecycle.overlapped_loss = (flags & kOverlappedLoss) != 0;
}

void set_stages(const Lifecycle& lifecycle, ColdHead& head) {
  uint64_t least = ~uint64_t{0}, most = 0;
  for (size_t stage = 0; stage < kStageCount; ++stage) {
    const uint64_t time = lifecycle.stage_ns[stage];
    if (time == 0) continue;
    head.seen |= static_cast<uint8_t>(1u << stage);
    ++head.stages;
    least = std::min(least, time);
    most = std::max(most, time);
  }
  head.base_ns = head.seen == 0 ? 0 : least;
  head.wide = head.seen != 0 && most - least > std::numeric_limits<uint32_t>::max() ? 1 : 0;
}

ColdHead head_of(const Lifecycle& lifecycle) {
  ColdHead head{};
  head.id = lifecycle.id;
  head.mapping_count = lifecycle.mapping_count;
  head.generation = lifecycle.generation;
  head.passes = lifecycle.passes;
  head.fallback_from = lifecycle.fallback_from;
  head.visible = lifecycle.visible_stages;
  head.abort_reason = lifecycle.abort_reason;
  head.kept_because = lifecycle.kept_because;
  head.waiting_for = lifecycle.waiting_for;
  head.flags = flags_of(lifecycle);
  head.last_form = last_form(lifecycle.first, lifecycle.last);
  const size_t pages = lifecycle.nr_pages;
  head.gone_words =
      pages < 2 || pages > kMostPagesKept ? 0 : static_cast<uint8_t>((pages + 63) / 64);
  set_stages(lifecycle, head);
  return head;
}

const ColdHead& head_at(const std::byte* cold) { return *reinterpret_cast<const ColdHead*>(cold); }

// Words that change after the record was published. (atomic_ref takes no const word before C++26.)
std::atomic_ref<uint64_t> atomic_at(const uint64_t* word) {
  return std::atomic_ref<uint64_t>(*const_cast<uint64_t*>(word));
}

template <typename Value>
Value copied(const std::byte* from) {
  Value value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

Reclaimer last_reclaimer(const ColdHead& head, const Layout& layout, const std::byte* cold) {
  if (head.last_form == LastForm::kOther) return copied<Reclaimer>(cold + layout.last);
  auto last = copied<Reclaimer>(cold + layout.first);
  if (head.last_form == LastForm::kOtherBatch) {
    last.batch_ns = copied<uint64_t>(cold + layout.last);
  }
  return last;
}

uint16_t capped_sum(uint16_t a, uint16_t b) {
  return static_cast<uint16_t>(std::min(uint32_t{a} + b, uint32_t{0xffff}));
}

}  // namespace

uint64_t Back::packed() const {
  return uint64_t{gone_pages} | uint64_t{swapped_in_pages} << 16 | uint64_t{regretted_pages} << 32 |
         uint64_t{any} << 48 | static_cast<uint64_t>(how) << 49 | uint64_t{backend & 7u} << 52 |
         uint64_t{major} << 55;
}

Back Back::unpacked(uint64_t word) {
  Back back;
  back.gone_pages = static_cast<uint16_t>(word);
  back.swapped_in_pages = static_cast<uint16_t>(word >> 16);
  back.regretted_pages = static_cast<uint16_t>(word >> 32);
  back.any = (word >> 48 & 1) != 0;
  back.how = static_cast<ReturnHow>(word >> 49 & 7);
  back.backend = static_cast<uint8_t>(word >> 52 & 7);
  back.major = (word >> 55 & 1) != 0;
  return back;
}

uint64_t RecordView::id() const { return head_at(cold_).id; }

uint64_t RecordView::slot_ns() const {
  const uint64_t allocated_ns = at(Stage::kSlotAllocated);
  return allocated_ns != 0 ? allocated_ns : hot_->closed_ns;
}

uint64_t RecordView::at(Stage stage) const {
  const ColdHead& head = head_at(cold_);
  const uint32_t bit = 1u << static_cast<unsigned>(stage);
  if ((head.seen & bit) == 0) return 0;
  const auto index = static_cast<size_t>(std::popcount(head.seen & (bit - 1)));
  const std::byte* stages = cold_ + sizeof(ColdHead);
  if (head.wide != 0) return copied<uint64_t>(stages + index * 8);
  return head.base_ns + copied<uint32_t>(stages + index * 4);
}

std::span<const Mapping> RecordView::mappings() const {
  const Layout layout = layout_of(head_at(cold_), hot_->mappings);
  return {reinterpret_cast<const Mapping*>(cold_ + layout.mappings), hot_->mappings};
}

Comm RecordView::reclaimer_comm() const {
  const ColdHead& head = head_at(cold_);
  return last_reclaimer(head, layout_of(head, hot_->mappings), cold_).comm;
}

std::optional<uint64_t> RecordView::span_ns(Latency span, const Back& back) const {
  const bool swapped_in = back.any && back.how == ReturnHow::kSwappedIn;
  const FirstReturn& first = head_at(cold_).first_return;
  if (span < Latency::kFault) return stage_latency_ns(*this, hot_->backend, span);
  if (span == Latency::kFault && swapped_in && first.fault_ns != 0) return first.fault_ns;
  if (span == Latency::kTimeInSwap && swapped_in && first.after_ns != 0) return first.after_ns;
  return std::nullopt;
}

Lifecycle RecordView::lifecycle() const {
  const ColdHead& head = head_at(cold_);
  const Layout layout = layout_of(head, hot_->mappings);
  Lifecycle out;
  out.id = head.id;
  out.folio = hot_->folio;
  out.entry = hot_->entry;
  out.cgroup = hot_->cgroup;
  out.closed_ns = hot_->closed_ns;
  for (size_t stage = 0; stage < kStageCount; ++stage) {
    out.stage_ns[stage] = at(static_cast<Stage>(stage));
  }
  out.first = copied<Reclaimer>(cold_ + layout.first);
  out.last = last_reclaimer(head, layout, cold_);
  std::ranges::copy(mappings(), out.mappings.begin());
  if ((head.flags & kObject) != 0) out.object = copied<SharedObject>(cold_ + layout.object);
  out.mapping_count = head.mapping_count;
  out.generation = head.generation;
  out.passes = head.passes;
  out.fallback_from = head.fallback_from;
  out.nr_pages = hot_->nr_pages;
  out.sample_shift = hot_->sample_shift;
  out.backend = hot_->backend;
  out.visible_stages = head.visible;
  out.outcome = hot_->outcome;
  out.abort_reason = head.abort_reason;
  out.kept_because = head.kept_because;
  out.incomplete = hot_->incomplete;
  out.waiting_for = head.waiting_for;
  set_flags(head.flags, out);
  return out;
}

Return RecordView::first_return(const Back& back) const {
  const ColdHead& head = head_at(cold_);
  const FirstReturn& first = head.first_return;
  Return out;
  out.lifecycle_id = head.id;
  out.entry = hot_->entry + first.first_page;
  out.time_ns = first.time_ns;
  out.after_ns = first.after_ns;
  out.fault_ns = first.fault_ns;
  out.address = first.address;
  out.generation = head.generation;
  out.reader_cgroup = first.reader_cgroup;
  out.tgid = first.tgid;
  out.tid = first.tid;
  out.owner_tgid = first.owner_tgid;
  out.nr_pages = first.nr_pages;
  out.mapped_pages = first.mapped_pages;
  out.passes = first.passes;
  out.shmem = first.shmem != 0;
  out.how = back.how;
  out.backend = back.backend;
  out.sample_shift = hot_->sample_shift;
  out.major = back.major;
  out.comm = first.comm;
  return out;
}

AbortReason RecordView::abort_reason() const { return head_at(cold_).abort_reason; }
uint32_t RecordView::mapping_count() const { return head_at(cold_).mapping_count; }
uint64_t RecordView::last_note() const {
  return atomic_at(&head_at(cold_).last_note).load(std::memory_order_acquire);
}

StoredLifecycle RecordView::stored(uint64_t sequence) const {
  StoredLifecycle out;
  out.sequence = sequence;
  out.lifecycle = lifecycle();
  out.back = back();
  if (!out.back.any) return out;
  out.first_return = first_return(out.back);
  const ColdHead& head = head_at(cold_);
  const auto* words =
      reinterpret_cast<const uint64_t*>(cold_ + layout_of(head, hot_->mappings).gone);
  for (size_t at = 0; at < head.gone_words; ++at) {
    out.gone[at] = atomic_at(words + at).load(std::memory_order_relaxed);
  }
  return out;
}

std::optional<bool> StoredLifecycle::is_gone(uint32_t index) const {
  if (back.gone_pages == 0) return false;
  if (back.gone_pages >= lifecycle.nr_pages) return true;
  if (index >= kMostPagesKept || lifecycle.nr_pages > kMostPagesKept) return std::nullopt;
  return (gone[index / 64] >> index % 64 & 1) != 0;
}

const Return* StoredLifecycle::return_of(uint32_t index) const {
  const uint64_t slot = lifecycle.entry + index;
  const auto took_it = [&](const Return& one) {
    return one.nr_pages != 0 && slot - one.entry < one.nr_pages;
  };
  if (first_return && (lifecycle.nr_pages == 1 || took_it(*first_return))) return &*first_return;
  for (const Note& note : notes.notes) {
    if (note.back && took_it(*note.back)) return &*note.back;
  }
  return nullptr;
}

Cold write_cold(const Lifecycle& lifecycle, std::byte* end, size_t room) {
  const ColdHead head = head_of(lifecycle);
  const size_t mappings = mappings_of(lifecycle);
  const Layout layout = layout_of(head, mappings);
  if (layout.end > room) return {};
  std::byte* at = end - layout.end;
  new (at) ColdHead(head);
  std::byte* to = at + sizeof head;
  for (const uint64_t time : lifecycle.stage_ns) {
    if (time == 0) continue;
    const auto narrow = static_cast<uint32_t>(time - head.base_ns);
    const size_t bytes = head.wide != 0 ? sizeof time : sizeof narrow;
    std::memcpy(to, head.wide != 0 ? static_cast<const void*>(&time) : &narrow, bytes);
    to += bytes;
  }
  std::memcpy(at + layout.first, &lifecycle.first, sizeof(Reclaimer));
  if (head.last_form == LastForm::kOtherBatch) {
    std::memcpy(at + layout.last, &lifecycle.last.batch_ns, sizeof(uint64_t));
  } else if (head.last_form == LastForm::kOther) {
    std::memcpy(at + layout.last, &lifecycle.last, sizeof(Reclaimer));
  }
  std::memcpy(at + layout.mappings, lifecycle.mappings.data(), mappings * sizeof(Mapping));
  if ((head.flags & kObject) != 0) {
    const SharedObject object = lifecycle.object;
    std::memcpy(at + layout.object, &object, sizeof object);
  }
  std::memset(at + layout.gone, 0, layout.end - layout.gone);
  return {.bytes = layout.end, .mappings = static_cast<uint8_t>(mappings)};
}

void write_hot(const Lifecycle& lifecycle, const Cold& cold, uint32_t place, uint64_t victim_comm,
               std::byte* at) {
  Hot* hot = new (at) Hot;
  hot->closed_ns = lifecycle.closed_ns;
  hot->folio = lifecycle.folio;
  hot->entry = lifecycle.entry;
  hot->cgroup = lifecycle.cgroup;
  hot->back.store(0, std::memory_order_relaxed);
  hot->cold = place;
  hot->victim = lifecycle.mappings[0].tgid;
  hot->victim_comm = static_cast<uint32_t>(victim_comm);
  hot->reclaimer = lifecycle.last.tgid;
  hot->nr_pages = lifecycle.nr_pages;
  hot->outcome = lifecycle.outcome;
  hot->backend = lifecycle.backend;
  hot->first_origin = lifecycle.first.origin;
  hot->last_origin = lifecycle.last.origin;
  hot->incomplete = lifecycle.incomplete;
  hot->mappings = cold.mappings & 0xf;
  hot->sample_shift = lifecycle.sample_shift & 0xf;
}

namespace {

void set_first(const Return& entry_return, const Hot& hot, FirstReturn& first) {
  first.time_ns = entry_return.time_ns;
  first.after_ns = entry_return.after_ns;
  first.fault_ns = entry_return.fault_ns;
  first.address = entry_return.address;
  first.reader_cgroup = entry_return.reader_cgroup;
  first.comm = entry_return.comm;
  first.tgid = entry_return.tgid;
  first.tid = entry_return.tid;
  first.owner_tgid = entry_return.owner_tgid;
  first.first_page = static_cast<uint16_t>(entry_return.entry - hot.entry);
  first.nr_pages = entry_return.nr_pages;
  first.mapped_pages = entry_return.mapped_pages;
  first.passes = entry_return.passes;
  first.shmem = entry_return.shmem ? 1 : 0;
}

void set_gone(const Return& entry_return, const Hot& hot, std::byte* cold) {
  const ColdHead& head = head_at(cold);
  auto* words = reinterpret_cast<uint64_t*>(cold + layout_of(head, hot.mappings).gone);
  for (uint64_t page = entry_return.entry - hot.entry, left = entry_return.nr_pages;
       left > 0 && page < head.gone_words * size_t{64}; ++page, --left) {
    const auto word = atomic_at(words + page / 64);
    const uint64_t bit = uint64_t{1} << page % 64;
    word.store(word.load(std::memory_order_relaxed) | bit, std::memory_order_relaxed);
  }
}

}  // namespace

bool add_return(const Return& entry_return, uint64_t regret_ns, Hot& hot, std::byte* cold) {
  if (entry_return.nr_pages == 0) return true;
  Back back = Back::unpacked(hot.back.load(std::memory_order_relaxed));
  const bool is_first = !back.any;
  if (is_first) {
    set_first(entry_return, hot, reinterpret_cast<ColdHead*>(cold)->first_return);
    back.any = true;
    back.how = entry_return.how;
    back.backend = entry_return.backend;
    back.major = entry_return.major;
  }
  set_gone(entry_return, hot, cold);
  back.gone_pages = capped_sum(back.gone_pages, entry_return.nr_pages);
  if (entry_return.how == ReturnHow::kSwappedIn) {
    back.swapped_in_pages = capped_sum(back.swapped_in_pages, entry_return.nr_pages);
    if (is_regretted(entry_return, regret_ns))
      back.regretted_pages = capped_sum(back.regretted_pages, entry_return.nr_pages);
  }
  hot.back.store(back.packed(), std::memory_order_release);
  return !is_first;
}

void set_last_note(uint64_t number, std::byte* cold) {
  atomic_at(&head_at(cold).last_note).store(number, std::memory_order_release);
}

uint64_t comm_hash(const Comm& comm) {
  uint64_t words[2] = {0, 0};
  static_assert(sizeof words == sizeof comm);
  std::memcpy(words, comm.data(), comm_text(comm).size());
  return base::mixed(words[0] ^ base::mixed(words[1] + 1));
}

}  // namespace swaptrail::store
