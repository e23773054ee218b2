#include "tests/sim/rings.h"

#include <algorithm>

namespace swaptrail::sim {
namespace {

constexpr size_t kDeepestNesting = 3;  // interrupts in the middle of one record
constexpr size_t kAll = ~size_t{0};

uint64_t moment_of(size_t witness) { return 2 * witness + 2; }

}  // namespace

Rings::Rings(const Distortion& distortion, std::vector<Witness>& witnesses, uint64_t seed)
    : distortion_(distortion), witnesses_(witnesses), dice_(seed), rings_(distortion.cpus) {
  earliest_later_ns_.resize(witnesses.size() + 1, ~uint64_t{0});
  for (size_t index = witnesses.size(); index-- > 0;) {
    earliest_later_ns_[index] =
        std::min<uint64_t>(earliest_later_ns_[index + 1], witnesses[index].record.time_ns);
  }
}

void Rings::add(size_t witness) {
  Ring& ring = rings_[witnesses_[witness].record.cpu];
  const uint64_t moment = moment_of(witness);
  ring.entries.push_back({witness, moment, moment, 0, false});
}

// An interrupt between a reservation and the reading of the clock: the interrupted record comes
// before those of the interrupt in its ring, but is younger.
void Rings::interrupt_reservations(Ring& ring) {
  const auto completes = [&](const Entry& entry) {
    return witnesses_[entry.witness].record.kind == SWAPTRAIL_WRITE_COMPLETED;
  };
  auto& entries = ring.entries;
  for (size_t index = 0; index < entries.size(); ++index) entries[index].lost_read = index;
  size_t settled = 0;  // what comes before is in its place
  for (size_t index = 1; index < entries.size(); ++index) {
    if (completes(entries[index])) continue;
    size_t first = index;
    while (first > settled && index - first < kDeepestNesting && completes(entries[first - 1]) &&
           dice_.chance(distortion_.interrupt_share)) {
      --first;
    }
    if (first == index) continue;
    entries[index].reserved = entries[first].reserved - 1;
    std::rotate(entries.begin() + first, entries.begin() + index, entries.begin() + index + 1);
    for (size_t nested = first + 1; nested <= index; ++nested) entries[nested].lost_read = nested;
    entries[first].lost_read = index + 1;
    settled = index + 1;
  }
}

bool Rings::is_dropped(Ring& ring) {
  if (ring.burst_left > 0) {
    --ring.burst_left;
    return true;
  }
  if (dice_.chance(distortion_.burst_share)) {
    const uint32_t length = static_cast<uint32_t>(1 + dice_.below(distortion_.longest_burst));
    const bool all_cpus = dice_.chance(0.3);  // the daemon does not get to run
    for (Ring& other : rings_) {
      if (all_cpus || &other == &ring) other.burst_left = length;
    }
  }
  return dice_.chance(distortion_.drop_share);
}

void Rings::choose_drops(size_t begin, size_t end) {
  std::vector<size_t> next(rings_.size());
  for (size_t moment = moment_of(begin) - 1; moment <= moment_of(end); ++moment) {
    for (size_t cpu = 0; cpu < rings_.size(); ++cpu) {
      Ring& ring = rings_[cpu];
      while (next[cpu] < ring.entries.size() && ring.entries[next[cpu]].reserved <= moment) {
        ring.entries[next[cpu]++].dropped = is_dropped(ring);
      }
    }
  }
}

// Returns how many were dropped.
uint32_t Rings::tell_drops(Ring& ring) {
  std::vector<uint32_t> before(ring.entries.size() + 1);
  for (size_t index = 0; index < ring.entries.size(); ++index) {
    before[index + 1] = before[index] + ring.entries[index].dropped;
  }
  for (const Entry& entry : ring.entries) {
    Witness& witness = witnesses_[entry.witness];
    witness.fate = entry.dropped ? Fate::kDropped : Fate::kDelivered;
    witness.record.lost = before[entry.lost_read];
  }
  std::erase_if(ring.entries, [](const Entry& entry) { return entry.dropped; });
  return before.back();
}

void Rings::deliver(Observation& observation, size_t begin, size_t end) {
  for (Ring& ring : rings_) interrupt_reservations(ring);
  choose_drops(begin, end);
  for (Ring& ring : rings_) observation.dropped.push_back(tell_drops(ring));
  const uint64_t last = moment_of(end);
  uint64_t moment = moment_of(begin);
  for (;;) {
    moment += distortion_.any_sweep ? 1 + dice_.below(1 + dice_.below(80)) : 20;
    if (moment >= last) break;
    sweep(observation, moment, false);
  }
  sweep(observation, last, true);
}

// Some time between what happened before the moment and what happens after it.
uint64_t Rings::clock_at(uint64_t moment) {
  const size_t next = moment / 2 - 1;
  const uint64_t high = earliest_later_ns_[std::min(next, witnesses_.size())] - 1;
  const uint64_t low = next == 0 ? high : witnesses_[next - 1].record.time_ns;
  return low < high ? std::max(low, high - dice_.below(std::min<uint64_t>(1000, high - low)))
                    : high;
}

void Rings::sweep(Observation& observation, uint64_t moment, bool last) {
  const uint64_t now_ns = last ? observation.end_ns : clock_at(moment);
  observation.sweeps.emplace_back();
  Sweep& sweep = observation.sweeps.back();
  sweep.complete_until_ns = ~uint64_t{0};
  for (Ring& ring : rings_) {
    const bool odd = distortion_.any_sweep && !last;
    if (odd) moment += dice_.below(3);  // time goes on while it sweeps
    const size_t portion = odd && dice_.chance(0.2) ? dice_.below(4) : kAll;
    const size_t before = ring.taken;
    take(ring, moment, portion, sweep);
    const bool all =
        ring.taken == ring.entries.size() || ring.entries[ring.taken].reserved >= moment;
    if (all && (portion == kAll || ring.taken - before < portion)) ring.complete_until_ns = now_ns;
    sweep.complete_until_ns = std::min(sweep.complete_until_ns, ring.complete_until_ns);
  }
}

// Stops before a record that is reserved and not committed.
void Rings::take(Ring& ring, uint64_t moment, size_t portion, Sweep& sweep) {
  for (; portion > 0 && ring.taken < ring.entries.size(); --portion) {
    const Entry& entry = ring.entries[ring.taken];
    if (entry.reserved >= moment || entry.committed >= moment) return;
    sweep.records.push_back(witnesses_[entry.witness].record);
    ++ring.taken;
  }
}

}  // namespace swaptrail::sim
