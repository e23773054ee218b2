// Whose reclaim it was, and what it came to.
#include "tests/mutation/damage.h"

namespace swaptrail::mutation {
namespace {

constexpr size_t kProbes = 4096;

// An event of another batch, near or far; kNone if there is one batch only.
size_t of_other_batch(const Original& original, size_t at, size_t from) {
  const uint64_t own = original.event(at).batch_ns;
  const size_t probes = original.size() < kProbes ? original.size() : kProbes;
  for (size_t i = 0; i < original.size(); ++i) {
    const size_t other = (from + i * (i < probes ? 1 : 7)) % original.size();
    const uint64_t batch = original.event(other).batch_ns;
    if (batch != 0 && batch != own) return other;
  }
  return kNone;
}

// A batch that is not running: it was ended before, or is still to begin.
bool has_other_batch(const Original& original, size_t at) {
  return of_other_batch(original, at, 0) != kNone;
}

void name_other_batch(Change& change, size_t at) {
  const size_t from = change.random().below(change.original().size());
  change.edit(at).batch_ns = change.before(of_other_batch(change.original(), at, from)).batch_ns;
}

void change_thread(Change& change, size_t at) {
  swaptrail_event& event = change.edit(at);
  do {
    event.tid = change.random().between(1, 4'000'000);
  } while (change.original().names_thread(event.tid));
  event.tgid = event.tid;
}

void change_origin(Change& change, size_t at) {
  swaptrail_event& event = change.edit(at);
  const uint64_t step = change.random().between(1, SWAPTRAIL_ORIGIN_DAMON - 1);
  event.origin = (event.origin - 1 + step) % SWAPTRAIL_ORIGIN_DAMON + 1;
}

// The recorder fills it from the thread's batch; an interrupt's and a reader's events have none.
void give_batch(Change& change, size_t at) {
  const size_t from = change.random().below(change.original().size());
  const size_t other = of_other_batch(change.original(), at, from);
  swaptrail_event& event = change.edit(at);
  event.batch_ns = change.before(other).batch_ns;
  event.origin = change.before(other).origin;
}

uint64_t pages_removed(const Original& original, size_t end) {
  const size_t begin = original.batch_begin(end);
  uint64_t pages = 0;
  for (size_t at = begin; begin != kNone && at < end; ++at) {
    const swaptrail_event& event = original.event(at);
    const bool own = event.batch_ns == original.event(end).batch_ns;
    if (own && event.kind == SWAPTRAIL_REMOVED && event.result == 1) pages += event.nr_pages;
  }
  return pages;
}

bool removed_some(const Original& original, size_t end) { return pages_removed(original, end) > 0; }

void reclaim_less(Change& change, size_t at) {
  change.edit(at).result = change.random().below(pages_removed(change.original(), at));
}

bool counts_scanned(const Original& original, size_t end) {
  return original.event(end).u.end.nr_scanned != ~uint32_t{0};
}

void reclaim_more_than_scanned(Change& change, size_t at) {
  change.edit(at).result = change.before(at).u.end.nr_scanned + change.random().between(1, 64);
}

constexpr uint32_t kBatchless = kinds(SWAPTRAIL_WRITE_COMPLETED, SWAPTRAIL_SWAP_READ);

constexpr Damage kBatchDamages[] = {
    {"batch_to_other", "an event names a batch that is not running", kPassKinds, has_other_batch,
     name_other_batch, Shape::kEdited, kBatch,
     RuleSet(Rule::kBatchNotBegun, Rule::kBatchNotEnded, Rule::kBatchOtherThread, Rule::kBadEvent),
     false},
    // a batch is one call of one thread
    {"batch_other_thread", "an event of a batch is of another thread", kPassKinds, anywhere,
     change_thread, Shape::kEdited, kThread, RuleSet(Rule::kBatchOtherThread, Rule::kBatchNotBegun),
     false},
    // these hooks fill in the batch of their thread, which is running: its begin and end surround
    // them
    {"batch_forgotten", "an event inside a batch names none", kPassKinds, anywhere,
     [](Change& change, size_t at) {
       swaptrail_event& event = change.edit(at);
       event.batch_ns = 0;
       event.origin = SWAPTRAIL_ORIGIN_NONE;
     },
     Shape::kEdited, kBatch | kOrigin,
     RuleSet(Rule::kBadEvent, Rule::kBatchNotBegun, Rule::kBatchNotEnded, Rule::kBatchOtherThread),
     false},
    {"batch_given", "a completion or a read names a batch", kBatchless, has_other_batch, give_batch,
     Shape::kEdited, kBatch | kOrigin,
     RuleSet(Rule::kBadEvent, Rule::kBatchNotBegun, Rule::kBatchNotEnded, Rule::kBatchOtherThread),
     false},
    // all events of a batch have the origin that was found at its begin
    {"origin_changed", "an event of a batch has another origin than its begin",
     kPassKinds | kinds(SWAPTRAIL_RECLAIM_END), anywhere, change_origin, Shape::kEdited, kOrigin,
     RuleSet(Rule::kBatchOtherThread, Rule::kBatchNotBegun, Rule::kBadEvent, Rule::kStateWrong),
     false},
    // every folio removed from the swap cache by reclaim is counted
    {"reclaimed_less", "a batch reclaimed fewer pages than were removed in it",
     kinds(SWAPTRAIL_RECLAIM_END), removed_some, reclaim_less, Shape::kEdited, kResult,
     RuleSet(Rule::kBatchReclaimedLess), false},
    // both count base pages, and a page is looked at before it is reclaimed
    {"reclaimed_unscanned", "a batch reclaimed more pages than it scanned",
     kinds(SWAPTRAIL_RECLAIM_END), counts_scanned, reclaim_more_than_scanned, Shape::kEdited,
     kResult, RuleSet(Rule::kBatchUnscanned), false},
};

}  // namespace

std::span<const Damage> batch_damages() { return kBatchDamages; }

}  // namespace swaptrail::mutation
