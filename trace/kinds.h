// The one table of kinds of events: what each is called, and what its record may carry.
//
// dispatch() hands an event to the function that its receiver has for the kind: the reconstructor and the lockstep are such
// receivers, and one that lacks a function does not compile. A test checks docs/EVENTS.md against this table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "bpf/event.h"
#include "trace/check.h"

namespace swaptrail {

// Which arm of swaptrail_event::u the record uses.
enum class EventArm : uint8_t { kBegin, kEnd, kMap, kPage };

// Whether bpf/stages.bpf.h fills in the reclaim batch of the thread: always if there is one, perhaps, or never.
enum class InBatch : uint8_t { kMust, kMay, kNever };

struct EventKind {
  std::string_view name;  // as it stands in JSON, metrics and text
  swaptrail_kind kind;
  EventArm arm;
  bool folio;        // it is about a folio; if not, `folio` is 0, or the reader's cgroup
  bool reader;       // it is a pass of a fault, or of a read: `folio` holds the reader's cgroup
  InBatch in_batch;  // of mode full and kprobe
  uint16_t states;   // bits of swaptrail_state that it may have
  int32_t results;   // 0 .. this; kAnyResult: not held
};

// Of a set of kinds.
constexpr uint64_t kind_bit(int kind) { return uint64_t{1} << kind; }

inline constexpr int32_t kAnyResult = -1;
inline constexpr uint16_t kFolioStates = SWAPTRAIL_STATE_ANON | SWAPTRAIL_STATE_KSM |
                                         SWAPTRAIL_STATE_SWAPBACKED | SWAPTRAIL_STATE_SWAPCACHE |
                                         SWAPTRAIL_STATE_DIRTY | SWAPTRAIL_STATE_WRITEBACK;

// By kind, from 1 on.
inline constexpr EventKind kEventKinds[] = {
    {"reclaim_begin", SWAPTRAIL_RECLAIM_BEGIN, EventArm::kBegin, false, false, InBatch::kMust, 0,
     0},
    {"reclaim_end", SWAPTRAIL_RECLAIM_END, EventArm::kEnd, false, false, InBatch::kMust, 0,
     kAnyResult},
    {"slot_allocated", SWAPTRAIL_SLOT_ALLOCATED, EventArm::kPage, true, false, InBatch::kMay,
     kFolioStates, kAnyResult},
    {"unmapped_one", SWAPTRAIL_UNMAPPED_ONE, EventArm::kMap, true, false, InBatch::kMust,
     kFolioStates, 1},
    {"unmapped", SWAPTRAIL_UNMAPPED, EventArm::kPage, true, false, InBatch::kMust,
     kFolioStates | SWAPTRAIL_STATE_MAPPED, 0},
    {"write_begin", SWAPTRAIL_WRITE_BEGIN, EventArm::kPage, true, false, InBatch::kMay,
     kFolioStates, 0},
    {"zswap_stored", SWAPTRAIL_ZSWAP_STORED, EventArm::kPage, true, false, InBatch::kMay,
     kFolioStates, 0},
    {"write_issued", SWAPTRAIL_WRITE_ISSUED, EventArm::kPage, true, false, InBatch::kMay,
     kFolioStates, 0},
    {"write_end", SWAPTRAIL_WRITE_END, EventArm::kPage, true, false, InBatch::kMay, kFolioStates,
     kAnyResult},
    {"write_completed", SWAPTRAIL_WRITE_COMPLETED, EventArm::kPage, true, false, InBatch::kNever,
     kFolioStates, 0},
    {"removed", SWAPTRAIL_REMOVED, EventArm::kPage, true, false, InBatch::kMust, kFolioStates, 1},
    {"cache_deleted", SWAPTRAIL_CACHE_DELETED, EventArm::kPage, true, false, InBatch::kMay,
     kFolioStates, 0},
    {"slot_freed", SWAPTRAIL_SLOT_FREED, EventArm::kPage, false, false, InBatch::kMay,
     SWAPTRAIL_STATE_SWAPOFF, 0},
    {"swap_in", SWAPTRAIL_SWAP_IN, EventArm::kMap, false, true, InBatch::kNever,
     SWAPTRAIL_STATE_TRIED | SWAPTRAIL_STATE_VMA_LOCK, kAnyResult},
    {"swap_read", SWAPTRAIL_SWAP_READ, EventArm::kPage, true, false, InBatch::kNever, kFolioStates,
     0},
    {"zswap_loaded", SWAPTRAIL_ZSWAP_LOADED, EventArm::kPage, true, false, InBatch::kNever,
     kFolioStates, 0},
    {"split", SWAPTRAIL_SPLIT, EventArm::kPage, true, false, InBatch::kMay, kFolioStates,
     kAnyResult},
    {"page_freed", SWAPTRAIL_PAGE_FREED, EventArm::kPage, true, false, InBatch::kMay, kFolioStates,
     kAnyResult},
    {"shmem_swap_in", SWAPTRAIL_SHMEM_SWAP_IN, EventArm::kMap, false, true, InBatch::kNever,
     SWAPTRAIL_STATE_IN_FAULT, kAnyResult},
};

constexpr bool kinds_are_in_order() {
  for (size_t at = 0; at < std::size(kEventKinds); ++at)
    if (kEventKinds[at].kind != static_cast<int>(at + 1)) return false;
  return std::size(kEventKinds) + 1 == SWAPTRAIL_KIND_END;
}
static_assert(kinds_are_in_order(), "a kind of bpf/event.h is missing here, or stands elsewhere");

constexpr bool is_kind(uint8_t kind) { return kind != 0 && kind < SWAPTRAIL_KIND_END; }
// `kind` must be one: is_kind().
constexpr const EventKind& event_kind(uint8_t kind) {
  SWAPTRAIL_DCHECK(is_kind(kind));
  return kEventKinds[kind - 1];
}

// `event` must be of a kind: is_kind().
template <typename Receiver>
void dispatch(const swaptrail_event& event, Receiver& to) {
  switch (static_cast<swaptrail_kind>(event.kind)) {
    case SWAPTRAIL_RECLAIM_BEGIN:
      return to.on_reclaim_begin(event);
    case SWAPTRAIL_RECLAIM_END:
      return to.on_reclaim_end(event);
    case SWAPTRAIL_SLOT_ALLOCATED:
      return to.on_slot_allocated(event);
    case SWAPTRAIL_UNMAPPED_ONE:
      return to.on_unmapped_one(event);
    case SWAPTRAIL_UNMAPPED:
      return to.on_unmapped(event);
    case SWAPTRAIL_WRITE_BEGIN:
      return to.on_write_begin(event);
    case SWAPTRAIL_ZSWAP_STORED:
      return to.on_zswap_stored(event);
    case SWAPTRAIL_WRITE_ISSUED:
      return to.on_write_issued(event);
    case SWAPTRAIL_WRITE_END:
      return to.on_write_end(event);
    case SWAPTRAIL_WRITE_COMPLETED:
      return to.on_write_completed(event);
    case SWAPTRAIL_REMOVED:
      return to.on_removed(event);
    case SWAPTRAIL_CACHE_DELETED:
      return to.on_cache_deleted(event);
    case SWAPTRAIL_SLOT_FREED:
      return to.on_slot_freed(event);
    case SWAPTRAIL_SWAP_IN:
      return to.on_swap_in(event);
    case SWAPTRAIL_SWAP_READ:
      return to.on_swap_read(event);
    case SWAPTRAIL_ZSWAP_LOADED:
      return to.on_zswap_loaded(event);
    case SWAPTRAIL_SPLIT:
      return to.on_split(event);
    case SWAPTRAIL_PAGE_FREED:
      return to.on_page_freed(event);
    case SWAPTRAIL_SHMEM_SWAP_IN:
      return to.on_shmem_swap_in(event);
    case SWAPTRAIL_KIND_END:
    case SWAPTRAIL_KIND_ROOM:
      break;
  }
  SWAPTRAIL_CHECK(is_kind(event.kind));
}

}  // namespace swaptrail
