#include "tests/sim/programs.h"

#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::sim {
namespace {

constexpr uint64_t kGroups[] = {
    lifecycles::kind_bit(SWAPTRAIL_SLOT_ALLOCATED),
    lifecycles::kind_bit(SWAPTRAIL_UNMAPPED_ONE),
    lifecycles::kind_bit(SWAPTRAIL_UNMAPPED),
    lifecycles::kind_bit(SWAPTRAIL_WRITE_BEGIN) | lifecycles::kind_bit(SWAPTRAIL_WRITE_END),
    lifecycles::kind_bit(SWAPTRAIL_ZSWAP_STORED),
    lifecycles::kind_bit(SWAPTRAIL_WRITE_ISSUED),
    lifecycles::kind_bit(SWAPTRAIL_WRITE_COMPLETED),
    lifecycles::kind_bit(SWAPTRAIL_REMOVED),
    lifecycles::kind_bit(SWAPTRAIL_CACHE_DELETED),
    lifecycles::kind_bit(SWAPTRAIL_SLOT_FREED),
    lifecycles::kind_bit(SWAPTRAIL_SWAP_IN),
    lifecycles::kind_bit(SWAPTRAIL_SWAP_READ),
    lifecycles::kind_bit(SWAPTRAIL_ZSWAP_LOADED),
    lifecycles::kind_bit(SWAPTRAIL_SPLIT),
    // a batch that is followed is seen by all hooks
    lifecycles::kind_bit(SWAPTRAIL_RECLAIM_BEGIN) | lifecycles::kind_bit(SWAPTRAIL_RECLAIM_END),
};

// These look at the batch of their thread, and record nothing outside one.
constexpr uint64_t kOnlyInBatch = lifecycles::kind_bit(SWAPTRAIL_UNMAPPED_ONE) |
                                  lifecycles::kind_bit(SWAPTRAIL_UNMAPPED) |
                                  lifecycles::kind_bit(SWAPTRAIL_REMOVED);

constexpr uint64_t kTellsBackend = lifecycles::kind_bit(SWAPTRAIL_WRITE_ISSUED) |
                                   lifecycles::kind_bit(SWAPTRAIL_ZSWAP_STORED) |
                                   lifecycles::kind_bit(SWAPTRAIL_CACHE_DELETED);

}  // namespace

std::span<const uint64_t> hook_groups() { return kGroups; }

uint64_t visible_without(uint64_t hidden_kinds) {
  const bool no_batches = hidden_kinds & lifecycles::kind_bit(SWAPTRAIL_RECLAIM_BEGIN);
  return lifecycles::kAllKinds & ~hidden_kinds & ~(no_batches ? kOnlyInBatch : 0);
}

Programs::Programs(uint64_t visible_kinds, bool zero_map)
    : zero_map_(zero_map), tells_backend_((visible_kinds & kTellsBackend) == kTellsBackend) {}

void Programs::attach(uint64_t kinds, uint64_t now_ns) {
  attached_ |= kinds;
  if (kinds & lifecycles::kind_bit(SWAPTRAIL_SWAP_IN)) faults_since_ns_ = now_ns;
}

bool Programs::record(swaptrail_event& event) {
  const uint64_t bit = lifecycles::kind_bit(event.kind);
  if (!(attached_ & bit)) return false;
  if (event.kind == SWAPTRAIL_RECLAIM_BEGIN) batches_[event.tid] = Batch{};
  if (event.kind == SWAPTRAIL_SWAP_IN) return event.time_ns - event.u.map.value >= faults_since_ns_;
  const auto found = batches_.find(event.tid);
  const bool in_batch = event.batch_ns != 0 && found != batches_.end();
  if (!in_batch && (bit & kOnlyInBatch)) return false;
  if (!in_batch && event.batch_ns != 0) {
    event.batch_ns = 0;
    event.origin = SWAPTRAIL_ORIGIN_NONE;
    if (event.kind == SWAPTRAIL_RECLAIM_END) event.u.end.nr_scanned = ~0U;
  }
  if (in_batch) follow(found->second, event);
  if (event.kind == SWAPTRAIL_WRITE_END && !in_batch) {
    event.u.page.backend = SWAPTRAIL_BACKEND_UNKNOWN;
  }
  if (event.kind == SWAPTRAIL_RECLAIM_END) batches_.erase(event.tid);
  return true;
}

// What the programs keep between the hooks of one write.
void Programs::follow(Batch& batch, swaptrail_event& event) {
  const bool same = batch.writing == event.folio;
  switch (event.kind) {
    case SWAPTRAIL_WRITE_BEGIN:
      batch = {event.folio, SWAPTRAIL_BACKEND_NONE, false};
      break;
    case SWAPTRAIL_ZSWAP_STORED:
      if (same) batch.backend = SWAPTRAIL_BACKEND_ZSWAP;
      break;
    case SWAPTRAIL_WRITE_ISSUED:
      if (same) batch.backend = SWAPTRAIL_BACKEND_DEVICE;
      break;
    case SWAPTRAIL_CACHE_DELETED:
      batch.slot_gone |= same;
      break;
    case SWAPTRAIL_WRITE_END:
      event.u.page.backend = backend_of(same ? &batch : nullptr, event);
      batch.writing = 0;
      break;
    default:
      break;
  }
}

uint8_t Programs::backend_of(const Batch* batch, const swaptrail_event& event) const {
  if (batch == nullptr) return SWAPTRAIL_BACKEND_UNKNOWN;
  const bool nowhere = batch->backend == SWAPTRAIL_BACKEND_NONE;
  if (!nowhere || event.result != 0 || batch->slot_gone) return batch->backend;
  if (!tells_backend_) return SWAPTRAIL_BACKEND_UNKNOWN;
  return zero_map_ ? SWAPTRAIL_BACKEND_ZERO : SWAPTRAIL_BACKEND_NONE;
}

}  // namespace swaptrail::sim
