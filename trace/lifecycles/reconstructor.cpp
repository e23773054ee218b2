#include "trace/lifecycles/reconstructor.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "trace/decode.h"
#include "trace/lifecycles/reconstructor_impl.h"

namespace swaptrail::lifecycles {
namespace {

// A batch of 32 pages that is still running this long after the start did not begin before it.
constexpr uint64_t kLongestBatchNs = 10'000'000'000;

// The kinds that can be the first sign of a folio that is in no swap cache yet.
constexpr uint64_t kSlotlessBegin =
    kind_bit(SWAPTRAIL_SLOT_ALLOCATED) | kind_bit(SWAPTRAIL_WRITE_BEGIN) |
    kind_bit(SWAPTRAIL_WRITE_ISSUED) | kind_bit(SWAPTRAIL_WRITE_END);
constexpr uint64_t kUnmapKinds = kind_bit(SWAPTRAIL_UNMAPPED) | kind_bit(SWAPTRAIL_UNMAPPED_ONE);

bool is_shmem(const Event& event) {
  return (event.state & SWAPTRAIL_STATE_SWAPBACKED) && !(event.state & SWAPTRAIL_STATE_ANON);
}

}  // namespace

Reconstructor::Reconstructor(const ReconstructorOptions& options, LifecycleSink& sink)
    : impl_(std::make_unique<Impl>(options, sink)) {}
Reconstructor::~Reconstructor() = default;
void Reconstructor::on_event(const Event& event, uint64_t) { impl_->on_event(event); }
void Reconstructor::on_loss(const Loss& loss) { impl_->on_loss(loss); }
bool Reconstructor::has_due(uint64_t now_ns) const { return impl_->has_due(now_ns); }
void Reconstructor::on_time(uint64_t now_ns) { impl_->on_time(now_ns); }
void Reconstructor::finish(uint64_t now_ns) { impl_->finish(now_ns); }
size_t Reconstructor::live_attempts() const { return impl_->attempts.live(); }
size_t Reconstructor::swapped_folios() const { return impl_->swapped.live(); }
size_t Reconstructor::tracked_slots() const { return impl_->slots.tracked(); }
ReconstructorCounters Reconstructor::counters() const { return impl_->counters; }

Reconstructor::Impl::Impl(const ReconstructorOptions& options, LifecycleSink& sink)
    : attempts(options.max_attempts),
      swapped(options.max_swapped),
      slots(options.max_slots),
      options_(options),
      sink_(sink),
      batches_(std::max<size_t>(1, options.max_batches)),
      faults_(options.event_abi >= 2),
      visible_stages_(visible_stages(options.visible_kinds)) {
  sight_.visible_kinds = options.visible_kinds;
  sight_.may_miss = options.may_miss_silently;
  options_.page_struct_size = std::max(1u, options.page_struct_size);
}

void Reconstructor::Impl::on_event(const Event& raw) {
  ++counters.events;
  if (!is_valid_event(raw)) {
    ++counters.ignored;
    return;
  }
  on_time(raw.time_ns);
  dispatch(raw, *this);
}

void Reconstructor::Impl::ignore(const Event&) { ++counters.ignored; }

uint64_t Reconstructor::Impl::next_due_ns() const {
  return std::min({faults_.due_ns(), leaving_due_ns(), frees_due_ns()});
}

void Reconstructor::Impl::on_time(uint64_t now_ns) {
  if (now_ns <= due_ns_) return;
  settle_faults(now_ns);
  settle_leaving(now_ns);
  settle_frees(now_ns);
  due_ns_ = next_due_ns();
}

void Reconstructor::Impl::on_loss(const Loss& loss) {
  sight_.loss_until_ns = std::max(sight_.loss_until_ns, loss.to_ns);
  if (loss.is_of_runs()) sight_.skip_until_ns = std::max(sight_.skip_until_ns, loss.to_ns);
  ++losses_;
  sink_.on_loss(loss);
}

bool Reconstructor::Impl::is_swap_entry(uint64_t entry) const {
  return entry != 0 && entry_type(entry) < options_.max_swapfiles;
}

void Reconstructor::Impl::finish(uint64_t now_ns) {
  settle_faults(~uint64_t{0});
  settle_frees(~uint64_t{0});
  std::vector<std::pair<uint64_t, uint32_t>> open;
  open.reserve(attempts.live());
  for (uint32_t index = 0; index < attempts.pool().touched(); ++index) {
    const Attempt& attempt = attempts.at(index);
    if (attempt.live) open.emplace_back(attempt.life.id, index);
  }
  std::sort(open.begin(), open.end());
  for (const auto& [id, index] : open) {
    const Attempt& attempt = attempts.at(index);
    if (!attempt.confirmed) {
      discard(index);
    } else {
      close(index, judge_end(attempt, sight_), now_ns);
    }
  }
}

// --- batches ---

void Reconstructor::Impl::on_reclaim_begin(const Event& event) {
  const uint32_t before = batches_.find(event.tid);
  if (before != kNoIndex) end_batch(before, event.time_ns);
  Batch& batch = batches_.at(open_batch(event));
  if (batch.reclaimer.batch_ns == 0) batch.reclaimer.batch_ns = event.time_ns;
  batch.reclaimer.cgroup = event.u.begin.cgroup;
  std::memcpy(batch.reclaimer.comm.data(), event.u.begin.comm, SWAPTRAIL_COMM_LEN);
  batch.begin_seen = true;
  batch.may_writepage = event.u.begin.may_writepage != 0;
}

void Reconstructor::Impl::on_reclaim_end(const Event& event) {
  const uint32_t batch = batches_.find(event.tid);
  if (batch == kNoIndex) return;
  batches_.at(batch).may_have_activated = event.u.end.nr_activate != 0;
  end_batch(batch, event.time_ns);
}

uint32_t Reconstructor::Impl::open_batch(const Event& event) {
  uint32_t index = batches_.add(event.tid);
  if (index == kNoIndex) {
    ++counters.batches_full;
    end_batch(batches_.oldest(), event.time_ns);
    index = batches_.add(event.tid);
  }
  Reclaimer& reclaimer = batches_.at(index).reclaimer;
  reclaimer.batch_ns = event.batch_ns;
  reclaimer.tgid = event.tgid;
  reclaimer.origin = event.origin;
  return index;
}

// The batch of a folio's event: the running one of its thread, or a stand-in if RECLAIM_BEGIN was
// not seen.
uint32_t Reconstructor::Impl::batch_of(const Event& event) {
  if (!has_batches()) return kNoIndex;
  const uint32_t index = batches_.find(event.tid);
  if (index == kNoIndex) return open_batch(event);
  Batch& batch = batches_.at(index);
  if (batch.reclaimer.batch_ns == event.batch_ns) return index;
  if (batch.begin_seen && event.batch_ns == 0) {
    batch.unfollowed = true;
    return index;
  }
  end_batch(index, event.time_ns);
  return open_batch(event);
}

void Reconstructor::Impl::end_batch(uint32_t batch, uint64_t now_ns) {
  for (;;) {
    const uint32_t index = batches_.at(batch).touched.head();
    if (index == kNoIndex) break;
    settle(index, batches_.at(batch), now_ns);
  }
  batches_.remove(batch);
}

// What the end of its batch means for one attempt.
void Reconstructor::Impl::settle(uint32_t index, const Batch& batch, uint64_t now_ns) {
  Attempt& attempt = attempts.at(index);
  if (!attempt.confirmed) return discard(index);
  if (attempt.leaving_ns != 0 && !attempt.refaulted && !attempt.no_user) {
    return leave_batch(index);  // a fault may be going on: settle_leaving() ends it
  }
  const Judgement judgement = judge_batch_end(attempt, batch, sight_);
  if (judgement.outcome != Outcome::kInFlight) return close(index, judgement, now_ns);
  attempt.life.kept_because = judgement.abort_reason;
  leave_batch(index);
  wait_for_pass(index);
}

void Reconstructor::Impl::wait_for_pass(uint32_t index) {
  if (attempts.at(index).waits) return;
  attempts.at(index).waits = true;
  passed_.append(attempts.pool(), index);
}

void Reconstructor::Impl::end_wait(uint32_t index) {
  if (!attempts.at(index).waits) return;
  attempts.at(index).waits = false;
  passed_.remove(attempts.pool(), index);
}

// A new attempt. In a full table the attempt that has waited longest for its next pass makes room: a
// page that nobody maps any more may wait for ever. kNoIndex: none waits.
uint32_t Reconstructor::Impl::room_for(uint64_t folio, uint64_t now_ns) {
  uint32_t index = attempts.add(folio);
  if (index != kNoIndex || passed_.head() == kNoIndex) return index;
  ++counters.attempts_full;
  ++counters.not_followed;
  const uint32_t oldest = passed_.head();
  counters.not_followed_pages += attempts.at(oldest).life.nr_pages;
  close(oldest, {Outcome::kUnknown, AbortReason::kNone, IncompleteReason::kTableFull}, now_ns);
  return attempts.add(folio);
}

void Reconstructor::Impl::leave_batch(uint32_t index) {
  Attempt& attempt = attempts.at(index);
  if (attempt.batch == kNoIndex) return;
  batches_.at(attempt.batch).touched.remove(attempts.pool(), index);
  attempt.batch = kNoIndex;
}

// Without RECLAIM_END there are no batches: only the event itself can say who did it.
void Reconstructor::Impl::touch_alone(Attempt& attempt, const Event& event) {
  Lifecycle& life = attempt.life;
  life.passes = attempt.writeback_left && event.kind == SWAPTRAIL_PAGE_FREED ? 2 : 1;
  if (event.origin == SWAPTRAIL_ORIGIN_NONE) return;
  life.last.tid = event.tid;
  life.last.tgid = event.tgid;
  life.last.origin = event.origin;
  life.last.comm = Comm{};
  for (const Mapping& mapping : life.mappings)  // it may reclaim its own pages
    if (mapping.tgid == event.tgid) life.last.comm = mapping.comm;
  const bool names = event.kind == SWAPTRAIL_WRITE_END || event.kind == SWAPTRAIL_PAGE_FREED;
  if (names && tracepoint_mode() && event.u.page.comm[0] != 0)
    std::memcpy(life.last.comm.data(), event.u.page.comm, SWAPTRAIL_COMM_LEN);
  if (life.first.tgid == life.last.tgid) life.first.comm = life.last.comm;
  if (life.first.origin == SWAPTRAIL_ORIGIN_NONE) life.first = life.last;
}

void Reconstructor::Impl::touch(uint32_t index, const Event& event, uint32_t batch) {
  Attempt& attempt = attempts.at(index);
  note(attempt, event);
  if (batch == kNoIndex) return touch_alone(attempt, event);
  if (attempt.batch == batch) return;
  leave_batch(index);
  end_wait(index);
  batches_.at(batch).touched.append(attempts.pool(), index);
  attempt.batch = batch;
  attempt.life.last = batches_.at(batch).reclaimer;
  ++attempt.life.passes;
  check_pass(attempt, event);
}

// The programs report no removal or unmapping in a batch that they do not follow: one that began
// before they were attached or in a skipped run, or that found no room in their table.
void Reconstructor::Impl::check_pass(Attempt& attempt, const Event& event) {
  const Batch& batch = batches_.at(attempt.batch);
  const bool followed = batch.reclaimer.batch_ns != 0 && !batch.unfollowed;
  if (followed && batch.reclaimer.batch_ns >= options_.start_ns) return;
  const bool early = followed || event.time_ns < options_.start_ns + kLongestBatchNs;
  // shmem is written by drivers' shrinkers too, outside any batch.
  const bool outside = attempt.life.shmem && event.origin == SWAPTRAIL_ORIGIN_NONE;
  if (outside && !early && !batch.unfollowed) return;
  const bool skipped = !followed && !batch.unfollowed && sight_.skip_until_ns != 0 &&
                       event.time_ns < sight_.skip_until_ns + kLongestBatchNs;
  attempt.pass_hidden = true;
  if (skipped) {
    attempt.pass_skipped = true;
  } else if (early && !batch.unfollowed) {
    attempt.before_attach = true;
  } else {
    attempt.unfollowed = true;
  }
}

// --- attempts ---

uint32_t Reconstructor::Impl::attempt_for(const Event& event) {
  // Ends the thread's older batch first: it may close the very attempt that we look for.
  const uint32_t batch = batch_of(event);
  uint32_t index = live_attempt(event);
  if (index != kNoIndex) index = end_older_pass(index, event);
  if (index == kNoIndex) return begin(event, batch);
  if (restarts(attempts.at(index), event)) {
    restart(index, event);
    return begin(event, batch);
  }
  if (!tracepoint_mode()) infer_slot(index, event);
  touch(index, event, batch);
  return index;
}

uint32_t Reconstructor::Impl::live_attempt(const Event& event) {
  const uint32_t index = attempts.find(event.folio);
  if (index == kNoIndex) return migrated_attempt(event);
  const uint64_t entry = attempts.at(index).life.entry;
  if (event.entry == 0 || entry == 0 || entry == event.entry) return index;
  supersede(index, Rule::kEntryChanged, event);
  return migrated_attempt(event);
}

// A folio that waits in the swap cache can be moved by compaction (mm/migrate.c:
// folio_migrate_mapping): it keeps its slot, and gets another address.
uint32_t Reconstructor::Impl::migrated_attempt(const Event& event) {
  if (event.entry == 0 || event.kind == SWAPTRAIL_SLOT_ALLOCATED) return kNoIndex;
  const Slot* slot = slots.find(event.entry);
  if (slot == nullptr || slot->attempt == kNoIndex) return kNoIndex;
  const Attempt& attempt = attempts.at(slot->attempt);
  const bool waits = attempt.batch == kNoIndex && attempt.leaving_ns == 0;
  if (!waits || attempt.life.entry != event.entry) return kNoIndex;
  const uint32_t index = slot->attempt;
  // Or it is another page, and we missed how the slot was freed.
  if (sight_.hides_removal(attempt) || !sight_.whole()) {
    supersede(index, Rule::kEntryChanged, event);
    return kNoIndex;
  }
  attempts.rekey(index, event.folio);
  return index;
}

// A folio is in one batch at a time: if another batch has it, the previous one is done with it.
// kNoIndex: it was given up there.
uint32_t Reconstructor::Impl::end_older_pass(uint32_t index, const Event& event) {
  const uint32_t batch = attempts.at(index).batch;
  if (batch == kNoIndex) return index;
  const Reclaimer& reclaimer = batches_.at(batch).reclaimer;
  const bool same_run = event.batch_ns == 0 || event.batch_ns == reclaimer.batch_ns;
  if (event.tid == reclaimer.tid && same_run) return index;
  settle(index, batches_.at(batch), event.time_ns);
  return attempts.at(index).live ? index : kNoIndex;
}

// The folio came back and is on its way again: the attempt that we hold was given up in between.
bool Reconstructor::Impl::restarts(const Attempt& attempt, const Event& event) const {
  const bool unmaps = kind_bit(event.kind) & kUnmapKinds;
  if (!tracepoint_mode()) {
    const bool was_unmapped = attempt.unmapped || attempt.write_seen();
    const bool new_pass = attempt.batch == kNoIndex;
    return new_pass && (attempt.cache_left || (unmaps && was_unmapped));
  }
  if (attempt.life.at(Stage::kWriteEnd) == 0) return false;
  if (event.kind == SWAPTRAIL_WRITE_ISSUED) return attempt.life.at(Stage::kWriteIssued) != 0;
  return unmaps || event.kind == SWAPTRAIL_WRITE_END;
}

void Reconstructor::Impl::restart(uint32_t index, const Event& event) {
  const Attempt& attempt = attempts.at(index);
  if (!attempt.confirmed) return discard(index);
  Judgement judgement{Outcome::kAborted, AbortReason::kNone, IncompleteReason::kNotHooked};
  if (attempt.leaving_ns != 0) {
    judgement = judge_left(attempt, sight_);
  } else if (!tracepoint_mode()) {
    judgement = stayed(attempt, AbortReason::kReferenced, sight_);
  }
  close(index, judgement, event.time_ns);
}

// A folio that reclaim removes without having unmapped it may have been read in: it is no page of a file,
// and it is not mapped, so its mapping shows nothing.
bool Reconstructor::Impl::is_shmem_folio(const Event& event) {
  if (event.kind != SWAPTRAIL_REMOVED) return is_shmem(event);
  const Slot* slot = slots.find(event.entry);
  return slot != nullptr && slot->swapped != kNoIndex && swapped.at(slot->swapped).shmem;
}

uint32_t Reconstructor::Impl::begin(const Event& event, uint32_t batch) {
  if (rewrites_unused_copy(event)) return kNoIndex;
  const bool shmem = is_shmem_folio(event);
  const bool slotless =
      (kind_bit(event.kind) & kSlotlessBegin) || (shmem && (kind_bit(event.kind) & kUnmapKinds));
  if (event.entry == 0 && !slotless) {
    ignore(event);
    return kNoIndex;
  }
  const uint32_t index = room_for(event.folio, event.time_ns);
  if (index == kNoIndex) {
    ++counters.attempts_full;
    return kNoIndex;
  }
  Attempt& attempt = attempts.at(index);
  Lifecycle& life = attempt.life;
  life.id = next_id_++;
  life.nr_pages = static_cast<uint16_t>(pages_of(event));
  life.shmem = shmem;
  life.ksm = event.state & SWAPTRAIL_STATE_KSM;
  life.visible_stages = visible_stages_;
  life.sample_shift = sample_shift_of(event.state);
  life.passes = 0;  // touch() counts this one
  if (!sight_.sees(SWAPTRAIL_WRITE_END)) life.backend = SWAPTRAIL_BACKEND_UNKNOWN;
  attempt.confirmed = event.kind != SWAPTRAIL_WRITE_ISSUED;
  touch(index, event, batch);
  life.first = life.last;
  place_in_time(attempt, event);
  if (event.entry != 0 && event.kind != SWAPTRAIL_SLOT_ALLOCATED) inherit_slot(index, event);
  return index;
}

// When it was isolated, and since when a loss may have hidden a part of it.
void Reconstructor::Impl::place_in_time(Attempt& attempt, const Event& event) {
  const bool known = event.batch_ns != 0 && sight_.sees(SWAPTRAIL_RECLAIM_BEGIN);
  if (known) attempt.life.stage_ns[static_cast<size_t>(Stage::kIsolated)] = event.batch_ns;
  attempt.begin_ns = known ? event.batch_ns : event.time_ns - 1;
  attempt.before_attach |= attempt.begin_ns < options_.start_ns;
  // Nothing happens to an anonymous folio before it gets its slot, except that its batch begins.
  const bool batch_seen = attempt.batch != kNoIndex && batches_.at(attempt.batch).begin_seen;
  const bool first = event.kind == SWAPTRAIL_SLOT_ALLOCATED && !attempt.life.shmem;
  if (batch_seen && first) attempt.begin_ns = event.time_ns;
}

// Up to Linux 6.14 shmem gets its slot inside its write. A page that is of no file and is written while
// its slot is in use is something else: an unused copy out of zswap (rewrites_unused_copy()) whose read
// we missed.
bool Reconstructor::Impl::is_new_in_write(const Attempt& attempt, const Slot* slot,
                                          const Event& event) const {
  if (!attempt.life.shmem || event.kind != SWAPTRAIL_WRITE_BEGIN) return false;
  const bool named = options_.event_abi < 2 || event.u.page.inode != 0 || event.batch_ns == 0;
  return named && (slot == nullptr || !slot->used);
}

// The folio was in the swap cache before this lifecycle began: since when, and do we know?
void Reconstructor::Impl::inherit_slot(uint32_t index, const Event& event) {
  Attempt& attempt = attempts.at(index);
  attempt.life.entry = event.entry;
  const Slot* slot = slots.find(event.entry);
  const bool known = slot != nullptr && slot->cached == cached_mark();
  const bool unmaps = kind_bit(event.kind) & kUnmapKinds;
  if (known) {
    attempt.slot = SlotOrigin::kKnown;
    attempt.life.readahead = event.kind == SWAPTRAIL_REMOVED && slot->read && !slot->returned;
  } else if (is_new_in_write(attempt, slot, event)) {
    attempt.slot = SlotOrigin::kInferred;
  } else {
    attempt.slot = SlotOrigin::kUnknown;
  }
  const bool was_freed = slot != nullptr && slot->swapped != kNoIndex && !slot->returned &&
                         !slot->read && slot->cached == 0;
  if (was_freed && unmaps && sight_.sees(SWAPTRAIL_SWAP_READ) &&
      sight_.loss_until_ns <= swapped.at(slot->swapped).removed_ns) {
    violate(Rule::kUnmappedAfterRemoved, attempt, event.time_ns);
  }
  // Unmapped at a time that we did not see: before the start, or in a loss.
  if (attempt.slot == SlotOrigin::kUnknown && !unmaps && !tracepoint_mode()) {
    if (sight_.loss_until_ns == 0) {
      attempt.before_attach = true;
    } else {
      attempt.begin_ns = 0;
    }
  }
  const bool removed = event.kind == SWAPTRAIL_REMOVED;
  claim_slots(index, attempt.slot == SlotOrigin::kInferred ? Claim::kAllocated
                     : removed                             ? Claim::kRemoved
                                                           : Claim::kKept);
}

// The folio is another page by now, and how the old one ended was not seen.
void Reconstructor::Impl::supersede(uint32_t index, Rule rule, const Event& event) {
  const Attempt& attempt = attempts.at(index);
  if (!attempt.confirmed) return discard(index);
  Judgement judgement = unknown(attempt, IncompleteReason::kNotHooked, sight_);
  const bool sees_all = sight_.sees(SWAPTRAIL_REMOVED) && sight_.sees(SWAPTRAIL_CACHE_DELETED) &&
                        sight_.sees(SWAPTRAIL_SLOT_FREED);
  const bool hidden = sight_.hides_removal(attempt) || sight_.overlapped(attempt);
  if (attempt.leaving_ns != 0) {
    judgement = judge_left(attempt, sight_);
  } else if (!hidden && !sees_all && sight_.sees(SWAPTRAIL_PAGE_FREED)) {
    judgement.outcome = Outcome::kAborted;  // it was not freed, or we would have seen that
  } else if (!hidden && sees_all) {
    const bool may_have_moved = attempt.batch == kNoIndex &&
                                (rule == Rule::kEntryChanged || rule == Rule::kSlotAllocatedTwice);
    if (may_have_moved) return attempts.detach(index);
    violate(rule, attempt, event.time_ns);
    judgement.incomplete = IncompleteReason::kDropped;
  }
  close(index, judgement, event.time_ns);
}

void Reconstructor::Impl::violate(Rule rule, const Attempt& attempt, uint64_t time_ns) {
  if (!sight_.whole()) return;
  const RuleText& text = rule_text(rule);
  Violation violation{text.name,          attempt.life.id, attempt.life.folio,
                      attempt.life.entry, time_ns,         std::string(text.text)};
  violation.text.append(" (").append(text.kernel).append(")");
  sink_.on_violation(violation);
}

void Reconstructor::Impl::close_freed(uint32_t index, uint64_t now_ns) {
  const Attempt& attempt = attempts.at(index);
  const bool fresh =
      attempt.slot == SlotOrigin::kAllocated || attempt.slot == SlotOrigin::kInferred;
  const bool all_seen = !sight_.overlapped(attempt) && !attempt.pass_hidden;
  if (fresh && !attempt.write_seen() && all_seen && sight_.sees(SWAPTRAIL_WRITE_BEGIN)) {
    violate(Rule::kFreedWithoutWrite, attempt, now_ns);
  }
  close(index, judge_freed(attempt, sight_), now_ns);
}

void Reconstructor::Impl::close(uint32_t index, const Judgement& judged, uint64_t now_ns) {
  Attempt& attempt = attempts.at(index);
  const Judgement judgement = within_sight(judged, attempt, sight_);
  Lifecycle& life = attempt.life;
  life.outcome = judgement.outcome;
  life.abort_reason = judgement.abort_reason;
  life.incomplete = judgement.incomplete;
  life.waiting_for = judgement.waiting;
  life.closed_ns = now_ns;
  life.overlapped_loss = sight_.overlapped(attempt);
  if (life.incomplete == IncompleteReason::kDropped && !life.overlapped_loss) {
    ++counters.unexplained_gaps;
  }
  hand_slots(index, judgement);
  leave_batch(index);
  end_wait(index);
  if (attempt.leaving_ns != 0) end_leaving(index);
  ++counters.lifecycles;
  sink_.on_lifecycle(life);
  if (!gone_.empty()) return_gone(life);
  attempts.remove(index);
}

// A write of zswap's own, seen in tracepoint mode: the page was not on its way out.
void Reconstructor::Impl::discard(uint32_t index) {
  Attempt& attempt = attempts.at(index);
  counters.zswap_writeback_pages += attempt.life.nr_pages;
  hand_slots(index, Judgement{});
  leave_batch(index);
  end_wait(index);
  if (attempt.leaving_ns != 0) end_leaving(index);
  attempts.remove(index);
}

}  // namespace swaptrail::lifecycles
