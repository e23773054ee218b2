#include "engine/stream_check.h"

#include <algorithm>

namespace swaptrail::engine {

StreamCheck::Cpu& StreamCheck::at(uint32_t cpu) {
  if (cpu >= cpus_.size()) cpus_.resize(cpu + 1);
  return cpus_[cpu];
}

// The loss stands before the event that revealed it, whose sequence counts the lost ones.
void StreamCheck::on_loss(const Loss& loss) {
  if (loss.cpu < 0x10000) at(loss.cpu).told += loss.count;
}

Rule StreamCheck::check(const swaptrail_event& event, uint64_t sequence) {
  Cpu& cpu = at(event.cpu);
  const bool first = !cpu.seen;
  cpu.seen = true;
  if (first) cpu.next = sequence;  // a part of an observation begins anywhere
  const bool backwards = event.time_ns < cpu.last_ns;
  cpu.last_ns = std::max<uint64_t>(cpu.last_ns, event.time_ns);
  const bool waited = !cpu.skipped.empty() && ++cpu.since_skip > kWait;
  if (waited) cpu.skipped.clear();
  if (sequence < cpu.next) {
    const auto late = std::find(cpu.skipped.begin(), cpu.skipped.end(), sequence);
    if (late == cpu.skipped.end()) return Rule::kSequenceRepeated;
    cpu.skipped.erase(late);
    return backwards ? Rule::kTimeBackwards : Rule::kCount;
  }
  uint64_t gap = sequence - cpu.next;
  const uint64_t told = std::min(gap, cpu.told);
  gap -= told;
  cpu.told = 0;
  for (uint64_t i = 0; i < std::min<uint64_t>(gap, kWait - cpu.skipped.size()); ++i) {
    cpu.skipped.push_back(cpu.next + i);
    cpu.since_skip = 0;
  }
  cpu.next = sequence + 1;
  if (backwards) return Rule::kTimeBackwards;
  return waited ? Rule::kSequenceGap : Rule::kCount;
}

uint64_t StreamCheck::missing() const {
  uint64_t sum = 0;
  for (const Cpu& cpu : cpus_) sum += cpu.skipped.size();
  return sum;
}

}  // namespace swaptrail::engine
