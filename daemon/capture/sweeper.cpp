#include "daemon/capture/sweeper.h"

#include <algorithm>
#include <array>

#include "trace/decode.h"
#include "trace/pass_events.h"

namespace swaptrail::capture {
namespace {

using PassEvents = std::array<swaptrail_event, kMostPassEvents>;

bool are_valid(const PassEvents& events, size_t count) {
  return std::all_of(events.begin(), events.begin() + count, is_valid_event);
}

}  // namespace

Sweeper::Sweeper(size_t rings, size_t ring_bytes)
    : ring_bytes_(ring_bytes), complete_until_(rings), emptied_(rings) {}

// Returns how many events the record had.
size_t Sweeper::take(uint32_t cpu, const void* record, size_t size, Merger& merger) {
  if (size == sizeof(swaptrail_pass)) {
    const auto& pass = *static_cast<const swaptrail_pass*>(record);
    take_pass(cpu, pass, merger);
    return std::max(pass.events, 1U);
  }
  ++counters_.consumed;
  const auto& event = *static_cast<const swaptrail_event*>(record);
  if (size == sizeof(event) && is_valid_event(event)) {
    merger.push(cpu, event);
    open_passes_.note(event);
  } else {
    ++counters_.invalid;
  }
  return 1;
}

// Whatever was taken of it early, it is counted when its record comes, or is lost.
void Sweeper::take_pass(uint32_t cpu, const swaptrail_pass& pass, Merger& merger) {
  PassEvents events;
  const size_t count = pass_events(pass, events, open_passes_.note(pass));
  counters_.consumed += pass.events;
  if (are_valid(events, count))
    merger.push_pass(cpu, {events.data(), count}, pass.lost, pass.submitted_ns);
  else
    counters_.invalid += count;
}

// Nothing is said of what was lost: it is in no ring.
void Sweeper::take_left_open(const swaptrail_pass& pass, Merger& merger) {
  take_early(pass, open_passes_.note(pass), merger);
  counters_.consumed += pass.events;
}

void Sweeper::take_early(const swaptrail_pass& pass, PassParts without, Merger& merger) {
  PassEvents events;
  const size_t count = pass_events(pass, events, without);
  if (pass.cpu < emptied_.size() && are_valid(events, count))
    merger.push_early(pass.cpu, {events.data(), count});
  else
    counters_.invalid += count;
}

uint64_t Sweeper::sweep(uint64_t now_ns, absl::FunctionRef<RecordQueue&(uint32_t cpu)> ring_of,
                        OpenPasses::Look look, Merger& merger) {
  // Read before the rings, and each with acquire: what an ended pass submitted is in the ring that is read next.
  open_passes_.look(now_ns, look, [&](const swaptrail_pass& pass, PassParts without) {
    take_early(pass, without, merger);
  });
  fill_ = 0;
  bool emptied_all = true, full = false;
  for (uint32_t cpu = 0; cpu < emptied_.size(); ++cpu) {
    RecordQueue& ring = ring_of(cpu);
    const uint64_t until = ring.producer_position();
    fill_ = std::max(fill_, static_cast<double>(until - ring.consumer_position()) /
                                static_cast<double>(ring_bytes_));
    size_t room = merger.room(cpu);
    if (room == 0 && held_) room = merger.room_if_held(cpu);
    ring.consume(until, room,
                 [&](const void* record, size_t size) { return take(cpu, record, size, merger); });
    emptied_[cpu] = ring.consumer_position() >= until;
    emptied_all &= emptied_[cpu];
    full |= held_ && room == 0 && !emptied_[cpu];
    complete_until_[cpu] =
        std::max(complete_until_[cpu], emptied_[cpu] ? now_ns : merger.settled_ns(cpu));
  }
  const uint64_t taken = *std::min_element(complete_until_.begin(), complete_until_.end());
  const uint64_t clear = open_passes_.clear_until(taken, emptied_all);
  held_ = clear < taken;
  return full ? taken : clear;  // even all the room there is was not enough
}

}  // namespace swaptrail::capture
