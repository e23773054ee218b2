// The folios on their way to swap, by address. Internal to trace/.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "bpf/event.h"
#include "trace/lifecycle.h"
#include "trace/lifecycles/pool.h"

namespace swaptrail::lifecycles {

// How the attempt came to its slot.
enum class SlotOrigin : uint8_t {
  kNone,       // it has none (yet)
  kAllocated,  // SLOT_ALLOCATED was seen in this lifecycle
  kInferred,   // shmem up to Linux 6.14: first seen when written
  kKnown,      // it was already in the swap cache, and we knew it
  kUnknown,    // it was already in the swap cache, from a time or an event we did not see
};

// A lifecycle in the making, and what is known beyond it.
struct Attempt {
  Lifecycle life;
  uint64_t begin_ns = 0;       // a loss that ended later may have hidden a part of it
  uint64_t last_event_ns = 0;  // on its way out; a loss that ended later may have hidden the end
  uint64_t leaving_ns = 0;     // when it left the cache, or its slot was freed; 0 = it did not
  uint32_t batch = kNoIndex;   // the running batch it belongs to
  uint32_t writer_tid = 0;
  Link in_batch;
  Link in_leaving;
  Link in_waiting;
  SlotOrigin slot = SlotOrigin::kNone;
  bool live : 1 = false;
  bool waits : 1 = false;         // in no batch, for a later pass: in the list of those
  bool keyed : 1 = false;         // found by its folio's address
  bool confirmed : 1 = true;      // false: perhaps a write of zswap's own (tracepoint mode)
  bool slot_failed : 1 = false;   // the last allocation failed
  bool still_mapped : 1 = false;  // UNMAPPED reported so in this pass
  bool unmapped : 1 = false;      // completely, in this lifecycle
  bool written : 1 = false;       // the last write was accepted by a backend
  bool refused : 1 = false;       // AOP_WRITEPAGE_ACTIVATE
  bool write_failed : 1 = false;
  bool no_user : 1 = false;  // swap_writepage found that nobody refers to the slot any more
  bool zswap_stored : 1 = false;
  bool writeback_left : 1 = false;  // the write had not completed when swap_writepage returned
  bool dirtied_after : 1 = false;   // dirty when swap_writepage returned, although it was written
  bool remove_failed : 1 = false;
  bool remove_dirty : 1 = false;
  bool refaulted : 1 = false;   // faulted in while its batch still runs
  bool cache_left : 1 = false;  // CACHE_DELETED was seen
  bool removing : 1 = false;    // its slot was freed in a batch: REMOVED may be next
  bool before_attach : 1 = false;
  bool unfollowed : 1 = false;    // its batch found no room in the BPF table of tasks
  bool pass_skipped : 1 = false;  // its batch may have begun in a run that was skipped
  bool pass_hidden : 1 =
      false;  // any of the three: what a batch did to it is reported only in part

  bool write_seen() const {
    return life.at(Stage::kWriteBegin) != 0 || life.at(Stage::kWriteIssued) != 0 ||
           life.at(Stage::kWriteEnd) != 0;
  }
  // swap_writepage is running: the folio is locked or has just been unlocked.
  bool in_write() const { return write_seen() && life.at(Stage::kWriteEnd) == 0; }
};

template <Link Attempt::*kLink>
using AttemptList = PoolList<Attempt, kLink>;

class AttemptTable {
 public:
  explicit AttemptTable(size_t max);

  uint32_t find(uint64_t folio) const;  // kNoIndex: none
  uint32_t add(uint64_t folio);         // kNoIndex: full. The folio must not be in it
  void rekey(uint32_t index, uint64_t folio);
  // Forgets the address only: the page may live on elsewhere (migration), under its swap entry.
  void detach(uint32_t index);
  void remove(uint32_t index);

  Attempt& at(uint32_t index) { return pool_.at(index); }
  const Attempt& at(uint32_t index) const { return pool_.at(index); }
  Pool<Attempt>& pool() { return pool_; }
  size_t live() const { return pool_.live(); }

 private:
  void set(uint64_t folio, uint32_t index);

  absl::flat_hash_map<uint64_t, uint32_t> by_folio_;
  // What find() says of one folio: most events follow one of the same.
  mutable uint64_t found_folio_ = 0;
  mutable uint32_t found_ = kNoIndex;
  Pool<Attempt> pool_;
};

}  // namespace swaptrail::lifecycles
