#include "engine/lockstep/stream_check.h"

#include <algorithm>

namespace swaptrail::engine {
namespace {
constexpr uint32_t kHalf = 1u << 31;  // a larger step of a 32-bit counter is a step back
}  // namespace

StreamCheck::Cpu& StreamCheck::at(uint32_t cpu) {
  if (cpu >= cpus_.size()) cpus_.resize(cpu + 1);
  return cpus_[cpu];
}

// Skipped runs had no sequence.
void StreamCheck::on_loss(const Loss& loss) {
  if (loss.cpu >= kNoCpu) return;
  Cpu& cpu = at(loss.cpu);
  cpu.known += loss.count;
  cpu.owed -= static_cast<int64_t>(loss.count);
  match(cpu);
}

// Compares the counter of lost records with the losses reported. An older event can come later: then
// its counter is smaller.
void StreamCheck::count_lost(Cpu& cpu, const swaptrail_event& event) {
  const uint32_t more = event.lost - cpu.lost;
  if (more < kHalf) {
    cpu.lost = event.lost;
    cpu.owed += more;
  }
  cpu.since_owed = cpu.owed > 0 ? cpu.since_owed + 1 : 0;
}

// Sequences from `next` on, below `sequence`, did not come yet. Only the last ones still can: an
// interrupt delays no more than kWait.
void StreamCheck::skip(Cpu& cpu, uint64_t sequence) {
  if (sequence <= cpu.next) return;
  const uint64_t first = sequence - std::min<uint64_t>(sequence - cpu.next, kWait);
  cpu.far += first - cpu.next;
  for (uint64_t one = first; one < sequence; ++one) cpu.skipped.push_back(one);
  waiting_ += sequence - first;
  const size_t older = cpu.skipped.size() - std::min(cpu.skipped.size(), kWait);
  cpu.skipped.erase(cpu.skipped.begin(), cpu.skipped.begin() + static_cast<ptrdiff_t>(older));
  cpu.far += older;
  waiting_ -= older;
  cpu.since_skip = 0;
  cpu.resumed = false;
  match(cpu);
}

void StreamCheck::forgive(Cpu& cpu, uint64_t sequence) {
  if (cpu.forgiven.size() >= kWait)
    cpu.forgiven.erase(cpu.forgiven.begin(), cpu.forgiven.begin() + kWait / 2);
  cpu.forgiven.push_back(sequence);
}

// The oldest first. `owed` shows whether those far back are ever accounted for.
void StreamCheck::match(Cpu& cpu) {
  const uint64_t far = std::min(cpu.known, cpu.far);
  cpu.far -= far;
  cpu.known -= far;
  const size_t count = std::min<uint64_t>(cpu.known, cpu.skipped.size());
  for (size_t at = 0; at < count; ++at) forgive(cpu, cpu.skipped[at]);
  cpu.skipped.erase(cpu.skipped.begin(), cpu.skipped.begin() + static_cast<ptrdiff_t>(count));
  cpu.known -= count;
  waiting_ -= count;
}

Rule StreamCheck::check(const swaptrail_event& event, uint64_t sequence) {
  Cpu& cpu = at(event.cpu);
  if (!cpu.seen) {  // a part of an observation begins anywhere
    cpu.seen = true;
    cpu.first = sequence;
    cpu.next = sequence + 1;
    cpu.lost = event.lost;
    cpu.last_ns = event.time_ns;
    // Losses before it are in its sequence; those that are still to come are not.
    cpu.known -= std::min(cpu.known, sequence);
    cpu.owed = -static_cast<int64_t>(cpu.known);
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
  // The first one seen need not be the first one reserved.
  const bool older = sequence < cpu.first && cpu.first - sequence <= kWait;
  if (older && cpu.before.insert(sequence).second) return Rule::kCount;
  const auto late = std::find(cpu.skipped.begin(), cpu.skipped.end(), sequence);
  if (late != cpu.skipped.end()) {
    cpu.skipped.erase(late);
    --waiting_;
    return Rule::kCount;
  }
  const auto back = std::find(cpu.forgiven.begin(), cpu.forgiven.end(), sequence);
  if (back == cpu.forgiven.end()) return Rule::kSequenceRepeated;
  cpu.forgiven.erase(back);
  ++cpu.known;
  match(cpu);
  return Rule::kCount;
}

bool StreamCheck::missing() const {
  return std::any_of(cpus_.begin(), cpus_.end(), [](const Cpu& cpu) {
    return (!cpu.skipped.empty() && cpu.resumed) || cpu.owed > 0;
  });
}

}  // namespace swaptrail::engine
