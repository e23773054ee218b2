// Events of one folio in an order in which the kernel cannot have done them.
#include "tests/mutation/damage.h"

namespace swaptrail::mutation {
namespace {

// Both are of the same thread, in one pass: it does them one after the other (mm/vmscan.c,
// mm/page_io.c), so that the order alone is the contradiction.
template <int kNext>
bool next_is(const Original& original, size_t at) {
  const size_t next = original.next_in_pass(at);
  return next != kNone && original.event(next).kind == kNext &&
         original.event(next).tid == original.event(at).tid;
}

void exchange_with_next(Change& change, size_t at) {
  change.exchange(at, change.original().next_in_pass(at));
}

// A synchronous device is done inside the call: the folio's next event, by the same thread.
template <int kNext>
bool next_of_folio_is(const Original& original, size_t at) {
  const size_t next = original.next_of_folio(at);
  return next != kNone && original.event(next).kind == kNext &&
         original.event(next).tid == original.event(at).tid;
}

void exchange_with_next_of_folio(Change& change, size_t at) {
  change.exchange(at, change.original().next_of_folio(at));
}

// The slot is freed because its folio left the cache: by the same thread, right behind.
bool slot_freed_next(const Original& original, size_t at) {
  const size_t next = original.next_of_thread(at);
  return next != kNone && original.event(next).kind == SWAPTRAIL_SLOT_FREED &&
         original.event(next).entry == original.event(at).entry;
}

void exchange_with_next_of_thread(Change& change, size_t at) {
  change.exchange(at, change.original().next_of_thread(at));
}

size_t write_begin_of(const Original& original, size_t completed) {
  for (size_t at = original.prev_of_folio(completed); at != kNone;
       at = original.prev_of_folio(at)) {
    if (original.event(at).kind == SWAPTRAIL_WRITE_BEGIN) return at;
    if (is_kind(original.event(at), kinds(SWAPTRAIL_WRITE_COMPLETED, SWAPTRAIL_SWAP_READ))) break;
  }
  return kNone;
}

bool write_was_seen(const Original& original, size_t at) {
  return write_begin_of(original, at) != kNone;
}

// A later pass frees the folio, or a process takes it out of the cache.
bool leaves_cache_next(const Original& original, size_t at) {
  const size_t next = original.next_of_folio(at);
  return next != kNone &&
         is_kind(original.event(next), kinds(SWAPTRAIL_REMOVED, SWAPTRAIL_CACHE_DELETED));
}

constexpr Damage exchanged(std::string_view name, std::string_view meaning, int kind,
                           bool (*eligible)(const Original&, size_t), RuleSet right) {
  return {name,          meaning, kind_mask(kind), eligible, exchange_with_next,
          Shape::kMoved, 0,       right,           false};
}

// kUnknownFolio: of what comes after a removal that was too early.
constexpr Damage kOrderDamages[] = {
    exchanged("unmapped_one_before_slot", "a mapping is replaced, then the slot allocated",
              SWAPTRAIL_SLOT_ALLOCATED, next_is<SWAPTRAIL_UNMAPPED_ONE>,
              RuleSet(Rule::kSlotTwice, Rule::kStageOrder)),
    exchanged("shmem_slot_before_unmapped", "shmem gets its slot before it is unmapped",
              SWAPTRAIL_UNMAPPED, next_is<SWAPTRAIL_SLOT_ALLOCATED>,
              RuleSet(Rule::kStageOrder, Rule::kStateWrong)),
    exchanged("unmapped_before_one", "unmapping ends, then a mapping is replaced",
              SWAPTRAIL_UNMAPPED_ONE, next_is<SWAPTRAIL_UNMAPPED>, RuleSet(Rule::kStageOrder)),
    exchanged("write_before_unmapped", "the write begins before it is unmapped", SWAPTRAIL_UNMAPPED,
              next_is<SWAPTRAIL_WRITE_BEGIN>,
              RuleSet(Rule::kWriteWhileMapped, Rule::kStageOrder, Rule::kWriteBeforeSlot)),
    exchanged("write_before_slot", "the write of shmem begins before it has a slot",
              SWAPTRAIL_SLOT_ALLOCATED, next_is<SWAPTRAIL_WRITE_BEGIN>,
              RuleSet(Rule::kWriteBeforeSlot, Rule::kStageOrder, Rule::kSlotTwice)),
    exchanged("removed_before_unmapped", "a clean folio is removed before it is unmapped",
              SWAPTRAIL_UNMAPPED, next_is<SWAPTRAIL_REMOVED>,
              RuleSet(Rule::kRemovedWhileMapped, Rule::kStageOrder, Rule::kUnknownFolio)),
    exchanged("issued_before_begin", "the device is told before the write begins",
              SWAPTRAIL_WRITE_BEGIN, next_is<SWAPTRAIL_WRITE_ISSUED>, RuleSet(Rule::kStageOrder)),
    exchanged("stored_before_begin", "zswap takes it before the write begins",
              SWAPTRAIL_WRITE_BEGIN, next_is<SWAPTRAIL_ZSWAP_STORED>, RuleSet(Rule::kStageOrder)),
    exchanged("end_before_issued", "the write returns before the device is told",
              SWAPTRAIL_WRITE_ISSUED, next_is<SWAPTRAIL_WRITE_END>,
              RuleSet(Rule::kStageOrder, Rule::kBackendWrong)),
    exchanged("end_before_stored", "the write returns before zswap takes it",
              SWAPTRAIL_ZSWAP_STORED, next_is<SWAPTRAIL_WRITE_END>,
              RuleSet(Rule::kStageOrder, Rule::kBackendWrong)),
    exchanged("removed_before_end", "removed before the write returns", SWAPTRAIL_WRITE_END,
              next_is<SWAPTRAIL_REMOVED>,
              RuleSet(Rule::kStageOrder, Rule::kRemovedUnderWriteback, Rule::kRemovedUnwritten,
                      Rule::kUnknownFolio)),
    {"completed_before_issued", "the device is done before it is told",
     kinds(SWAPTRAIL_WRITE_ISSUED), next_of_folio_is<SWAPTRAIL_WRITE_COMPLETED>,
     exchange_with_next_of_folio, Shape::kMoved, 0,
     RuleSet(Rule::kCompletedWithoutWrite, Rule::kStageOrder), false},
    {"freed_before_deleted", "a slot is freed before its folio leaves the cache",
     kinds(SWAPTRAIL_CACHE_DELETED), slot_freed_next, exchange_with_next_of_thread, Shape::kMoved,
     0, RuleSet(Rule::kSlotFreedWhileCached), false},
    {"completed_before_write", "the completion comes before the write begins",
     kinds(SWAPTRAIL_WRITE_COMPLETED), write_was_seen,
     [](Change& change, size_t at) { change.move(at, write_begin_of(change.original(), at)); },
     Shape::kMoved, 0, RuleSet(Rule::kCompletedWithoutWrite, Rule::kStateWrong), false},
    {"completed_after_leaving", "the completion comes after it left the cache",
     kinds(SWAPTRAIL_WRITE_COMPLETED), leaves_cache_next,
     [](Change& change, size_t at) { change.move(at, change.original().next_of_folio(at) + 1); },
     Shape::kMoved, 0,
     RuleSet(Rule::kRemovedUnderWriteback, Rule::kCompletedWithoutWrite, Rule::kStateWrong), false},
};

}  // namespace

std::span<const Damage> order_damages() { return kOrderDamages; }

}  // namespace swaptrail::mutation
