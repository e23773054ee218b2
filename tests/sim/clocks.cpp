#include "tests/sim/clocks.h"

#include <algorithm>

#include "tests/sim/dice.h"
#include "tests/sim/folios.h"

namespace swaptrail::sim {
namespace {

// Places of different sorts never meet: addresses of struct pages have the top bits set, entries
// have small types.
constexpr uint64_t kThreads = uint64_t{1} << 62;
constexpr uint64_t kCpus = uint64_t{1} << 61;

}  // namespace

Clocks::Clocks(uint64_t seed, uint32_t cpus, uint64_t skew_ns) {
  Dice dice(seed);
  for (uint32_t cpu = 0; cpu < cpus; ++cpu) {
    const int64_t offset = static_cast<int64_t>(dice.below(2 * skew_ns + 1));
    offset_ns_.push_back(offset - static_cast<int64_t>(skew_ns));
  }
}

void Clocks::collect_places(const swaptrail_event& event) {
  places_.assign({kCpus + event.cpu, kThreads + event.tid});
  for (uint64_t page = 0; page < pages_of(event); ++page) {
    if (event.folio != 0) places_.push_back(event.folio + page * kPageStruct);
    if (event.entry != 0) places_.push_back(event.entry + page);
  }
}

void Clocks::read(swaptrail_event& event) {
  collect_places(event);
  uint64_t time_ns = event.time_ns + static_cast<uint64_t>(offset_ns_[event.cpu]);
  for (const uint64_t place : places_) {
    const auto found = last_ns_.find(place);
    if (found != last_ns_.end()) time_ns = std::max(time_ns, found->second + 1);
  }
  if (event.batch_ns != 0) event.batch_ns = read_batch(event, time_ns);
  event.time_ns = time_ns;
  for (const uint64_t place : places_) last_ns_[place] = time_ns;
}

// The batch's time was read once, just before its first event.
uint64_t Clocks::read_batch(const swaptrail_event& event, uint64_t time_ns) {
  const auto [found, is_new] = batch_ns_.try_emplace(event.batch_ns ^ (uint64_t{event.tid} << 44));
  if (!is_new) return found->second;
  const auto before = last_ns_.find(kThreads + event.tid);
  uint64_t batch_ns = event.batch_ns + static_cast<uint64_t>(offset_ns_[event.cpu]);
  if (before != last_ns_.end()) batch_ns = std::max(batch_ns, before->second + 1);
  if (event.batch_ns == event.time_ns) batch_ns = time_ns;
  return found->second = std::min(batch_ns, time_ns);
}

}  // namespace swaptrail::sim
