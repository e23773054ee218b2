// Who put pages into swap. Internal to trace/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "trace/ledger/ledger.h"

namespace swaptrail::ledger {

// Number 0 is nobody that is known.
class Actors {
 public:
  Actors() : actors_(1) { actors_.reserve(kMostActors); }

  // 0: there is no room.
  uint32_t of(uint32_t tgid) { return actors_[last_].actor.tgid == tgid ? last_ : obtain(tgid); }
  void name(uint32_t tgid, const Comm& comm);
  void add(uint32_t number) { ++actors_[number].pages; }
  void remove(uint32_t number) { --actors_[number].pages; }
  const Actor& at(uint32_t number) const { return actors_[number].actor; }
  size_t size() const { return actors_.size(); }

 private:
  uint32_t obtain(uint32_t tgid);
  struct Counted {
    Actor actor;
    uint64_t pages = 0;
  };
  void forget_idle();

  std::vector<Counted> actors_;
  std::vector<uint32_t> free_;
  absl::flat_hash_map<uint32_t, uint32_t> index_;
  uint32_t last_ = 0;
};

}  // namespace swaptrail::ledger
