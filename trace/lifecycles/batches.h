// The reclaim batches that are running, by thread. Internal to trace/.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "trace/lifecycles/attempts.h"

namespace swaptrail::lifecycles {

// One call of shrink_folio_list, or a stand-in if its beginning was not seen.
struct Batch {
  Reclaimer reclaimer;
  AttemptList<&Attempt::in_batch> touched;
  bool live = false;
  bool begin_seen = false;
  bool may_writepage = true;
  bool may_have_activated = true;  // some folio was put back as active, as far as we know
  bool unfollowed = false;         // the BPF table of tasks had no room for it
};

class BatchTable {
 public:
  explicit BatchTable(size_t max);

  uint32_t find(uint32_t tid) const;  // kNoIndex: none
  uint32_t add(uint32_t tid);         // kNoIndex: full. The thread must not be in it
  void remove(uint32_t index);
  uint32_t oldest() const;  // kNoIndex: empty. Linear: for the rare case of a full table

  Batch& at(uint32_t index) { return pool_.at(index); }
  size_t touched() const { return pool_.touched(); }

 private:
  absl::flat_hash_map<uint32_t, uint32_t> by_tid_;
  Pool<Batch> pool_;
  // The last one that find() found: most events follow one of the same thread.
  mutable uint32_t found_ = kNoIndex;
  mutable uint32_t found_tid_ = 0;
};

}  // namespace swaptrail::lifecycles
