#include "engine/stream_check.h"

#include <algorithm>

namespace swaptrail::engine {
namespace {
constexpr uint32_t kHalf = 1u << 31;  // a larger step of a 32-bit counter is a step back
}  // namespace

StreamCheck::Cpu& StreamCheck::at(uint32_t cpu) {
  if (cpu >= cpus_.size()) cpus_.resize(cpu + 1);
  return cpus_[cpu];
}

// The loss stands before the event that revealed it, whose sequence counts the lost ones. Runs that
// were skipped had no sequence.
void StreamCheck::on_loss(const Loss& loss) {
  if (loss.cpu < kNoCpu) at(loss.cpu).told += loss.count;
}

// What the counter of lost records says, and losses told. An older event can come later: then its counter
// is less, and the loss that it revealed is told after the counter has grown.
void StreamCheck::count_lost(Cpu& cpu, const swaptrail_event& event) {
  const uint32_t more = event.lost - cpu.lost;
  if (more < kHalf) {
    cpu.lost = event.lost;
    cpu.owed += more;
  }
  cpu.owed -= static_cast<int64_t>(cpu.told);
  cpu.since_owed = cpu.owed > 0 ? cpu.since_owed + 1 : 0;
}

// Sequences below `sequence` that did not come yet; the last `told` of them never will, and were told.
void StreamCheck::skip(Cpu& cpu, uint64_t sequence) {
  const uint64_t lost_from = sequence - std::min(sequence, cpu.told);
  const auto was_told = [&](uint64_t one) { return one >= lost_from && one < sequence; };
  waiting_ -= std::erase_if(cpu.skipped, was_told);
  for (uint64_t one = cpu.next; one < std::min(sequence, lost_from); ++one) {
    if (cpu.skipped.size() >= kWait) break;
    cpu.skipped.push_back(one);
    ++waiting_;
    cpu.since_skip = 0;
    cpu.resumed = false;
  }
  cpu.told = 0;
}

Rule StreamCheck::check(const swaptrail_event& event, uint64_t sequence) {
  Cpu& cpu = at(event.cpu);
  if (!cpu.seen) {  // a part of an observation begins anywhere
    cpu.seen = true;
    cpu.first = sequence;
    cpu.next = sequence + 1;
    cpu.lost = event.lost;
    cpu.last_ns = event.time_ns;
    cpu.told = 0;
    return Rule::kCount;
  }
  const bool backwards = event.time_ns < cpu.last_ns;
  cpu.last_ns = std::max<uint64_t>(cpu.last_ns, event.time_ns);
  count_lost(cpu, event);
  skip(cpu, sequence);
  cpu.resumed |= event.kind != SWAPTRAIL_WRITE_COMPLETED;
  const Rule place = place_of(cpu, sequence);
  if (backwards) return Rule::kTimeBackwards;
  if (place != Rule::kCount) return place;
  const bool owed = cpu.since_owed > kWait;
  if (owed) cpu.owed = 0;
  if (cpu.skipped.empty() || ++cpu.since_skip <= kWait) {
    return owed ? Rule::kSequenceGap : Rule::kCount;
  }
  waiting_ -= cpu.skipped.size();
  cpu.skipped.clear();
  return Rule::kSequenceGap;
}

Rule StreamCheck::place_of(Cpu& cpu, uint64_t sequence) {
  if (sequence >= cpu.next) {
    cpu.next = sequence + 1;
    return Rule::kCount;
  }
  // The first that we saw need not be the first that was reserved.
  const bool older = sequence < cpu.first && cpu.first - sequence <= kWait;
  if (older && cpu.before.insert(sequence).second) return Rule::kCount;
  const auto late = std::find(cpu.skipped.begin(), cpu.skipped.end(), sequence);
  if (late == cpu.skipped.end()) return Rule::kSequenceRepeated;
  cpu.skipped.erase(late);
  --waiting_;
  return Rule::kCount;
}

bool StreamCheck::missing() const {
  return std::any_of(cpus_.begin(), cpus_.end(), [](const Cpu& cpu) {
    return (!cpu.skipped.empty() && cpu.resumed) || cpu.owed > 0;
  });
}

}  // namespace swaptrail::engine
