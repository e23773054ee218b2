// What happened to one page after it was swapped out. Internal to daemon/api/: explanation.cpp.
#pragma once

#include <string>
#include <vector>

#include "daemon/api/explanation.h"

namespace swaptrail::api {

// Sentences about the page that was asked for, not about the whole of a large folio. `attempt` freed it.
std::vector<std::string> way_back(const PageFacts& facts, const store::StoredLifecycle& attempt);

// Its own slot, or the folio's first if it is not known which page it is. 0 = never had one.
uint64_t slot_of(const PageFacts& facts, const Lifecycle& life);

}  // namespace swaptrail::api
