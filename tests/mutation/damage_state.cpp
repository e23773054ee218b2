// What an event says of its folio, of the write, and of the outcome.
#include "tests/mutation/damage.h"

namespace swaptrail::mutation {
namespace {

constexpr int32_t kWritepageActivate = 0x80000;  // AOP_WRITEPAGE_ACTIVATE
constexpr int32_t kNoMemory = -12, kIoError = -5;

bool has_state(const Original& original, size_t at, uint32_t bits) {
  return at != kNone && (original.event(at).state & bits) == bits;
}

bool is_removal(const swaptrail_event& event) {
  return event.kind == SWAPTRAIL_REMOVED && event.result == 1;
}

template <uint32_t kBits>
void flip(Change& change, size_t at) {
  change.edit(at).state ^= kBits;
}

// Dirty: only the begin of a write clears it, and nobody can set it between two events of a folio
// that is locked and unmapped. So it was dirty if it was dirty just before, or if a write follows.
bool must_be_dirty(const Original& original, size_t at) {
  if (!has_state(original, at, SWAPTRAIL_STATE_DIRTY)) return false;
  const size_t next = original.next_in_pass(at);
  const bool written_next = next != kNone && original.event(next).kind == SWAPTRAIL_WRITE_BEGIN &&
                            original.event(at).kind == SWAPTRAIL_UNMAPPED;
  return has_state(original, original.prev_in_pass(at), SWAPTRAIL_STATE_DIRTY) || written_next;
}

// ... and it was not dirty if it is clean just after and no write begins there, or if it is freed.
bool must_be_clean(const Original& original, size_t at) {
  if (has_state(original, at, SWAPTRAIL_STATE_DIRTY)) return false;
  if (is_removal(original.event(at))) return true;
  const size_t next = original.next_of_folio(at);
  if (next == kNone || original.event(next).entry != original.event(at).entry) return false;
  const bool cleared =
      is_kind(original.event(next),
              kinds(SWAPTRAIL_WRITE_BEGIN, SWAPTRAIL_SWAP_READ, SWAPTRAIL_SLOT_ALLOCATED));
  return !cleared && !has_state(original, next, SWAPTRAIL_STATE_DIRTY);
}

// Writeback, at the return of the write: the completion is still to come, and the thread has made
// another event before it (it read the state before that).
bool must_be_under_writeback(const Original& original, size_t at) {
  if (!has_state(original, at, SWAPTRAIL_STATE_WRITEBACK)) return false;
  if (original.event(at).kind == SWAPTRAIL_WRITE_COMPLETED) return true;
  const size_t next = original.next_of_folio(at);
  const size_t own = original.next_of_thread(at);
  return next != kNone && own != kNone && original.event(next).kind == SWAPTRAIL_WRITE_COMPLETED &&
         own < next;
}

// Reclaim never reaches this point with a folio under writeback, and a write that the same thread
// completed is over.
bool must_not_be_under_writeback(const Original& original, size_t at) {
  return !has_state(original, at, SWAPTRAIL_STATE_WRITEBACK) &&
         (original.event(at).kind != SWAPTRAIL_WRITE_END || goes_on(original, at));
}

// The hooks fill in the entry only if this bit is set, except at the removal and a read. A read
// that bypasses the cache leaves no folio in it.
bool must_be_cached(const Original& original, size_t at) {
  if (!has_state(original, at, SWAPTRAIL_STATE_SWAPCACHE)) return false;
  if (original.event(at).kind != SWAPTRAIL_SWAP_READ) return true;
  const size_t next = original.next_of_folio(at);
  return next != kNone && original.event(next).entry == original.event(at).entry;
}

bool must_not_be_cached(const Original& original, size_t at) {
  return !has_state(original, at, SWAPTRAIL_STATE_SWAPCACHE) &&
         (is_removal(original.event(at)) || original.event(at).entry == 0);
}

bool succeeded_and_goes_on(const Original& original, size_t at) {
  return original.event(at).result == 0 && goes_on(original, at);
}

template <int kBackend>
bool went_to(const Original& original, size_t at) {
  return original.event(at).u.page.backend == kBackend && original.event(at).result == 0;
}

template <int kBackend>
void say_backend(Change& change, size_t at) {
  change.edit(at).u.page.backend = kBackend;
}

// The hook read the state after the call: a folio that was kept is still in the cache.
bool was_removed(const Original& original, size_t at) { return is_removal(original.event(at)); }

// Reported as a failure in every field; later it is seen that the folio was gone.
bool removed_and_read_later(const Original& original, size_t at) {
  if (!was_removed(original, at)) return false;
  const size_t next = original.next_of_entry(at, original.event(at).entry,
                                             kFolioKinds | kinds(SWAPTRAIL_SLOT_FREED));
  return next != kNone &&
         is_kind(original.event(next), kinds(SWAPTRAIL_SWAP_READ, SWAPTRAIL_SLOT_FREED));
}

void say_kept(Change& change, size_t at) {
  swaptrail_event& event = change.edit(at);
  event.result = 0;
  event.state |= SWAPTRAIL_STATE_SWAPCACHE;
}

void say_no_slot(Change& change, size_t at) {
  swaptrail_event& event = change.edit(at);
  event.result = kNoMemory;
  event.entry = 0;
  event.state &= ~SWAPTRAIL_STATE_SWAPCACHE;
}

constexpr uint32_t kWriteEnd = kinds(SWAPTRAIL_WRITE_END);
constexpr uint32_t kRemoved = kinds(SWAPTRAIL_REMOVED);
constexpr uint32_t kSeenInCache =
    kPassKinds | kinds(SWAPTRAIL_WRITE_COMPLETED, SWAPTRAIL_CACHE_DELETED, SWAPTRAIL_SWAP_READ);
constexpr uint32_t kDevice = SWAPTRAIL_BACKEND_DEVICE, kZswap = SWAPTRAIL_BACKEND_ZSWAP;
constexpr RuleSet kWrongState(Rule::kStateWrong, Rule::kBadEvent);
constexpr RuleSet kWrongBackend(Rule::kBackendWrong, Rule::kZeroWithIo);

constexpr Damage backend(std::string_view name, std::string_view meaning,
                         bool (*went)(const Original&, size_t), void (*say)(Change&, size_t)) {
  return {name, meaning, kWriteEnd, went, say, Shape::kEdited, kUnion, kWrongBackend, false};
}

constexpr Damage kStateDamages[] = {
    {"dirty_lost", "a dirty folio is said to be clean", kPassKinds, must_be_dirty,
     flip<SWAPTRAIL_STATE_DIRTY>, Shape::kEdited, kState,
     RuleSet(Rule::kStateWrong, Rule::kStageOrder), false},
    {"dirty_gained", "a clean folio is said to be dirty", kSeenInCache, must_be_clean,
     flip<SWAPTRAIL_STATE_DIRTY>, Shape::kEdited, kState,
     RuleSet(Rule::kStateWrong, Rule::kRemovedDirty, Rule::kRemovedUnwritten, Rule::kStageMissing,
             Rule::kStageOrder),
     false},
    {"writeback_lost", "a folio that is written is said not to be",
     kinds(SWAPTRAIL_WRITE_END, SWAPTRAIL_WRITE_COMPLETED), must_be_under_writeback,
     flip<SWAPTRAIL_STATE_WRITEBACK>, Shape::kEdited, kState,
     RuleSet(Rule::kStateWrong, Rule::kCompletedWithoutWrite), false},
    {"writeback_gained", "a folio is said to be written and is not", kPassKinds,
     must_not_be_under_writeback, flip<SWAPTRAIL_STATE_WRITEBACK>, Shape::kEdited, kState,
     RuleSet(Rule::kStateWrong, Rule::kRemovedUnderWriteback, Rule::kStageOrder), false},
    {"swapcache_lost", "a folio in the swap cache is said to be outside", kSeenInCache,
     must_be_cached, flip<SWAPTRAIL_STATE_SWAPCACHE>, Shape::kEdited, kState,
     RuleSet(Rule::kStateWrong, Rule::kBadEvent, Rule::kWriteBeforeSlot, Rule::kUnknownFolio),
     false},
    {"swapcache_gained", "a folio outside is said to be in the swap cache", kPassKinds,
     must_not_be_cached, flip<SWAPTRAIL_STATE_SWAPCACHE>, Shape::kEdited, kState, kWrongState,
     false},
    {"mapped_gained", "a folio that is written or removed was left mapped",
     kinds(SWAPTRAIL_UNMAPPED), goes_on, flip<SWAPTRAIL_STATE_MAPPED>, Shape::kEdited, kState,
     RuleSet(Rule::kWriteWhileMapped, Rule::kRemovedWhileMapped, Rule::kStageOrder,
             Rule::kStateWrong),
     false},
    // bpf/event.h: set only by UNMAPPED
    {"mapped_elsewhere", "an event that cannot know says that it is mapped",
     kSeenInCache & ~kinds(SWAPTRAIL_UNMAPPED), anywhere, flip<SWAPTRAIL_STATE_MAPPED>,
     Shape::kEdited, kState, kWrongState, false},
    // what kind of page it is does not change in a pass
    {"anon_flipped", "anonymous for shmem, or the other way round", kPassKinds, in_the_middle,
     flip<SWAPTRAIL_STATE_ANON>, Shape::kEdited, kState, kWrongState, false},
    {"ksm_gained", "a private page is said to be shared by KSM", kPassKinds, in_the_middle,
     flip<SWAPTRAIL_STATE_KSM>, Shape::kEdited, kState, kWrongState, false},
    {"swapbacked_lost", "a page on its way to swap is said to be a file's", kPassKinds, anywhere,
     flip<SWAPTRAIL_STATE_SWAPBACKED>, Shape::kEdited, kState, kWrongState, false},

    backend("device_to_zero", "zero-filled, although the device was told", went_to<kDevice>,
            say_backend<SWAPTRAIL_BACKEND_ZERO>),
    backend("device_to_zswap", "in zswap, which did not take it", went_to<kDevice>,
            say_backend<kZswap>),
    backend("device_to_none", "nowhere, although the device was told", went_to<kDevice>,
            say_backend<SWAPTRAIL_BACKEND_NONE>),
    backend("device_to_unknown", "not known, inside a batch that is", went_to<kDevice>,
            say_backend<SWAPTRAIL_BACKEND_UNKNOWN>),
    backend("zswap_to_device", "on the device, which was not told", went_to<kZswap>,
            say_backend<kDevice>),
    backend("zswap_to_none", "nowhere, although zswap took it", went_to<kZswap>,
            say_backend<SWAPTRAIL_BACKEND_NONE>),

    {"removed_denied", "removed and said to be kept, with the state of one removed", kRemoved,
     was_removed, [](Change& change, size_t at) { change.edit(at).result = 0; }, Shape::kEdited,
     kResult, kWrongState, false},
    {"removed_denied_well", "removed and said to be kept", kRemoved, removed_and_read_later,
     say_kept, Shape::kEdited, kResult | kState,
     RuleSet(Rule::kReadWhileCached, Rule::kSlotFreedWhileCached, Rule::kStageMissing,
             Rule::kStateWrong, Rule::kEntryChanged),
     true},
    {"slot_denied", "a folio goes on with a slot that was refused", kinds(SWAPTRAIL_SLOT_ALLOCATED),
     succeeded_and_goes_on, say_no_slot, Shape::kEdited, kResult | kEntry | kState,
     RuleSet(Rule::kWriteBeforeSlot, Rule::kStageOrder, Rule::kEntryChanged, Rule::kStateWrong),
     false},
    // a device that was reported, or zswap that took it, is not an error; and a refusal ends the pass
    {"write_failed", "an error, with the state of a write that went well", kWriteEnd,
     [](const Original& original, size_t at) { return original.event(at).result == 0; },
     [](Change& change, size_t at) { change.edit(at).result = kIoError; }, Shape::kEdited, kResult,
     RuleSet(Rule::kStateWrong, Rule::kBackendWrong, Rule::kStageOrder, Rule::kRemovedUnwritten),
     false},
    {"write_refused", "a refusal, with the state of a write that went well", kWriteEnd,
     [](const Original& original, size_t at) { return original.event(at).result == 0; },
     [](Change& change, size_t at) { change.edit(at).result = kWritepageActivate; }, Shape::kEdited,
     kResult,
     RuleSet(Rule::kStateWrong, Rule::kBackendWrong, Rule::kStageOrder, Rule::kRemovedUnwritten),
     false},
};

}  // namespace

std::span<const Damage> state_damages() { return kStateDamages; }

}  // namespace swaptrail::mutation
