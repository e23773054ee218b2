#include "engine/lockstep/observed_pass.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace swaptrail::engine {
namespace {

constexpr uint16_t kFlags = SWAPTRAIL_STATE_SWAPCACHE | SWAPTRAIL_STATE_DIRTY |
                            SWAPTRAIL_STATE_KSM | SWAPTRAIL_STATE_WRITEBACK | SWAPTRAIL_STATE_ANON |
                            SWAPTRAIL_STATE_SWAPBACKED;

uint16_t flags_of(const Folio& folio) {
  uint16_t flags = 0;
  if (folio.swapcache) flags |= SWAPTRAIL_STATE_SWAPCACHE;
  if (folio.dirty) flags |= SWAPTRAIL_STATE_DIRTY;
  if (folio.writeback) flags |= SWAPTRAIL_STATE_WRITEBACK;
  if (folio.anon) flags |= SWAPTRAIL_STATE_ANON;
  if (folio.ksm) flags |= SWAPTRAIL_STATE_KSM;
  if (folio.swapbacked) flags |= SWAPTRAIL_STATE_SWAPBACKED;
  return flags;
}

std::string flag_names(uint16_t flags) {
  std::string names;
  if (flags & SWAPTRAIL_STATE_ANON) names += "anon ";
  if (flags & SWAPTRAIL_STATE_KSM) names += "ksm ";
  if (flags & SWAPTRAIL_STATE_SWAPBACKED) names += "swapbacked ";
  if (flags & SWAPTRAIL_STATE_SWAPCACHE) names += "swapcache ";
  if (flags & SWAPTRAIL_STATE_DIRTY) names += "dirty ";
  if (flags & SWAPTRAIL_STATE_WRITEBACK) names += "writeback ";
  if (!names.empty()) names.pop_back();
  return names;
}

constexpr uint32_t bit(uint8_t kind) { return 1u << kind; }

// What must have happened to its folio before an event of this kind: the rule that is broken if it
// has not.
Rule order_rule(uint8_t kind, const Folio& folio) {
  if (kind == SWAPTRAIL_WRITE_BEGIN && folio.mapped != 0) return Rule::kWriteWhileMapped;
  if (kind == SWAPTRAIL_WRITE_BEGIN && !folio.swapcache) return Rule::kWriteBeforeSlot;
  if (kind == SWAPTRAIL_WRITE_ISSUED && folio.writeback) return Rule::kWriteTwice;
  if (kind == SWAPTRAIL_REMOVED && folio.mapped != 0) return Rule::kRemovedWhileMapped;
  if (kind == SWAPTRAIL_REMOVED && folio.writeback) return Rule::kRemovedUnderWriteback;
  if (kind == SWAPTRAIL_REMOVED && !folio.swapcache) return Rule::kRemovedTwice;
  if (kind == SWAPTRAIL_SLOT_ALLOCATED && folio.swapcache) return Rule::kSlotTwice;
  return Rule::kStageOrder;
}

}  // namespace

ObservedPass::ObservedPass(Impl& lockstep, Batch& batch, FolioRecord& record,
                           const std::vector<Event>& events)
    : lockstep_(lockstep), batch_(batch), record_(record), events_(events) {}

PassEnd ObservedPass::run() {
  PassEnd end = shrink_folio(lockstep_.options_.features, batch_.control, record_.model, *this);
  const Event* rest = failed_ ? nullptr : peek();
  if (rest != nullptr) {
    const std::string text = absl::StrCat("the pass had ended: ", std::string(exit_name(end.exit)),
                                          ", ", std::string(why_name(end.why)));
    // Reclaim skips a folio under writeback: so its end was missed, unless it is still under
    // writeback.
    const bool done = record_.model.writeback && !(rest->state & SWAPTRAIL_STATE_WRITEBACK) &&
                      !(seen_ & bit(rest->kind));
    if (done) {
      fail(FindingKind::kLoss, Rule::kCompletionLost, *rest, text);
    } else {
      fail(FindingKind::kViolation, order_rule(rest->kind, record_.model), *rest, text);
    }
  }
  if (!failed_) return end;
  resynchronise();
  end.exit = was_removed() ? Exit::kFreed : Exit::kKept;
  end.why = Why::kNothing;
  return end;
}

// ---- what comes next -----------------------------------------------------------------------------

bool ObservedPass::is_own(const Event& event) const {
  switch (event.kind) {
    case SWAPTRAIL_WRITE_COMPLETED:
    case SWAPTRAIL_SWAP_IN:
    case SWAPTRAIL_SWAP_READ:
    case SWAPTRAIL_SLOT_FREED:
      return false;
    case SWAPTRAIL_CACHE_DELETED:
      return event.tid == batch_.tid && event.batch_ns == batch_.begin_ns;
    default:
      return true;
  }
}

const Event* ObservedPass::peek(bool completions_too) {
  while (next_ < events_.size()) {
    const Event& event = events_[next_];
    if (is_own(event)) return &event;
    if (event.kind == SWAPTRAIL_WRITE_COMPLETED && !completions_too) return &event;
    ++next_;
    lockstep_.apply(record_, event);
  }
  return nullptr;
}

const Event* ObservedPass::ending() {
  const Event* next = peek();
  return next != nullptr && next->kind == SWAPTRAIL_WRITE_END ? next : nullptr;
}

bool ObservedPass::was_removed() const {
  return std::any_of(events_.begin(), events_.end(), [](const Event& event) {
    return event.kind == SWAPTRAIL_REMOVED && event.result == 1;
  });
}

bool ObservedPass::comes_later(uint8_t kind) const {
  return std::any_of(events_.begin() + static_cast<ptrdiff_t>(next_), events_.end(),
                     [&](const Event& event) { return event.kind == kind; });
}

// ---- questions -----------------------------------------------------------------------------------

bool ObservedPass::lock(Folio& folio) {
  lockstep_.take(Taken::kEntered);
  const bool unmaps = std::any_of(events_.begin(), events_.end(), [](const Event& event) {
    return event.kind == SWAPTRAIL_UNMAPPED || event.kind == SWAPTRAIL_UNMAPPED_ONE;
  });
  folio.mapped = unmaps ? folio.nr_pages : 0;
  if (!folio.writeback) return true;
  // As far as we know it is still under writeback, and yet reclaim continues with it.
  peek();
  if (folio.writeback && next_ < events_.size()) {
    fail(FindingKind::kLoss, Rule::kCompletionLost, events_[next_], "");
  }
  return true;
}

// Visible only if the pass ends without anything else that could have ended it.
bool ObservedPass::pinned(Folio& folio) {
  const bool may_be = folio.swapcache && !folio.dirty && peek() == nullptr;
  if (may_be) lockstep_.take(Taken::kExtraReference);
  return may_be;
}

bool ObservedPass::split(Folio& folio) {
  const Event* next = peek();
  const bool smaller =
      next != nullptr && next->kind == SWAPTRAIL_SLOT_ALLOCATED && next->nr_pages < folio.nr_pages;
  if (!smaller) return false;
  lockstep_.take(Taken::kSplit);
  folio.nr_pages = pages_of(*next);
  // Its page table entries are unmapped for the split, and dirty ones make the folio dirty
  // (mm/rmap.c: try_to_migrate_one). A slot may do that too, but only if it got one.
  const bool by_slot = lockstep_.options_.features.dirties_in_add_to_swap && next->result == 0;
  const bool dirtied = (next->state & SWAPTRAIL_STATE_DIRTY) && !folio.dirty && !by_slot;
  if (dirtied) lockstep_.take(Taken::kDirtied);
  folio.dirty |= dirtied;
  record_.account.nr_pages = folio.nr_pages;
  return true;
}

SlotAnswer ObservedPass::allocate(Folio& folio) {
  lockstep_.take(Taken::kSlot);
  fresh_slot_ = true;
  const Event* next = peek();
  const bool hidden = !folio.anon && lockstep_.options_.features.shmem_slot_hidden;
  if (hidden) {
    if (next == nullptr || next->kind != SWAPTRAIL_WRITE_BEGIN) return {-1, 0};
    return {0, next->entry};
  }
  if (next == nullptr) return {0, 0};
  if (next->kind != SWAPTRAIL_SLOT_ALLOCATED) return {0, next->entry};
  return {next->result, next->result == 0 ? next->entry : 0};
}

UnmapAnswer ObservedPass::unmap(Folio& folio) {
  UnmapAnswer answer;
  while (next_is(SWAPTRAIL_UNMAPPED_ONE)) {
    const Event& event = events_[next_++];
    take_one(event, folio);
    answer.dirty |= (event.state & SWAPTRAIL_STATE_DIRTY) != 0;
    folio.dirty |= answer.dirty;
  }
  const Event* next = peek();
  if (next == nullptr || next->kind != SWAPTRAIL_UNMAPPED) return answer;
  // No entry was replaced. An entry that disappeared since the last pass may have made it dirty.
  if (mapped_.empty() && (next->state & SWAPTRAIL_STATE_DIRTY) && !folio.dirty) {
    lockstep_.take(Taken::kDirtied);
    answer.dirty = true;
  }
  if (next->state & SWAPTRAIL_STATE_MAPPED) {
    lockstep_.take(Taken::kStillMapped);
    answer.still_mapped = 1;
  }
  return answer;
}

// One mapping: which one, and how many entries, depends on the page tables.
void ObservedPass::take_one(const Event& event, const Folio& folio) {
  lockstep_.take(Taken::kMappings);
  if ((event.state & SWAPTRAIL_STATE_DIRTY) && !folio.dirty) lockstep_.take(Taken::kDirtied);
  Folio expected = folio;
  expected.dirty = (event.state & SWAPTRAIL_STATE_DIRTY) || folio.dirty;
  check(event, expected, event.result, SWAPTRAIL_BACKEND_UNKNOWN);
  if (failed_) return;
  const uint32_t ptes = event.u.map.ptes == SWAPTRAIL_NOT_COUNTED ? 1 : event.u.map.ptes;
  uint32_t first = lockstep_.first_page_of(event, folio.nr_pages);
  if (first == SWAPTRAIL_PAGE_UNKNOWN) first = 0;
  const bool beyond = first + ptes > folio.nr_pages || ptes == 0 ||
                      (event.u.map.address & 0xfff) != 0 || event.u.map.address == 0;
  if (beyond && !folio.ksm) {
    return fail(FindingKind::kViolation, Rule::kUnmapBeyondFolio, event,
                absl::StrCat(ptes, " entries from page ", event.u.map.first_page, " on, of ",
                             folio.nr_pages, ", at 0x", absl::Hex(event.u.map.address), " of ",
                             event.u.map.owner, ", by CPU ", event.cpu));
  }
  const std::pair<uint32_t, uint64_t> place{event.u.map.owner, event.u.map.address};
  const bool again = std::find(mapped_.begin(), mapped_.end(), place) != mapped_.end();
  if (again && event.u.map.owner != 0 && !folio.ksm) {
    return fail(FindingKind::kViolation, Rule::kUnmapBeyondFolio, event, "the same entry again");
  }
  mapped_.push_back(place);
  users_ += ptes;
  record_.read_in = record_.account.dropped = false;
  record_.account.note(SWAPTRAIL_UNMAPPED_ONE, event);
  lockstep_.map_slots(record_, event);
}

bool ObservedPass::extra_reference(Folio&) {
  if (peek() != nullptr) return false;
  lockstep_.take(Taken::kExtraReference);
  return true;
}

bool ObservedPass::has_user(Folio& folio) {
  const bool deleted = next_is(SWAPTRAIL_CACHE_DELETED);
  if (deleted) lockstep_.take(Taken::kNoUser);
  // A slot that nobody refers to is given back at once, and the page is not written.
  const bool unused = fresh_slot_ && folio.anon && users_ == 0;
  if (!deleted && unused && !failed_ && next_ < events_.size()) {
    fail(FindingKind::kLoss, Rule::kStageMissing, events_[next_],
         "written, and no page table refers to its new slot: unmapped_one is missing");
  }
  return !deleted;
}

bool ObservedPass::prepares(Folio&) {
  const Event* end = ending();
  const bool error = end != nullptr && end->result < 0;
  if (error) lockstep_.take(Taken::kWriteFailed);
  return !error;
}

bool ObservedPass::zero_filled(Folio&) {
  const Event* end = ending();
  const bool zero =
      end != nullptr && end->result == 0 && end->u.page.backend == SWAPTRAIL_BACKEND_ZERO;
  if (zero) lockstep_.take(Taken::kZeroFilled);
  return zero;
}

bool ObservedPass::zswap_stores(Folio& folio) {
  if (!next_is(SWAPTRAIL_ZSWAP_STORED)) return false;
  const Event& event = events_[next_++];
  lockstep_.take(Taken::kZswapStored);
  check(event, folio, 0, SWAPTRAIL_BACKEND_UNKNOWN);
  lockstep_.store_slots(record_, true);
  return true;
}

bool ObservedPass::zswap_only(Folio&) {
  const Event* end = ending();
  const bool refused = end != nullptr && end->result == kWritepageActivate;
  if (refused) lockstep_.take(Taken::kRefused);
  return refused;
}

void ObservedPass::device_write(Folio& folio) {
  folio.writeback = true;
  const Event* next = peek(false);
  const bool refused =
      next != nullptr && next->kind == SWAPTRAIL_WRITE_COMPLETED && folio.nr_pages > 1 &&
      lockstep_.options_.features.tries_rw_page &&
      std::count_if(events_.begin() + static_cast<ptrdiff_t>(next_), events_.end(),
                    [](const Event& event) { return event.kind == SWAPTRAIL_WRITE_COMPLETED; }) > 1;
  if (refused) {
    lockstep_.apply(record_, *next);
    ++next_;
    folio.writeback = true;
  }
  peek();  // applies a completion that comes before the end
}

bool ObservedPass::relock(Folio&) { return peek() != nullptr; }

bool ObservedPass::freeze(Folio& folio) {
  const Event* next = peek();
  if (next == nullptr || next->kind != SWAPTRAIL_REMOVED)
    return true;  // report() says what is wrong
  if (next->result == 1) return true;
  lockstep_.take(Taken::kExtraReference);
  if ((next->state & SWAPTRAIL_STATE_DIRTY) && !folio.dirty) {
    lockstep_.take(Taken::kDirtied);
    folio.dirty = true;
  }
  return false;
}

void ObservedPass::leave_cache(Folio& folio, bool reclaimed) {
  if (failed_) return;
  if (reclaimed) {
    const Event* next = peek();
    if (next != nullptr && next->kind == SWAPTRAIL_REMOVED) lockstep_.check_removed(record_, *next);
  }
  lockstep_.uncache_slots(folio.entry, folio.nr_pages, folio.address);
}

// ---- what must come ------------------------------------------------------------------------------

void ObservedPass::report(swaptrail_kind kind, const Folio& folio, int32_t result,
                          uint8_t backend) {
  if (failed_) return;
  const Event* next = peek(kind != SWAPTRAIL_WRITE_COMPLETED);
  if (next == nullptr || next->kind != kind) return missed(kind, next);
  ++next_;
  check(*next, folio, result, backend);
  if (failed_) return;
  seen_ |= bit(kind);
  if (kind == SWAPTRAIL_UNMAPPED) {
    record_.read_in = record_.account.dropped = false;
    if (folio.mapped == 0) record_.from_swap = false;
  }
  ++lockstep_.counters.predictions;
  record_.account.note(kind, *next);
  if (kind == SWAPTRAIL_SLOT_ALLOCATED && result == 0) lockstep_.claim_slots(record_, *next);
  const bool hidden_slot = !folio.anon && lockstep_.options_.features.shmem_slot_hidden;
  if (kind == SWAPTRAIL_WRITE_BEGIN && fresh_slot_ && hidden_slot) {
    lockstep_.claim_slots(record_, *next);
  }
  if (kind == SWAPTRAIL_WRITE_BEGIN) record_.account.entry = folio.entry;
  if (kind == SWAPTRAIL_WRITE_END && backend == SWAPTRAIL_BACKEND_ZERO) {
    lockstep_.store_slots(record_, true);
  }
}

// The next event is not the one that must come according to the steps.
void ObservedPass::missed(uint8_t kind, const Event* next) {
  if (next == nullptr) {
    // The pass ends here. Only a loss can hide what comes after a pass of the same thread.
    Event last = events_.back();
    return fail(FindingKind::kLoss, Rule::kStageMissing, last,
                absl::StrCat("after it must come ", std::string(kind_name(kind))));
  }
  const std::string text = absl::StrCat("expected ", std::string(kind_name(kind)));
  const bool again = seen_ & bit(next->kind);
  const bool other_way = next->kind == SWAPTRAIL_WRITE_END && comes_later(SWAPTRAIL_ZSWAP_STORED);
  if (comes_later(kind) || again || other_way) {
    return fail(FindingKind::kViolation, order_rule(next->kind, record_.model), *next, text);
  }
  const bool zero = next->kind == SWAPTRAIL_WRITE_ISSUED && kind == SWAPTRAIL_WRITE_END;
  if (zero) return fail(FindingKind::kViolation, Rule::kZeroWithIo, *next, text);
  const Rule rule = order_rule(next->kind, record_.model);
  const bool loss = rule == Rule::kStageOrder;
  fail(loss ? FindingKind::kLoss : FindingKind::kViolation, loss ? Rule::kStageMissing : rule,
       *next, absl::StrCat(text, ", which does not come"));
}

void ObservedPass::check(const Event& event, const Folio& folio, int32_t result, uint8_t backend) {
  if (failed_) return;
  if (event.nr_pages != folio.nr_pages) {
    return fail(FindingKind::kViolation, Rule::kPagesChanged, event,
                absl::StrCat("model: ", folio.nr_pages, ", observed: ", event.nr_pages));
  }
  if (event.entry != folio.entry) {
    return fail(FindingKind::kViolation, Rule::kEntryChanged, event,
                absl::StrCat("model: ", entry_type(folio.entry), ":", entry_offset(folio.entry)));
  }
  if (event.kind == SWAPTRAIL_WRITE_END && event.u.page.backend != backend) {
    return fail(
        FindingKind::kViolation, Rule::kBackendWrong, event,
        absl::StrCat("model: ", std::string(backend_name(backend)), ", observed: ",
                     std::string(backend_name(static_cast<uint8_t>(event.u.page.backend)))));
  }
  if (!check_state(event, folio)) return;
  if (event.result != result) {
    return fail(FindingKind::kViolation, Rule::kStageOrder, event,
                absl::StrCat("result: model ", result, ", observed ", event.result));
  }
}

bool ObservedPass::check_state(const Event& event, const Folio& folio) {
  // A fault that maps a page that was read in makes it anonymous.
  const bool mapped_since = !record_.kind_known && record_.mapped_once;
  const uint16_t open = mapped_since ? SWAPTRAIL_STATE_ANON | SWAPTRAIL_STATE_KSM : 0;
  const uint16_t expected = flags_of(folio) & ~open;
  const uint16_t observed = event.state & kFlags & ~open;
  const bool mapped = (event.state & SWAPTRAIL_STATE_MAPPED) && event.kind != SWAPTRAIL_UNMAPPED;
  if (expected == observed && !mapped) return true;
  const bool done = (expected & SWAPTRAIL_STATE_WRITEBACK) &&
                    !(observed & SWAPTRAIL_STATE_WRITEBACK) &&
                    event.kind != SWAPTRAIL_WRITE_COMPLETED;
  Rule rule = done ? Rule::kCompletionLost : Rule::kStateWrong;
  if (event.kind == SWAPTRAIL_REMOVED && event.result == 1) {
    if (observed & SWAPTRAIL_STATE_WRITEBACK) rule = Rule::kRemovedUnderWriteback;
    if (observed & SWAPTRAIL_STATE_DIRTY) rule = Rule::kRemovedDirty;
  }
  const FindingKind kind =
      rule == Rule::kCompletionLost ? FindingKind::kLoss : FindingKind::kViolation;
  fail(kind, rule, event,
       absl::StrCat("model: ", flag_names(expected), "; observed: ", flag_names(observed)));
  return false;
}

std::string ObservedPass::observed() const {
  std::string text = "; observed:";
  for (const Event& event : events_) {
    absl::StrAppend(&text, " ", std::string(kind_name(event.kind)));
  }
  return text;
}

void ObservedPass::fail(FindingKind kind, Rule rule, const Event& event, std::string text) {
  if (failed_) return;
  failed_ = true;
  record_.account.unsure = true;
  record_.lost_track = true;
  record_.lost_completion = rule == Rule::kCompletionLost;
  const bool known =
      !lockstep_.hidden(batch_.begin_ns) &&
      !lockstep_.hidden(std::min<uint64_t>(record_.last_ns, events_.front().time_ns));
  if (known) lockstep_.find(kind, rule, event, text + observed(), &record_);
  give_up();
}

// The model continues from what was observed last.
void ObservedPass::resynchronise() {
  const auto own = std::find_if(events_.rbegin(), events_.rend(),
                                [this](const Event& event) { return is_own(event); });
  if (own == events_.rend()) return;
  Folio& folio = record_.model;
  folio.swapcache = own->state & SWAPTRAIL_STATE_SWAPCACHE;
  folio.dirty = own->state & SWAPTRAIL_STATE_DIRTY;
  folio.writeback = own->state & SWAPTRAIL_STATE_WRITEBACK;
  folio.nr_pages = pages_of(*own);
  folio.entry = folio.swapcache ? own->entry : 0;
  folio.mapped = 0;
  for (const Event& event : events_) {
    const bool stored =
        event.kind == SWAPTRAIL_ZSWAP_STORED ||
        (event.kind == SWAPTRAIL_WRITE_COMPLETED && !(event.state & SWAPTRAIL_STATE_DIRTY)) ||
        (event.kind == SWAPTRAIL_WRITE_END && event.result == 0 &&
         event.u.page.backend == SWAPTRAIL_BACKEND_ZERO);
    if (stored) lockstep_.store_slots(event.entry, pages_of(event), true);
  }
  if (!folio.swapcache) lockstep_.uncache_slots(own->entry, own->nr_pages, folio.address);
}

}  // namespace swaptrail::engine
