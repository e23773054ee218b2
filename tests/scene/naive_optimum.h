// Belady's optimum by its definition: whose next use is farthest goes. It has the whole workload before it, and takes time
// and memory for that. Written apart from engine/workloads/optimum.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "engine/workloads/workload_source.h"

namespace swaptrail::engine {

// A point at which an object must be in a frame.
struct ObjectUse {
  int object = 0;
  bool first = false;
  size_t next = SIZE_MAX;  // the point of its next use, SIZE_MAX: there is none
};

// All points of a workload in order: contents begin at a write to a page that has none, and at a write to contents that
// somebody else has too, which are used just before.
class ObjectUses {
 public:
  explicit ObjectUses(const std::vector<WorkloadStep>& steps) {
    for (const WorkloadStep& step : steps) {
      if (step.kind == StepKind::kFork) fork(step.process, step.child);
      if (step.kind == StepKind::kExit) exit(step.process);
      if (step.kind == StepKind::kTouch) touch({step.process, step.page}, step.write);
    }
    std::map<int, size_t> next;
    for (size_t at = uses_.size(); at-- > 0;) {
      const auto found = next.find(uses_[at].object);
      if (found != next.end()) uses_[at].next = found->second;
      next[uses_[at].object] = at;
    }
  }
  const std::vector<ObjectUse>& uses() const { return uses_; }

 private:
  using Place = std::pair<uint32_t, uint64_t>;  // process, page

  void fork(uint32_t parent, uint32_t child) {
    const auto before = contents_;
    for (const auto& [place, object] : before)
      if (place.first == parent) contents_[{child, place.second}] = object;
  }
  void exit(uint32_t process) {
    std::erase_if(contents_, [&](const auto& one) { return one.first.first == process; });
  }
  void touch(Place place, bool write) {
    const auto found = contents_.find(place);
    if (found != contents_.end()) uses_.push_back({found->second, false});
    if (!write) return;
    if (found != contents_.end()) {
      const int object = found->second;
      const auto has = [&](const auto& one) { return one.second == object; };
      if (std::count_if(contents_.begin(), contents_.end(), has) == 1) return;
    }
    contents_[place] = objects_;
    uses_.push_back({objects_++, true});
  }

  std::map<Place, int> contents_;
  int objects_ = 0;
  std::vector<ObjectUse> uses_;
};

// Reads under a policy that says which of the resident objects (by object: the point of its last use) goes.
template <typename Choose>
uint64_t reads_under(const std::vector<ObjectUse>& uses, size_t frames, Choose&& choose) {
  std::map<int, size_t> resident;
  uint64_t reads = 0;
  for (size_t at = 0; at < uses.size(); ++at) {
    const int object = uses[at].object;
    if (!resident.contains(object)) {
      reads += uses[at].first ? 0 : 1;
      if (resident.size() == frames) resident.erase(choose(resident));
    }
    resident[object] = at;
  }
  return reads;
}

inline uint64_t naive_optimum(const std::vector<ObjectUse>& uses, size_t frames) {
  return reads_under(uses, frames, [&](const std::map<int, size_t>& resident) {
    const auto farthest =
        std::max_element(resident.begin(), resident.end(), [&](const auto& one, const auto& other) {
          return uses[one.second].next < uses[other.second].next;
        });
    return farthest->first;
  });
}

// The least number of reads of all ways to choose: tries every one. For at most 20 objects and few points.
inline uint64_t tried_optimum(const std::vector<ObjectUse>& uses, size_t frames) {
  std::map<uint32_t, uint64_t> reads = {{0, 0}};  // by what is resident
  for (const ObjectUse& use : uses) {
    std::map<uint32_t, uint64_t> next;
    const auto reach = [&](uint32_t resident, uint64_t cost) {
      const auto [found, is_new] = next.try_emplace(resident, cost);
      if (!is_new) found->second = std::min(found->second, cost);
    };
    const uint32_t bit = uint32_t{1} << use.object;
    for (const auto& [resident, cost] : reads) {
      if (resident & bit) {
        reach(resident, cost);
        continue;
      }
      const uint64_t then = cost + (use.first ? 0 : 1);
      if (static_cast<size_t>(__builtin_popcount(resident)) < frames) {
        reach(resident | bit, then);
        continue;
      }
      for (uint32_t left = resident; left != 0; left &= left - 1)
        reach((resident ^ (left & ~(left - 1))) | bit, then);
    }
    reads = std::move(next);
  }
  uint64_t least = UINT64_MAX;
  for (const auto& [resident, cost] : reads) least = std::min(least, cost);
  return least;
}

}  // namespace swaptrail::engine
