#include "trace/ledger/actors.h"

namespace swaptrail::ledger {

uint32_t Actors::obtain(uint32_t tgid) {
  if (tgid == 0) return 0;
  auto found = index_.find(tgid);
  if (found == index_.end()) {
    if (free_.empty() && actors_.size() == kMostActors) forget_idle();
    if (free_.empty() && actors_.size() == kMostActors) return 0;
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(actors_.size()));
      actors_.emplace_back();
    }
    found = index_.emplace(tgid, free_.back()).first;
    free_.pop_back();
    actors_[found->second] = {{tgid, {}}, 0};
  }
  last_ = found->second;
  return last_;
}

void Actors::name(uint32_t tgid, const Comm& comm) {
  if (const uint32_t number = of(tgid)) actors_[number].actor.comm = comm;
}

void Actors::forget_idle() {
  last_ = 0;
  absl::erase_if(index_, [this](const auto& one) {
    const bool idle = actors_[one.second].pages == 0;
    if (idle) free_.push_back(one.second);
    return idle;
  });
}

}  // namespace swaptrail::ledger
