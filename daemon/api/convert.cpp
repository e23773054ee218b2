#include "daemon/api/convert.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "trace/decode.h"
#include "trace/lifecycles/slot_time.h"
#include "trace/utf8.h"

namespace swaptrail::api {

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
  const host::AreaInstance* area = areas_->find(type, at_ns);
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

// Mappings after the last one that is not empty do not exist.
void Converter::put_mappings(const Lifecycle& lifecycle, v1::Lifecycle& out) {
  constexpr Mapping kEmpty{};
  const auto is_there = [&](const Mapping& mapping) {
    return std::memcmp(&mapping, &kEmpty, sizeof kEmpty) != 0;
  };
  size_t kept = kMaxMappings;
  while (kept > 0 && !is_there(lifecycle.mappings[kept - 1])) --kept;
  for (size_t at = 0; at < kept; ++at) {
    const Mapping& mapping = lifecycle.mappings[at];
    v1::Mapping& added = *out.add_mappings();
    put_process(mapping.tgid, mapping.comm, *added.mutable_process());
    added.set_address(mapping.address);
    added.set_first_page(mapping.first_page);
    if (mapping.ptes != SWAPTRAIL_NOT_COUNTED) added.set_ptes(mapping.ptes);
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
    v1::StageTime& added = *out.add_stages();
    added.set_stage(to_proto(stage));
    added.set_monotonic_ns(time_ns);
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
    put_entry(lifecycle.entry, lifecycle.generation, lifecycles::slot_time_ns(lifecycle),
              *out.mutable_entry());
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
  if (lifecycle.weight() != 1) out.set_weight(static_cast<uint32_t>(lifecycle.weight()));
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
