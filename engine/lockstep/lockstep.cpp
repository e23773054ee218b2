// The stream, batches of reclaim, and the passes of folios in them.
#include "engine/lockstep/lockstep.h"

#include <algorithm>
#include <utility>

#include "engine/lockstep/event_check.h"
#include "engine/lockstep/lockstep_impl.h"
#include "engine/lockstep/observed_pass.h"

namespace swaptrail::engine {
namespace {

// The folio had left the swap cache before this event of its pass.
bool left_before(const std::vector<Event>& events, const Event& stranger) {
  for (const Event& event : events) {
    if (&event == &stranger) return false;
    if (event.kind == SWAPTRAIL_CACHE_DELETED) return true;
  }
  return false;
}

}  // namespace

Lockstep::Lockstep(const LockstepOptions& options, FindingSink& sink)
    : impl_(std::make_unique<Impl>(options, sink)) {}
Lockstep::~Lockstep() = default;
void Lockstep::on_area(const Area& area, uint64_t empty_at_ns) {
  impl_->on_area(area, empty_at_ns);
}
void Lockstep::on_event(const swaptrail_event& event, uint64_t sequence) {
  impl_->on_event(event, sequence);
}
void Lockstep::on_loss(const Loss& loss) { impl_->on_loss(loss); }
void Lockstep::on_lifecycle(const Lifecycle& lifecycle) { impl_->on_lifecycle(lifecycle); }
void Lockstep::finish(uint64_t now_ns) { impl_->finish(now_ns); }
void Lockstep::on_return(const Return& back) { impl_->on_return(back); }
void Lockstep::on_stay(const Stay& stay) { impl_->on_stay(stay); }
const LockstepCounters& Lockstep::counters() const { return impl_->counters; }

Lockstep::Impl::Impl(const LockstepOptions& options, FindingSink& sink)
    : options_(options),
      sink_(sink),
      way_back_(
          options_, counters, [this](WayBack::Wrong wrong) { report_wrong(std::move(wrong)); },
          [this](uint64_t since_ns) { return hidden(since_ns); }) {}

void Lockstep::Impl::on_area(const Area& area, uint64_t empty_at_ns) {
  if (area.type >= area_pages_.size()) return;
  area_pages_[area.type] = area.pages;
  area_empty_ns_[area.type] = empty_at_ns;
}

void Lockstep::Impl::on_event(const Event& event, uint64_t sequence) {
  ++counters.events;
  if (!is_valid_event(event)) {
    find(FindingKind::kViolation, Rule::kBadEvent, event, "");
    return;
  }
  const Rule broken = stream_.check(event, sequence);
  if (broken != Rule::kCount) {
    const bool gap = broken == Rule::kSequenceGap;
    find(gap ? FindingKind::kLoss : FindingKind::kViolation, broken, event, "");
    if (gap) {
      loss_until_ns_ = std::max<uint64_t>(loss_until_ns_, event.time_ns);
      held_.clear();
    }
    if (broken == Rule::kSequenceRepeated) return way_back_.on_ignored(event);
  }
  // The run that would have begun its batch was skipped, perhaps long ago.
  const bool no_begin = event.kind == SWAPTRAIL_RECLAIM_END && event.batch_ns == 0;
  if (no_begin && runs_skipped_) return;
  const std::string_view odd =
      oddity(event, options_.cpus, options_.page_struct_size, options_.event_abi);
  if (!odd.empty()) {
    find(FindingKind::kViolation, Rule::kBadEvent, event, std::string(odd));
    return;
  }
  if (stream_.waiting() == 0) report_held();
  now_ns_ = std::max<uint64_t>(now_ns_, event.time_ns);
  way_back_.on_event(event);
  dispatch(event, *this);
  if (event.tgid != 0 && event.kind != SWAPTRAIL_WRITE_COMPLETED)
    place_of(first_of_process_, event.tgid, event.time_ns);
  // An interrupt is not an action of the thread.
  const bool own = event.tid != 0 && event.kind != SWAPTRAIL_WRITE_COMPLETED;
  if (own) place_of(last_of_thread_, event.tid) = event.time_ns;
}

void Lockstep::Impl::on_loss(const Loss& loss) {
  loss_until_ns_ = std::max(loss_until_ns_, loss.to_ns);
  runs_skipped_ |= loss.is_of_runs();
  stream_.on_loss(loss);
  way_back_.on_loss(loss);
  // The rest of an open pass may be lost. What still comes of it counts as another pass, which is not
  // compared.
  for (Batch* batch : std::vector<Batch*>(passes_.begin(), passes_.end())) close_pass(*batch);
}

void Lockstep::Impl::finish(uint64_t now_ns) {
  now_ns_ = std::max(now_ns_, now_ns);
  // What a pass lacks may come after the end.
  const uint64_t real_loss_ns = std::exchange(loss_until_ns_, now_ns_ + 1);
  for (auto& [tid, batch] : batches_) close_pass(*batch);
  loss_until_ns_ = real_loss_ns;
  if (stream_.missing()) {
    held_.clear();
    Event end{};
    end.time_ns = now_ns_;
    find(FindingKind::kLoss, Rule::kSequenceGap, end, "");
  }
  finished_ = true;
  report_held();
  report_strays();
  report_missing();
  way_back_.finish();
}

// ---- batches -----------------------------------------------------------------------------------

void Lockstep::Impl::on_reclaim_begin(const Event& event) {
  const auto open = batches_.find(event.tid);
  if (open != batches_.end() && open->second->begin_ns == event.batch_ns && open->second->begun) {
    find(FindingKind::kViolation, Rule::kBatchTwice, event, "it begins");
    return;
  }
  leave_reclaim(event);
  drop_oldest_batch();
  std::unique_ptr<Batch>& batch = batches_[event.tid];
  batch = std::make_unique<Batch>();
  batch->begin_ns = event.batch_ns;
  batch->tid = event.tid;
  batch->begun = true;
  batch->control = {event.origin, event.u.begin.gfp, event.u.begin.may_writepage != 0,
                    event.u.begin.may_unmap != 0, event.u.begin.may_swap != 0};
}

void Lockstep::Impl::on_reclaim_end(const Event& event) {
  const auto open = batches_.find(event.tid);
  if (open == batches_.end()) {
    const auto ended = ended_.find(event.tid);
    if (ended != ended_.end() && ended->second == event.batch_ns) {
      find(FindingKind::kViolation, Rule::kBatchTwice, event, "it ends");
    } else if (!hidden(event.batch_ns)) {
      find(FindingKind::kLoss, Rule::kBatchNotBegun, event, "it ends");
    }
    return;
  }
  Batch& batch = *open->second;
  if (event.batch_ns != batch.begin_ns && !hidden(batch.begin_ns)) {
    find(FindingKind::kViolation, Rule::kBatchOtherThread, event, "it ends another batch");
  } else if (event.origin != batch.control.origin && batch.begun) {
    find(FindingKind::kViolation, Rule::kBatchOtherThread, event, "it has another origin");
  }
  close_pass(batch);
  const uint32_t scanned = event.u.end.nr_scanned;
  if (scanned != ~0u && event.result > 0 && static_cast<uint32_t>(event.result) > scanned) {
    find(FindingKind::kViolation, Rule::kBatchUnscanned, event, "");
  }
  const bool sure = !hidden(batch.begin_ns);
  if (!sure) return end_batch(batch);
  if (event.result < 0 || static_cast<uint64_t>(event.result) < batch.freed_pages) {
    find(FindingKind::kViolation, Rule::kBatchReclaimedLess, event,
         "freed " + std::to_string(batch.freed_pages) + " pages, reported " +
             std::to_string(event.result));
  }
  end_batch(batch);
}

void Lockstep::Impl::end_batch(Batch& batch) {
  judge_freed_early(batch, Event{});
  close_pass(batch);
  place_of(ended_, batch.tid) = batch.begin_ns;
  passes_.erase(&batch);
  batches_.erase(batch.tid);
}

// The thread does something that it can't do in reclaim, so the end of its batch is missing.
void Lockstep::Impl::leave_reclaim(const Event& event) {
  const auto open = batches_.find(event.tid);
  if (open == batches_.end()) return;
  Batch& batch = *open->second;
  if (batch.begun && !hidden(batch.begin_ns)) {
    find(FindingKind::kLoss, Rule::kBatchNotEnded, event, "");
  }
  end_batch(batch);
}

// For the kinds that name the batch of their thread if it has one.
void Lockstep::Impl::check_batch(const Event& event) {
  if (event.batch_ns == 0) return leave_reclaim(event);
  batch_of(event);
}

// For a batch whose end was lost and whose thread never came again.
void Lockstep::Impl::drop_oldest_batch() {
  if (batches_.size() < kMaxThreads) return;
  ++counters.threads_full;
  const auto oldest = std::min_element(
      batches_.begin(), batches_.end(),
      [](const auto& a, const auto& b) { return a.second->begin_ns < b.second->begin_ns; });
  end_batch(*oldest->second);
}

Batch& Lockstep::Impl::batch_of(const Event& event) {
  if (!batches_.contains(event.tid)) drop_oldest_batch();
  std::unique_ptr<Batch>& batch = batches_[event.tid];
  if (batch == nullptr) {
    if (!hidden(event.batch_ns)) find(FindingKind::kLoss, Rule::kBatchNotBegun, event, "");
    batch = std::make_unique<Batch>();
    batch->begin_ns = event.batch_ns;
    batch->tid = event.tid;
    batch->control.origin = event.origin;
    return *batch;
  }
  const bool other = batch->begin_ns != event.batch_ns || batch->control.origin != event.origin;
  if (other && !hidden(batch->begin_ns)) {
    const bool newer = event.batch_ns > batch->begin_ns && !is_of_other_thread(event);
    find(newer ? FindingKind::kLoss : FindingKind::kViolation, Rule::kBatchOtherThread, event, "");
  }
  return *batch;
}

bool Lockstep::Impl::is_of_other_thread(const Event& event) const {
  return std::any_of(batches_.begin(), batches_.end(), [&](const auto& one) {
    return one.first != event.tid && one.second->begin_ns == event.batch_ns;
  });
}

// ---- passes ------------------------------------------------------------------------------------

// Shared memory says so when it is written.
bool Lockstep::Impl::gets_slot(const Event& event) {
  return event.kind == SWAPTRAIL_SLOT_ALLOCATED ||
         (event.kind == SWAPTRAIL_WRITE_BEGIN && !(event.state & SWAPTRAIL_STATE_ANON));
}

// Inside zswap_store, zswap may write back an older page, through a folio of its own (mm/zswap.c:
// zswap_writeback_entry).
bool Lockstep::Impl::is_foreign_write(const Batch& batch, const Event& event) const {
  if (event.kind != SWAPTRAIL_WRITE_ISSUED || batch.folio == event.folio) return false;
  const bool said = options_.event_abi >= 2 && event.u.page.backend == SWAPTRAIL_BACKEND_UNKNOWN;
  return said || (batch.folio != 0 && batch.last_kind == SWAPTRAIL_WRITE_BEGIN);
}

void Lockstep::Impl::on_pass_event(const Event& event) {
  if (event.batch_ns == 0) return outside(event);
  Batch& batch = batch_of(event);
  judge_freed_early(batch, event);
  if (is_foreign_write(batch, event)) return foreign_write(event);
  if (batch.folio != event.folio) {
    close_pass(batch);
    batch.folio = event.folio;
    batch.entry = 0;
    batch.followed = sampled(event.folio);
    if (batch.followed) passes_.insert(&batch);
  }
  batch.last_kind = event.kind;
  if (!batch.followed) return not_followed(event);
  if (event.kind == SWAPTRAIL_SLOT_ALLOCATED && event.result == 0) {
    way_back_.on_allocated(event.entry, pages_of(event), event.time_ns);
  }
  if (event.entry != 0) batch.entry = event.entry;
  batch.nr_pages = event.nr_pages;
  const auto record = folios_.find(event.folio);
  if (record != folios_.end()) record->second.in_pass = true;
  batch.events.push_back(event);
  // Once freed, its memory may become another folio at once.
  if (event.kind == SWAPTRAIL_REMOVED) close_pass(batch);
}

// Outside any batch: zswap's own writeback from a work queue, or a driver's shrinker that writes
// shmem.
void Lockstep::Impl::outside(const Event& event) {
  const auto open = batches_.find(event.tid);
  if (open != batches_.end() && open->second->begun && !hidden(open->second->begin_ns)) {
    find(FindingKind::kViolation, Rule::kBatchOtherThread, event,
         "its thread is in reclaim, and it names no batch");
    return;
  }
  if (event.kind == SWAPTRAIL_WRITE_ISSUED) return foreign_write(event);
  if (!sampled(event.folio)) return not_followed(event);
  const auto known = folios_.find(event.folio);
  if (known == folios_.end()) {
    if (!gets_slot(event) && event.entry != 0) claim_from(event, nullptr);
    return;
  }
  forget(known->second);
}

void Lockstep::Impl::foreign_write(const Event& event) {
  if (!sampled(event.folio)) return;
  FolioRecord* record = record_of(event);
  if (record == nullptr) record = adopt_zswap(event);
  if (record == nullptr) return;
  remember(*record, event);
  if (record->model.writeback) {
    find(FindingKind::kViolation, Rule::kWriteTwice, event, describe(*record), record);
  }
  record->model.writeback = true;
  if (record->by_zswap) way_back_.on_zswap_written(event);
}

void Lockstep::Impl::close_pass(Batch& batch) {
  if (batch.folio == 0) return;
  batch.folio = 0;
  batch.last_kind = 0;
  passes_.erase(&batch);
  if (batch.events.empty()) return;
  running_.clear();
  running_.swap(batch.events);
  FolioRecord* record = enter(running_.front(), batch);
  if (record == nullptr) {
    ++counters.folios_full;
    way_back_.forget(batch.entry, batch.nr_pages);
  } else {
    ++counters.passes;
    run_pass(batch, *record, running_);
  }
  const std::vector<Lifecycle> lifecycles = std::exchange(batch.lifecycles, {});
  for (const Lifecycle& lifecycle : lifecycles) match(lifecycle);
}

void Lockstep::Impl::run_pass(Batch& batch, FolioRecord& record, const std::vector<Event>& events) {
  record.in_pass = true;  // also if a pass of another batch has ended meanwhile, which can't be
  ObservedPass pass(*this, batch, record, events);
  const PassEnd end = pass.run();
  counters.steps += end.steps;
  for (const Event& event : events) remember(record, event);
  record.in_pass = false;
  record.last_batch_ns = batch.begin_ns;
  record.last_tid = batch.tid;
  const bool freed = end.exit == Exit::kFreed;
  if (freed) batch.freed_pages += record.model.nr_pages;
  judge_strangers(batch, record, events, end);
  if (freed) note_removed(record, events);
  settle(record, end);
  for (const Event& event : events) {
    if (event.kind == SWAPTRAIL_SLOT_FREED) free_slots(event, false);
  }
}

// A stay in swap begins. If nothing maps the folio, the stay continues, or is over.
void Lockstep::Impl::note_removed(const FolioRecord& record, const std::vector<Event>& events) {
  for (const Event& event : events) {
    if (event.kind != SWAPTRAIL_REMOVED || event.result != 1) continue;
    if (record.account.dropped) {
      way_back_.on_dropped(event, record.read_in && !record.by_zswap);
    } else {
      way_back_.on_removed(event);
    }
  }
}

// Checks other threads that freed or read its slot meanwhile. That is possible just before REMOVED,
// which is reported when __remove_mapping returns. Earlier the folio is in the swap cache.
void Lockstep::Impl::judge_strangers(const Batch& batch, FolioRecord& record,
                                     const std::vector<Event>& events, const PassEnd& end) {
  const Event* stranger = nullptr;
  bool left = end.exit == Exit::kFreed;
  bool wrong = false;
  for (const Event& event : events) {
    const bool strange = event.kind == SWAPTRAIL_SLOT_FREED || event.kind == SWAPTRAIL_SWAP_READ;
    left |= event.kind == SWAPTRAIL_CACHE_DELETED;
    if (strange && stranger == nullptr && !left_before(events, event)) stranger = &event;
    const bool goes_on = !strange && event.kind != SWAPTRAIL_REMOVED &&
                         event.kind != SWAPTRAIL_SWAP_IN && event.kind != SWAPTRAIL_CACHE_DELETED;
    wrong |= stranger != nullptr && goes_on;
  }
  if (stranger == nullptr || hidden(batch.begin_ns) || (left && !wrong)) return;
  const bool read = stranger->kind == SWAPTRAIL_SWAP_READ;
  find(FindingKind::kViolation, read ? Rule::kReadWhileCached : Rule::kSlotFreedWhileCached,
       *stranger, describe(record), &record);
}

// The open pass of this folio, or null.
Batch* Lockstep::Impl::pass_on(uint64_t folio) {
  for (Batch* batch : passes_) {
    if (batch->folio == folio) return batch;
  }
  return nullptr;
}

// The open pass whose folio has this slot, or null.
Batch* Lockstep::Impl::pass_of(uint64_t entry, uint32_t nr_pages) {
  for (Batch* batch : passes_) {
    if (batch->entry == 0) continue;
    if (entry < batch->entry + batch->nr_pages && batch->entry < entry + nr_pages) return batch;
  }
  return nullptr;
}

// ---- what may fall into a pass of its folio ------------------------------------------------------

// Comes from any context, also an interrupt.
void Lockstep::Impl::on_write_completed(const Event& event) {
  if (!sampled(event.folio)) return;
  FolioRecord* record = record_of(event);
  if (record != nullptr && !record->in_pass) return apply(*record, event);
  if (Batch* pass = pass_on(event.folio)) {
    pass->events.push_back(event);
    return;
  }
  if (record == nullptr && !hidden(event.time_ns - 1) && is_slot(event.entry)) {
    const auto slot = slots_.find(event.entry);
    const bool known = slot != slots_.end() && !hidden(slot->second.last_ns);
    if (known) {
      find(FindingKind::kViolation, Rule::kCompletedWithoutWrite, event, "the folio is not known");
    }
  }
}

void Lockstep::Impl::on_cache_deleted(const Event& event) {
  check_batch(event);
  if (is_tried_only(event)) return;
  if (!sampled(event.folio)) return uncache_slots(event.entry, event.nr_pages, event.folio);
  if (Batch* pass = pass_on(event.folio)) {
    pass->events.push_back(event);
    return;
  }
  FolioRecord* record = record_of(event);
  if (record == nullptr) record = adopt(event, nullptr);
  if (record != nullptr) return apply(*record, event);
  uncache_slots(event.entry, event.nr_pages, event.folio);
}

// Since 6.15 the slot exists, and since 7.0 the folio is in the swap cache, before the memory cgroup
// refuses: then folio_alloc_swap (mm/swapfile.c) gives it back before it fails. True: it may be that.
bool Lockstep::Impl::is_tried_only(const Event& event) {
  const auto open = batches_.find(event.tid);
  const bool may_be =
      event.batch_ns != 0 && open != batches_.end() && !options_.features.dirties_in_add_to_swap;
  if (!may_be || pass_of(event.entry, pages_of(event)) != nullptr) return false;
  bool was_free = false;
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    const auto slot = slots_.find(event.entry + page);
    if (slot == slots_.end()) continue;
    if (slot->second.used || slot->second.cached != 0) return false;
    was_free |= slot->second.freed && !hidden(slot->second.last_ns);
  }
  open->second->freed_early.push_back({event, 0, was_free});
  return true;
}

void Lockstep::Impl::on_split(const Event& event) {
  if (Batch* pass = pass_on(event.folio)) close_pass(*pass);
  apply_split(event);
}

}  // namespace swaptrail::engine
