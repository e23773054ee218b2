#include "daemon/api/convert.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "trace/decode.h"
#include "trace/slot_time.h"
#include "trace/utf8.h"

namespace swaptrail::api {
namespace {

// The contract's enums are ours in the same order; where ours has no word for "not told", shifted by one.
template <typename Proto, typename Ours>
constexpr bool same(Proto proto, Ours ours, int shift) {
  return static_cast<int>(proto) == static_cast<int>(ours) + shift;
}
template <typename Ours>
constexpr int last(Ours count) {
  return static_cast<int>(count) - 1;
}
static_assert(same(v1::OUTCOME_FREED_DEVICE, Outcome::kFreedDevice, 1) &&
              same(v1::OUTCOME_FREED_ZSWAP, Outcome::kFreedZswap, 1) &&
              same(v1::OUTCOME_FREED_ZERO, Outcome::kFreedZero, 1) &&
              same(v1::OUTCOME_FREED_CLEAN, Outcome::kFreedClean, 1) &&
              same(v1::OUTCOME_ABORTED, Outcome::kAborted, 1) &&
              same(v1::OUTCOME_IN_FLIGHT, Outcome::kInFlight, 1) &&
              same(v1::OUTCOME_UNKNOWN, Outcome::kUnknown, 1) &&
              v1::Outcome_MAX == last(Outcome::kCount) + 1);
static_assert(same(v1::ABORT_REASON_UNSPECIFIED, AbortReason::kNone, 0) &&
              same(v1::ABORT_REASON_NO_SLOT, AbortReason::kNoSlot, 0) &&
              same(v1::ABORT_REASON_STILL_MAPPED, AbortReason::kStillMapped, 0) &&
              same(v1::ABORT_REASON_REFERENCED, AbortReason::kReferenced, 0) &&
              same(v1::ABORT_REASON_DIRTIED, AbortReason::kDirtied, 0) &&
              same(v1::ABORT_REASON_WRITE_REFUSED, AbortReason::kWriteRefused, 0) &&
              same(v1::ABORT_REASON_WRITE_ERROR, AbortReason::kWriteError, 0) &&
              same(v1::ABORT_REASON_EXTRA_REFERENCE, AbortReason::kExtraReference, 0) &&
              same(v1::ABORT_REASON_SPLIT, AbortReason::kSplit, 0) &&
              same(v1::ABORT_REASON_SLOT_GONE, AbortReason::kSlotGone, 0) &&
              v1::AbortReason_MAX == last(AbortReason::kCount));
static_assert(same(v1::INCOMPLETE_REASON_UNSPECIFIED, IncompleteReason::kNone, 0) &&
              same(v1::INCOMPLETE_REASON_BEFORE_ATTACH, IncompleteReason::kBeforeAttach, 0) &&
              same(v1::INCOMPLETE_REASON_DROPPED, IncompleteReason::kDropped, 0) &&
              same(v1::INCOMPLETE_REASON_NOT_HOOKED, IncompleteReason::kNotHooked, 0) &&
              same(v1::INCOMPLETE_REASON_TABLE_FULL, IncompleteReason::kTableFull, 0) &&
              same(v1::INCOMPLETE_REASON_ENDED, IncompleteReason::kEnded, 0) &&
              v1::IncompleteReason_MAX == last(IncompleteReason::kCount));
static_assert(same(v1::WAITING_WRITEBACK, Waiting::kWriteback, 0) &&
              same(v1::WAITING_SECOND_PASS, Waiting::kSecondPass, 0) &&
              v1::Waiting_MAX == last(Waiting::kCount));
static_assert(same(v1::STAGE_ISOLATED, Stage::kIsolated, 1) &&
              same(v1::STAGE_SLOT_ALLOCATED, Stage::kSlotAllocated, 1) &&
              same(v1::STAGE_UNMAPPED, Stage::kUnmapped, 1) &&
              same(v1::STAGE_WRITE_BEGIN, Stage::kWriteBegin, 1) &&
              same(v1::STAGE_WRITE_ISSUED, Stage::kWriteIssued, 1) &&
              same(v1::STAGE_WRITE_END, Stage::kWriteEnd, 1) &&
              same(v1::STAGE_WRITE_COMPLETED, Stage::kWriteCompleted, 1) &&
              same(v1::STAGE_REMOVED, Stage::kRemoved, 1) &&
              v1::Stage_MAX == last(Stage::kCount) + 1);
static_assert(same(v1::RETURN_HOW_SWAPPED_IN, ReturnHow::kSwappedIn, 1) &&
              same(v1::RETURN_HOW_SLOT_FREED, ReturnHow::kSlotFreed, 1) &&
              same(v1::RETURN_HOW_SWAPOFF, ReturnHow::kSwapoff, 1) &&
              same(v1::RETURN_HOW_READ_ERROR, ReturnHow::kReadError, 1) &&
              same(v1::RETURN_HOW_NO_MEMORY, ReturnHow::kNoMemory, 1) &&
              v1::ReturnHow_MAX == last(ReturnHow::kCount) + 1);
static_assert(same(v1::STAY_CHANGE_ZSWAP_WRITEBACK, StayChange::kZswapWriteback, 1) &&
              same(v1::STAY_CHANGE_READAHEAD_DROPPED, StayChange::kReadaheadDropped, 1) &&
              v1::StayChange_MAX == last(StayChange::kCount) + 1);
static_assert(same(v1::LATENCY_SPAN_ISOLATED_TO_SLOT, Latency::kIsolatedToSlot, 1) &&
              same(v1::LATENCY_SPAN_SLOT_TO_UNMAPPED, Latency::kSlotToUnmapped, 1) &&
              same(v1::LATENCY_SPAN_UNMAPPED_TO_WRITE, Latency::kUnmappedToWrite, 1) &&
              same(v1::LATENCY_SPAN_DEVICE_WRITE, Latency::kDeviceWrite, 1) &&
              same(v1::LATENCY_SPAN_COMPLETED_TO_REMOVED, Latency::kCompletedToRemoved, 1) &&
              same(v1::LATENCY_SPAN_ISOLATED_TO_REMOVED, Latency::kIsolatedToRemoved, 1) &&
              same(v1::LATENCY_SPAN_FAULT, Latency::kFault, 1) &&
              same(v1::LATENCY_SPAN_TIME_IN_SWAP, Latency::kTimeInSwap, 1) &&
              v1::LatencySpan_MAX == last(Latency::kCount) + 1);
static_assert(same(v1::ORIGIN_KSWAPD, SWAPTRAIL_ORIGIN_KSWAPD, 0) &&
              same(v1::ORIGIN_DIRECT, SWAPTRAIL_ORIGIN_DIRECT, 0) &&
              same(v1::ORIGIN_MEMCG_LIMIT, SWAPTRAIL_ORIGIN_MEMCG_LIMIT, 0) &&
              same(v1::ORIGIN_PROACTIVE, SWAPTRAIL_ORIGIN_PROACTIVE, 0) &&
              same(v1::ORIGIN_NODE, SWAPTRAIL_ORIGIN_NODE, 0) &&
              same(v1::ORIGIN_PAGEOUT, SWAPTRAIL_ORIGIN_PAGEOUT, 0) &&
              same(v1::ORIGIN_DAMON, SWAPTRAIL_ORIGIN_DAMON, 0) &&
              same(v1::ORIGIN_HIBERNATION, SWAPTRAIL_ORIGIN_HIBERNATION, 0) &&
              same(v1::ORIGIN_MEMCG, SWAPTRAIL_ORIGIN_MEMCG, 0) &&
              same(v1::ORIGIN_UNKNOWN, SWAPTRAIL_ORIGIN_UNKNOWN, 0) &&
              same(v1::ORIGIN_LRU_GEN, SWAPTRAIL_ORIGIN_LRU_GEN, 0) &&
              v1::Origin_MAX == last(SWAPTRAIL_ORIGIN_END));
static_assert(same(v1::BACKEND_NONE, SWAPTRAIL_BACKEND_NONE, 0) &&
              same(v1::BACKEND_DEVICE, SWAPTRAIL_BACKEND_DEVICE, 0) &&
              same(v1::BACKEND_ZSWAP, SWAPTRAIL_BACKEND_ZSWAP, 0) &&
              same(v1::BACKEND_ZERO, SWAPTRAIL_BACKEND_ZERO, 0) &&
              v1::Backend_MAX == last(SWAPTRAIL_BACKEND_END));

template <typename Proto, typename Ours>
Proto shifted(Ours value, int by) {
  return static_cast<Proto>(static_cast<int>(value) + by);
}

// Unspecified and unknown values have no place in a request.
bool is_between(int value, int first, int last) { return value >= first && value <= last; }

}  // namespace

v1::Outcome to_proto(Outcome outcome) { return shifted<v1::Outcome>(outcome, 1); }
v1::AbortReason to_proto(AbortReason reason) { return shifted<v1::AbortReason>(reason, 0); }
v1::IncompleteReason to_proto(IncompleteReason reason) {
  return shifted<v1::IncompleteReason>(reason, 0);
}
v1::Waiting to_proto(Waiting waiting) { return shifted<v1::Waiting>(waiting, 0); }
v1::Stage to_proto(Stage stage) { return shifted<v1::Stage>(stage, 1); }
v1::ReturnHow to_proto(ReturnHow how) { return shifted<v1::ReturnHow>(how, 1); }
v1::StayChange to_proto(StayChange change) { return shifted<v1::StayChange>(change, 1); }
v1::LatencySpan to_proto(Latency span) { return shifted<v1::LatencySpan>(span, 1); }
v1::Origin origin_to_proto(uint8_t origin) { return shifted<v1::Origin>(origin, 0); }
v1::Backend backend_to_proto(uint8_t backend) { return shifted<v1::Backend>(backend, 0); }

std::optional<Outcome> outcome_of(int value) {
  if (!is_between(value, 1, v1::Outcome_MAX)) return std::nullopt;
  return static_cast<Outcome>(value - 1);
}
std::optional<uint8_t> origin_of(int value) {
  if (!is_between(value, 1, v1::Origin_MAX)) return std::nullopt;
  return static_cast<uint8_t>(value);
}
std::optional<Latency> latency_of(int value) {
  if (!is_between(value, 1, v1::LatencySpan_MAX)) return std::nullopt;
  return static_cast<Latency>(value - 1);
}

const std::string& Converter::cgroup_path(uint64_t id) {
  const auto found = paths_.find(id);
  if (found != paths_.end()) return found->second;
  const std::optional<std::string> path =
      look_ ? cgroups_.path_of(id, moment_.now_ns()) : cgroups_.known_path(id);
  return paths_.emplace(id, path ? utf8(*path) : std::string()).first->second;
}

void Converter::put_cgroup(uint64_t id, v1::Cgroup& out) {
  out.set_id(id);
  out.set_path(cgroup_path(id));
}

void Converter::put_process(uint32_t tgid, const Comm& comm, v1::Process& out) {
  out.set_pid(tgid);
  out.set_comm(utf8(comm_text(comm)));
}

std::string Converter::area_path(uint32_t type, uint64_t at_ns) const {
  const AreaInstance* area = areas_->find(type, at_ns);
  return area == nullptr ? std::string() : utf8(area->seen.area.path);
}

void Converter::put_entry(uint64_t entry, uint32_t generation, uint64_t at_ns,
                          v1::SwapEntry& out) const {
  out.set_type(entry_type(entry));
  out.set_offset(entry_offset(entry));
  out.set_generation(generation);
  out.set_area(area_path(entry_type(entry), at_ns));
}

std::optional<uint64_t> Converter::pfn_of(uint64_t folio) const {
  return frames_ && folio != 0 ? frames_->number_of(folio) : std::nullopt;
}

void Converter::put(const Reclaimer& reclaimer, v1::Reclaimer& out) {
  put_process(reclaimer.tgid, reclaimer.comm, *out.mutable_process());
  out.set_tid(reclaimer.tid);
  out.set_origin(origin_to_proto(reclaimer.origin));
  if (reclaimer.cgroup != 0) put_cgroup(reclaimer.cgroup, *out.mutable_cgroup());
}

// Those behind the last that is not empty are not there.
void Converter::put_mappings(const Lifecycle& lifecycle, v1::Lifecycle& out) {
  constexpr Mapping kEmpty{};
  const auto is_there = [&](const Mapping& mapping) {
    return std::memcmp(&mapping, &kEmpty, sizeof kEmpty) != 0;
  };
  size_t kept = kMaxMappings;
  while (kept > 0 && !is_there(lifecycle.mappings[kept - 1])) --kept;
  for (size_t at = 0; at < kept; ++at) {
    const Mapping& mapping = lifecycle.mappings[at];
    v1::Mapping& told = *out.add_mappings();
    put_process(mapping.tgid, mapping.comm, *told.mutable_process());
    told.set_address(mapping.address);
    told.set_first_page(mapping.first_page);
    if (mapping.ptes != SWAPTRAIL_NOT_COUNTED) told.set_ptes(mapping.ptes);
  }
  out.set_mapping_count(lifecycle.mapping_count);
}

void Converter::put_times(const Lifecycle& lifecycle, v1::Lifecycle& out) const {
  if (lifecycle.closed_ns != 0) *out.mutable_closed() = moment_.wall(lifecycle.closed_ns);
  std::vector<std::pair<uint64_t, Stage>> seen;
  for (size_t at = 0; at < kStageCount; ++at) {
    if (lifecycle.stage_ns[at] != 0) {
      seen.emplace_back(lifecycle.stage_ns[at], static_cast<Stage>(at));
    }
  }
  std::ranges::sort(seen);
  for (const auto& [time_ns, stage] : seen) {
    v1::StageTime& told = *out.add_stages();
    told.set_stage(to_proto(stage));
    told.set_monotonic_ns(time_ns);
  }
}

void Converter::put(const Lifecycle& lifecycle, v1::Lifecycle& out) {
  out.set_id(lifecycle.id);
  out.set_outcome(to_proto(lifecycle.outcome));
  out.set_abort_reason(to_proto(lifecycle.abort_reason));
  out.set_kept_because(to_proto(lifecycle.kept_because));
  out.set_incomplete(to_proto(lifecycle.incomplete));
  out.set_backend(backend_to_proto(lifecycle.backend));
  out.set_waiting_for(to_proto(lifecycle.waiting_for));
  put_times(lifecycle, out);
  if (const auto pfn = pfn_of(lifecycle.folio)) out.set_pfn(*pfn);
  out.set_nr_pages(lifecycle.nr_pages);
  if (lifecycle.entry != 0) {
    put_entry(lifecycle.entry, lifecycle.generation, slot_time_ns(lifecycle), *out.mutable_entry());
  }
  if (lifecycle.cgroup != 0) put_cgroup(lifecycle.cgroup, *out.mutable_cgroup());
  if (lifecycle.object.inode != 0) put_object(lifecycle.object, *out.mutable_object());
  put_mappings(lifecycle, out);
  put(lifecycle.first, *out.mutable_first_reclaimer());
  put(lifecycle.last, *out.mutable_last_reclaimer());
  out.set_passes(lifecycle.passes);
  out.set_shmem(lifecycle.shmem);
  out.set_ksm(lifecycle.ksm);
  out.set_rewritten(lifecycle.rewritten);
  out.set_fallback_from(lifecycle.fallback_from);
  out.set_readahead(lifecycle.readahead);
  out.set_owner_guessed(lifecycle.owner_guessed);
  out.set_overlapped_loss(lifecycle.overlapped_loss);
}

void Converter::put(const Return& entry_return, v1::Return& out) {
  out.set_how(to_proto(entry_return.how));
  *out.mutable_time() = moment_.wall(entry_return.time_ns);
  if (entry_return.after_ns != 0) out.set_after_ns(entry_return.after_ns);
  if (entry_return.fault_ns != 0) out.set_fault_ns(entry_return.fault_ns);
  out.set_major(entry_return.major);
  put_process(entry_return.tgid, entry_return.comm, *out.mutable_process());
  out.set_address(entry_return.address);
  out.set_nr_pages(entry_return.nr_pages);
  out.set_tid(entry_return.tid);
  out.set_owner_pid(entry_return.owner_tgid);
  if (entry_return.reader_cgroup != 0) {
    put_cgroup(entry_return.reader_cgroup, *out.mutable_reader_cgroup());
  }
  out.set_mapped_pages(entry_return.mapped_pages);
  out.set_passes(entry_return.passes);
  out.set_shmem(entry_return.shmem);
  out.set_backend(backend_to_proto(entry_return.backend));
  if (entry_return.entry != 0) {
    put_entry(entry_return.entry, entry_return.generation, entry_return.time_ns,
              *out.mutable_entry());
  }
}

void Converter::put(const Stay& stay, v1::Stay& out) const {
  out.set_change(to_proto(stay.change));
  *out.mutable_time() = moment_.wall(stay.time_ns);
  put_entry(stay.entry, 0, stay.time_ns, *out.mutable_entry());
  out.set_nr_pages(stay.nr_pages);
}

void Converter::put_object(const SharedObject& object, v1::SharedObject& out) {
  out.set_device(absl::StrCat(device_major(object.device), ":", device_minor(object.device)));
  out.set_inode(object.inode);
  out.set_index(object.index);
}

void Converter::put_notes(const store::NoteChain& chain, v1::Lifecycle& out) {
  for (auto note = chain.notes.rbegin(); note != chain.notes.rend(); ++note) {
    if (note->back) put(*note->back, *out.add_later());
    if (note->stay) put(*note->stay, *out.add_stays());
  }
  out.set_later_cut(chain.more);
}

void Converter::put(const store::StoredLifecycle& stored, v1::Lifecycle& out) {
  put(stored.lifecycle, out);
  if (stored.first_return) put(*stored.first_return, *out.mutable_returned());
  out.set_gone_pages(stored.back.gone_pages);
  put_notes(stored.notes, out);
  out.set_regretted(stored.back.regretted_pages != 0);
}

void Converter::put(const Violation& violation, v1::Violation& out) {
  out.set_rule(utf8(violation.rule));
  out.set_text(utf8(violation.text));
  *out.mutable_time() = moment_.wall(violation.time_ns);
  out.set_lifecycle_id(violation.lifecycle_id);
  if (violation.entry != 0) {
    put_entry(violation.entry, 0, violation.time_ns, *out.mutable_entry());
  }
  if (const auto pfn = pfn_of(violation.folio)) out.set_pfn(*pfn);
}

}  // namespace swaptrail::api
