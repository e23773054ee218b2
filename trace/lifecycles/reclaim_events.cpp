// What shrink_folio_list (mm/vmscan.c) does to a folio on its way out.
#include <algorithm>
#include <cstring>

#include "trace/lifecycles/reconstructor_impl.h"

namespace swaptrail::lifecycles {
namespace {

constexpr int kWritepageActivate = 0x80000;  // AOP_WRITEPAGE_ACTIVATE, include/linux/fs.h

void set_stage(Attempt& attempt, Stage stage, uint64_t time_ns) {
  attempt.life.stage_ns[static_cast<size_t>(stage)] = time_ns;
}

// Every kind has u.page.cgroup, except those of reclaim batches and of mappings.
void learn_cgroup(Attempt& attempt, uint64_t cgroup) {
  if (cgroup != 0) attempt.life.cgroup = cgroup;
}

void add_mapping(Lifecycle& life, const Event& event) {
  if (life.mapping_count < kMaxMappings) {
    Mapping& mapping = life.mappings[life.mapping_count];
    mapping.address = event.u.map.address;
    mapping.tgid = event.u.map.owner;
    mapping.first_page = event.u.map.first_page;
    mapping.ptes = event.u.map.ptes;
    std::memcpy(mapping.comm.data(), event.u.map.comm, SWAPTRAIL_COMM_LEN);
  }
  ++life.mapping_count;
}

// The programs report "the zero map" or "nowhere" for a write in which no other backend's program
// ran, except if they saw the page leave the cache. A skipped run may be the one that they did not
// see.
bool is_guess(const Attempt& attempt, uint8_t backend, const Sight& sight) {
  const bool by_elimination = backend == SWAPTRAIL_BACKEND_ZERO ||
                              (backend == SWAPTRAIL_BACKEND_NONE && !attempt.cache_left);
  return by_elimination && !sight.tracepoints() && sight.write_torn(attempt);
}

// The result of swap_writepage (mm/page_io.c), classified.
void take_write_result(Attempt& attempt, const Event& event, const Sight& sight) {
  attempt.refused = event.result == kWritepageActivate;
  if (attempt.refused) {
    attempt.life.backend = SWAPTRAIL_BACKEND_NONE;
    return;
  }
  const bool dirty = event.state & SWAPTRAIL_STATE_DIRTY;
  const bool writeback = event.state & SWAPTRAIL_STATE_WRITEBACK;
  if (event.result < 0) {
    attempt.write_failed = true;
    attempt.life.backend = SWAPTRAIL_BACKEND_NONE;
    return;
  }
  uint8_t backend = static_cast<uint8_t>(event.u.page.backend);
  const bool guess = is_guess(attempt, backend, sight);
  if (guess) backend = SWAPTRAIL_BACKEND_UNKNOWN;
  const bool taken = backend != SWAPTRAIL_BACKEND_NONE && backend != SWAPTRAIL_BACKEND_UNKNOWN;
  const bool left_dirty = dirty && !writeback && !guess;  // after a guess it would mean nothing
  attempt.no_user = backend == SWAPTRAIL_BACKEND_NONE || (left_dirty && !taken);
  if (backend == SWAPTRAIL_BACKEND_NONE) attempt.life.backend = backend;
  if (attempt.no_user || attempt.write_failed) return;
  if (backend == SWAPTRAIL_BACKEND_UNKNOWN && writeback) backend = SWAPTRAIL_BACKEND_DEVICE;
  if (backend == SWAPTRAIL_BACKEND_UNKNOWN) backend = joined_backend(attempt, sight);
  attempt.life.backend = backend;
  attempt.written = true;
  attempt.writeback_left = writeback;
  // The folio was unlocked inside, so somebody may have dirtied it since. A write that failed on
  // the device looks the same if no hook reports its completion.
  const bool completion_hidden =
      backend == SWAPTRAIL_BACKEND_DEVICE && !sight.sees(SWAPTRAIL_WRITE_COMPLETED);
  attempt.write_failed = left_dirty && completion_hidden;
  attempt.dirtied_after = left_dirty;
}

}  // namespace

void Reconstructor::Impl::on_slot_allocated(const Event& event) {
  if (event.result == 0) counters.slot_changes += pages_of(event);
  const uint32_t batch = batch_of(event);
  uint32_t index = attempts.find(event.folio);
  if (index != kNoIndex) index = end_older_pass(index, event);
  if (index != kNoIndex && attempts.at(index).life.entry != 0) {
    supersede(index, Rule::kSlotAllocatedTwice, event);
    index = kNoIndex;
  }
  if (index == kNoIndex) index = begin(event, batch);
  if (index == kNoIndex) return;
  touch(index, event, batch);
  Attempt& attempt = attempts.at(index);
  // shrink_folio_list (mm/vmscan.c) splits a large folio without room, and tries again with its first page.
  const bool smaller = attempt.slot_failed && pages_of(event) < attempt.life.nr_pages;
  if (smaller) attempt.life.fallback_from = attempt.life.nr_pages;
  attempt.life.nr_pages = static_cast<uint16_t>(pages_of(event));
  attempt.life.sample_shift = sample_shift_of(event.state);
  learn_cgroup(attempt, event.u.page.cgroup);
  attempt.slot_failed = event.result != 0 || event.entry == 0;
  if (attempt.slot_failed) return;
  attempt.slot = SlotOrigin::kAllocated;
  attempt.life.entry = event.entry;
  sight_.shmem_slots |= attempt.life.shmem;
  set_stage(attempt, Stage::kSlotAllocated, event.time_ns);
  claim_slots(index, Claim::kAllocated);
}

void Reconstructor::Impl::on_unmapped_one(const Event& event) {
  const uint32_t index = attempt_for(event);
  if (index == kNoIndex) return;
  Attempt& attempt = attempts.at(index);
  attempt.confirmed = true;
  add_mapping(attempt.life, event);
  learn_cgroup(attempt, event.u.map.value);
  const bool guessed = event.state & SWAPTRAIL_STATE_OWNER_GUESSED;
  attempt.life.owner_guessed |= guessed;
  // A guess is made at the write, so its time is not the time of the unmapping.
  if (!guessed && !sight_.sees(SWAPTRAIL_UNMAPPED))
    set_stage(attempt, Stage::kUnmapped, event.time_ns);
}

void Reconstructor::Impl::on_unmapped(const Event& event) {
  const uint32_t index = attempt_for(event);
  if (index == kNoIndex) return;
  Attempt& attempt = attempts.at(index);
  learn_cgroup(attempt, event.u.page.cgroup);
  attempt.still_mapped = event.state & SWAPTRAIL_STATE_MAPPED;
  if (attempt.still_mapped) return;
  attempt.unmapped = true;
  set_stage(attempt, Stage::kUnmapped, event.time_ns);
}

void Reconstructor::Impl::on_write_begin(const Event& event) {
  const uint32_t index = attempt_for(event);
  if (index == kNoIndex) return;
  Attempt& attempt = attempts.at(index);
  check_write(attempt, event);
  start_write(attempt, event);
}

// A write begins: what an older write of the same page left no longer counts.
void Reconstructor::Impl::start_write(Attempt& attempt, const Event& event) {
  const bool fresh =
      attempt.slot == SlotOrigin::kAllocated || attempt.slot == SlotOrigin::kInferred;
  if (attempt.write_seen() || !fresh) attempt.life.rewritten = true;
  for (Stage stage : {Stage::kWriteIssued, Stage::kWriteEnd, Stage::kWriteCompleted}) {
    set_stage(attempt, stage, 0);
  }
  set_stage(attempt, Stage::kWriteBegin, event.time_ns);
  learn_cgroup(attempt, event.u.page.cgroup);
  attempt.life.backend = SWAPTRAIL_BACKEND_UNKNOWN;
  attempt.written = attempt.refused = attempt.write_failed = attempt.no_user = false;
  attempt.zswap_stored = attempt.writeback_left = attempt.dirtied_after = false;
  attempt.writer_tid = event.tid;
  if (event.u.page.inode == 0 || event.u.page.inode == SWAPTRAIL_INODE_UNKNOWN) return;
  attempt.life.object = {event.u.page.inode, event.u.page.index, event.u.page.device};
}

void Reconstructor::Impl::check_write(const Attempt& attempt, const Event& event) {
  const bool cached = event.state & SWAPTRAIL_STATE_SWAPCACHE;
  if (!cached || (event.entry == 0 && attempt.life.entry == 0)) {
    violate(Rule::kWriteBeforeSlot, attempt, event.time_ns);
  }
  if (attempt.still_mapped) violate(Rule::kWriteWhileMapped, attempt, event.time_ns);
}

// The attempt whose write the event describes, or kNoIndex.
uint32_t Reconstructor::Impl::written_attempt(const Event& event) {
  uint32_t index = attempts.find(event.folio);
  if (index != kNoIndex && event.batch_ns != 0) index = end_older_pass(index, event);
  if (index == kNoIndex || event.entry == 0) return index;
  const uint64_t entry = attempts.at(index).life.entry;
  if (entry == 0 || entry == event.entry) return index;
  supersede(index, Rule::kEntryChanged, event);
  return kNoIndex;
}

void Reconstructor::Impl::on_zswap_stored(const Event& event) {
  const uint32_t index = written_attempt(event);
  if (index == kNoIndex || event.result != 0) return;
  Attempt& attempt = attempts.at(index);
  note(attempt, event);
  attempt.zswap_stored = true;
  if (attempt.life.at(Stage::kWriteEnd) == 0) attempt.life.backend = SWAPTRAIL_BACKEND_ZSWAP;
}

void Reconstructor::Impl::on_write_issued(const Event& event) {
  const uint32_t index = tracepoint_mode() ? attempt_for(event) : written_attempt(event);
  // Inside swap_writepage: a folio that found no room in our table, not a write of zswap's own.
  const bool of_write = event.u.page.backend == SWAPTRAIL_BACKEND_DEVICE;
  if (index == kNoIndex && (of_write || tracepoint_mode())) return;
  if (index == kNoIndex) return on_zswap_writeback(event);
  Attempt& attempt = attempts.at(index);
  note(attempt, event);
  infer_slot(index, event);
  set_stage(attempt, Stage::kWriteIssued, event.time_ns);
  attempt.life.backend = SWAPTRAIL_BACKEND_DEVICE;
  attempt.writer_tid = event.tid;
}

void Reconstructor::Impl::on_write_end(const Event& event) {
  const uint32_t index = attempt_for(event);
  if (index == kNoIndex) return;
  Attempt& attempt = attempts.at(index);
  attempt.confirmed = true;
  learn_cgroup(attempt, event.u.page.cgroup);
  set_stage(attempt, Stage::kWriteEnd, event.time_ns);
  attempt.writer_tid = event.tid;
  take_write_result(attempt, event, sight_);
  // Without a batch nobody reports its end (a driver's shrinker that writes shmem).
  const bool over = attempt.no_user || attempt.refused || attempt.write_failed;
  const bool outside = event.batch_ns == 0 && event.origin == SWAPTRAIL_ORIGIN_NONE;
  if (over && (outside || !has_batches())) settle(index, Batch{}, event.time_ns);
}

// Comes from any context, also an interrupt: its thread says nothing about the page.
void Reconstructor::Impl::on_write_completed(const Event& event) {
  const uint32_t index = attempts.find(event.folio);
  if (index == kNoIndex) return;
  Attempt& attempt = attempts.at(index);
  const bool other = event.entry != 0 && attempt.life.entry != event.entry;
  if (other || !attempt.write_seen()) return;
  set_stage(attempt, Stage::kWriteCompleted, event.time_ns);
  if (!(event.state & SWAPTRAIL_STATE_DIRTY)) return;
  attempt.write_failed = true;
  if (attempt.batch != kNoIndex) return;  // its batch closes it
  close(index, aborted(attempt, AbortReason::kWriteError, sight_), event.time_ns);
}

void Reconstructor::Impl::on_removed(const Event& event) {
  if (on_unused_copy(event)) return;
  const uint32_t index = attempt_for(event);
  if (index == kNoIndex) {
    if (event.result != 1) return;
    ++counters.not_followed;
    counters.not_followed_pages += pages_of(event);
    return;
  }
  Attempt& attempt = attempts.at(index);
  learn_cgroup(attempt, event.u.page.cgroup);
  if (event.result != 1) {
    attempt.remove_failed = true;
    attempt.remove_dirty = event.state & SWAPTRAIL_STATE_DIRTY;
    return;
  }
  check_removed(attempt, event);
  // WRITE_END was lost: the events between say where the write went.
  if (attempt.write_seen() && attempt.life.at(Stage::kWriteEnd) == 0) {
    attempt.life.backend = joined_backend(attempt, sight_);
  }
  set_stage(attempt, Stage::kRemoved, event.time_ns);
  close_freed(index, event.time_ns);
}

void Reconstructor::Impl::check_removed(const Attempt& attempt, const Event& event) {
  if (attempt.still_mapped) violate(Rule::kRemovedWhileMapped, attempt, event.time_ns);
  if (event.state & SWAPTRAIL_STATE_WRITEBACK) {
    violate(Rule::kRemovedUnderWriteback, attempt, event.time_ns);
  }
}

void Reconstructor::Impl::on_split(const Event& event) {
  const uint32_t index = attempts.find(event.folio);
  if (index == kNoIndex || event.result < 0) return;
  const Attempt whole = attempts.at(index);
  const uint32_t piece_pages = pages_of(event);
  if (whole.life.entry == 0 || piece_pages >= whole.life.nr_pages) return;
  close(index, aborted(whole, AbortReason::kSplit, sight_), event.time_ns);
  for (uint32_t page = 0; page < whole.life.nr_pages; page += piece_pages) {
    split_off(whole, event, page);
  }
}

// One piece of a split folio goes on where the whole was.
void Reconstructor::Impl::split_off(const Attempt& whole, const Event& event, uint32_t page) {
  const uint64_t folio = whole.life.folio + uint64_t{page} * options_.page_struct_size;
  const uint32_t stale = attempts.find(folio);
  if (stale != kNoIndex) supersede(stale, Rule::kEntryChanged, event);
  const uint32_t index = room_for(folio, event.time_ns);
  if (index == kNoIndex) {
    ++counters.attempts_full;
    return;
  }
  Attempt& piece = attempts.at(index);
  piece = whole;
  piece.waits = false;
  piece.live = piece.keyed = true;
  piece.last_event_ns = event.time_ns;
  piece.in_batch = piece.in_leaving = piece.in_waiting = Link{};
  piece.leaving_ns = 0;
  piece.cache_left = piece.removing = false;
  Lifecycle& life = piece.life;
  life.id = next_id_++;
  life.folio = folio;
  life.entry = whole.life.entry + page;
  life.nr_pages = static_cast<uint16_t>(pages_of(event));
  for (Mapping& mapping : life.mappings) {
    const uint32_t covered =
        mapping.ptes == SWAPTRAIL_NOT_COUNTED ? whole.life.nr_pages : mapping.ptes;
    if (mapping.address == 0 || page < mapping.first_page) continue;
    if (page - mapping.first_page >= covered) continue;
    mapping.address += uint64_t{page - mapping.first_page} * options_.page_size;
    mapping.first_page = 0;
    mapping.ptes = life.nr_pages;
  }
  if (whole.batch != kNoIndex) {
    batches_.at(whole.batch).touched.append(attempts.pool(), index);
  } else {
    wait_for_pass(index);
  }
  claim_slots(index, Claim::kKept);
}

// Tracepoint mode: the page went to the page allocator. In reclaim that is its removal; anywhere
// else its owner let go of it.
void Reconstructor::Impl::on_page_freed(const Event& event) {
  const uint32_t index = attempts.find(event.folio);
  if (index == kNoIndex) return;
  Attempt& attempt = attempts.at(index);
  if (!attempt.confirmed) return discard(index);
  if (!has_batches()) touch(index, event, kNoIndex);
  const bool in_reclaim =
      event.batch_ns != 0 || (event.tid != 0 && event.tid == attempt.writer_tid);
  if (!in_reclaim) {
    close(index, aborted(attempt, AbortReason::kSlotGone, sight_), event.time_ns);
  } else if (sight_.sees(SWAPTRAIL_REMOVED)) {
    close(index, unknown(attempt, IncompleteReason::kDropped, sight_), event.time_ns);
  } else {
    set_stage(attempt, Stage::kRemoved, event.time_ns);
    close_freed(index, event.time_ns);
  }
}

}  // namespace swaptrail::lifecycles
