#include "trace/merger.h"

#include <algorithm>
#include <limits>

#include "trace/check.h"
#include "trace/pass_events.h"

namespace swaptrail {
namespace {
constexpr size_t kFirstQueue = 64;
constexpr uint32_t kHalf = 1u << 31;  // a larger step of a 32-bit counter is a step back
}  // namespace

Merger::Merger() : Merger(Options()) {}
Merger::Merger(const Options& options) : options_(options) {}

void Merger::Queue::grow() {
  SWAPTRAIL_DCHECK(count == items.size());
  std::vector<Item> larger(std::max(kFirstQueue, 2 * items.size()));
  for (size_t index = 0; index < count; ++index) larger[index] = at(index);
  items = std::move(larger);
  mask = items.size() - 1;
  head = 0;
}

// After a time in which much had to wait.
void Merger::Queue::shrink() {
  if (count != 0 || items.size() <= 2 * kMostAtOnce) return;
  items = {};
  mask = head = 0;
}

size_t Merger::room(uint32_t cpu) const { return room_of(cpu, kMostAtOnce); }

size_t Merger::room_if_held(uint32_t cpu) const {
  return std::min(kMostAtOnce, room_of(cpu, options_.max_events));
}

size_t Merger::room_of(uint32_t cpu, size_t most) const {
  most = std::min(most, options_.max_events / options_.max_cpus);
  const size_t count = cpu < queues_.size() ? queues_[cpu].count : 0;
  const size_t kept = std::min(most / 2, kMostPassEvents - 1);
  return std::max(most, count + kept) - count - kept;
}

uint64_t Merger::settled_ns(uint32_t cpu) const {
  return cpu < queues_.size() ? queues_[cpu].settled_ns : 0;
}

bool Merger::make_queue(uint32_t cpu) {
  if (cpu >= options_.max_cpus) return false;
  if (cpu >= queues_.size()) {
    queues_.resize(cpu + 1);
    heap_.reserve(queues_.size());
  }
  return true;
}

bool Merger::has_room(uint32_t cpu, size_t events) {
  const bool has_queue = cpu < queues_.size() || make_queue(cpu);
  if (has_queue && waiting_ + events <= options_.max_events) return true;
  counters_.overflow += events;
  counters_.lost += events;
  if (has_queue) queues_[cpu].overflow += events;
  return false;
}

bool Merger::push(uint32_t cpu, const swaptrail_event& event) {
  if (!has_room(cpu, 1)) return false;
  Queue& queue = queues_[cpu];
  if (event.time_ns > queue.previous_ns && queue.previous_ns != 0)
    queue.settled_ns = std::max(queue.settled_ns, queue.previous_ns - 1);
  note_losses(cpu, queue, event.lost, event.time_ns);
  queue.previous_ns = event.time_ns;
  counters_.inverted += insert(queue, event);
  return true;
}

// Its submission was timed before its record was reserved, so what comes after it in the ring is younger.
bool Merger::push_pass(uint32_t cpu, std::span<const swaptrail_event> events, uint32_t lost,
                       uint64_t submitted_ns) {
  if (!has_room(cpu, events.size())) return false;
  Queue& queue = queues_[cpu];
  if (submitted_ns != 0) queue.settled_ns = std::max(queue.settled_ns, submitted_ns - 1);
  note_losses(cpu, queue, lost, submitted_ns);
  for (const swaptrail_event& event : events) insert(queue, event);
  return true;
}

bool Merger::push_early(uint32_t cpu, std::span<const swaptrail_event> events) {
  if (!has_room(cpu, events.size())) return false;
  Queue& queue = queues_[cpu];
  for (swaptrail_event event : events) {
    event.lost = queue.previous_lost;
    insert(queue, event);
  }
  return true;
}

// Of a record with that `lost`, made at that time.
void Merger::note_losses(uint32_t cpu, Queue& queue, uint32_t lost, uint64_t time_ns) {
  if (lost == queue.previous_lost && queue.overflow == 0) {
    queue.reported = 0;  // nothing is missing before it
    return;
  }
  uint32_t dropped = lost - queue.previous_lost;
  // Reserved before the drops that report_drops() has reported meanwhile.
  const bool older = queue.previous_lost - lost <= queue.reported;
  if (dropped >= kHalf) {
    if (!older) ++counters_.odd_lost;
    dropped = 0;
  } else {
    queue.reported = 0;
    queue.previous_lost = lost;
  }
  const uint64_t count = dropped + queue.overflow;
  if (count != 0) {
    const uint64_t from_ns = queue.previous_ns != 0 ? queue.previous_ns : options_.start_ns;
    queue.losses.push_back(
        {queue.pushed, {std::min<uint64_t>(from_ns, time_ns), time_ns, count, cpu}});
    counters_.lost += dropped;  // overflow is in it already
    queue.overflow = 0;
  }
}

bool Merger::insert(Queue& queue, const swaptrail_event& event) {
  if (queue.count == queue.items.size()) queue.grow();
  size_t place = queue.count++;
  if (event.time_ns < queue.newest_ns)
    place = make_place(queue, event.time_ns);
  else
    queue.newest_ns = event.time_ns;
  Item& item = queue.at(place);
  item.event = event;
  item.number = queue.pushed++;
  ++counters_.pushed;
  ++waiting_;
  return place + 1 != queue.count;
}

// For an event older than the newest: moves younger ones to the end of the queue, whose last place is free.
size_t Merger::make_place(Queue& queue, uint64_t time_ns) {
  size_t place = queue.count - 1;
  for (; place > 0 && queue.at(place - 1).event.time_ns > time_ns; --place)
    queue.at(place) = queue.at(place - 1);
  return place;
}

void Merger::advance(uint64_t complete_until_ns, EventSink& sink) {
  heap_.clear();
  for (uint32_t cpu = 0; cpu < queues_.size(); ++cpu) {
    Queue& queue = queues_[cpu];
    if (queue.count == 0 || queue.at(0).event.time_ns > complete_until_ns) continue;
    heap_.push_back({queue.at(0).event.time_ns, cpu});
  }
  const auto later = [](const Head& a, const Head& b) { return b < a; };
  std::make_heap(heap_.begin(), heap_.end(), later);
  while (!heap_.empty()) emit_run(heap_.front(), complete_until_ns, sink);
  SWAPTRAIL_DCHECK(waiting_ == 0 || complete_until_ns != std::numeric_limits<uint64_t>::max());
  if (next_drop_ns_ <= complete_until_ns) emit_drops(complete_until_ns, sink);
  for (Queue& queue : queues_) queue.shrink();
}

// Emits from the CPU on top as long as no other is due before it, then puts it in its new place.
void Merger::emit_run(const Head& top, uint64_t until_ns, EventSink& sink) {
  Queue& queue = queues_[top.cpu];
  Head rival{std::numeric_limits<uint64_t>::max(), std::numeric_limits<uint32_t>::max()};
  if (heap_.size() > 1) rival = heap_[1];
  if (heap_.size() > 2) rival = std::min(rival, heap_[2]);
  const uint32_t cpu = top.cpu;
  bool ready = true;
  Head head = top;
  while (ready && head < rival) {
    emit(queue, sink);
    ready = queue.count != 0 && queue.at(0).event.time_ns <= until_ns;
    if (ready) head.time_ns = queue.at(0).event.time_ns;
  }
  if (ready) {
    heap_.front() = {head.time_ns, cpu};
  } else {
    heap_.front() = heap_.back();
    heap_.pop_back();
  }
  sift_down();
}

void Merger::sift_down() {
  size_t parent = 0;
  for (;;) {
    size_t least = parent;
    for (size_t child = 2 * parent + 1; child <= 2 * parent + 2 && child < heap_.size(); ++child) {
      if (heap_[child] < heap_[least]) least = child;
    }
    if (least == parent) return;
    std::swap(heap_[parent], heap_[least]);
    parent = least;
  }
}

void Merger::emit(Queue& queue, EventSink& sink) {
  SWAPTRAIL_DCHECK(queue.count != 0 && waiting_ >= queue.count);
  const Item& item = queue.at(0);
  if (next_drop_ns_ < item.event.time_ns) emit_drops(item.event.time_ns - 1, sink);
  if (!queue.losses.empty()) emit_losses(queue, item.number, sink);
  if (item.event.time_ns < emitted_until_ns_) {
    ++counters_.late;
  } else {
    emitted_until_ns_ = item.event.time_ns;
  }
  sink.on_event(item.event, queue.sequence++);
  ++counters_.emitted;
  queue.head = (queue.head + 1) & queue.mask;
  --queue.count;
  --waiting_;
}

void Merger::emit_losses(Queue& queue, uint64_t number, EventSink& sink) {
  const auto first = std::find_if(queue.losses.begin(), queue.losses.end(),
                                  [&](const PendingLoss& loss) { return loss.number == number; });
  if (first == queue.losses.end()) return;
  sink.on_loss(first->loss);
  queue.sequence += first->loss.count;
  queue.losses.erase(first);
}

void Merger::emit_drops(uint64_t until_ns, EventSink& sink) {
  const auto due = std::stable_partition(drops_.begin(), drops_.end(),
                                         [&](const Loss& loss) { return loss.from_ns > until_ns; });
  for (auto loss = due; loss != drops_.end(); ++loss) {
    sink.on_loss(*loss);
    queues_[loss->cpu].sequence += loss->count;
  }
  drops_.erase(due, drops_.end());
  next_drop_ns_ = ~uint64_t{0};
  for (const Loss& loss : drops_) next_drop_ns_ = std::min(next_drop_ns_, loss.from_ns);
}

void Merger::flush(EventSink& sink) { advance(std::numeric_limits<uint64_t>::max(), sink); }

void Merger::report_drops(uint32_t cpu, uint32_t lost_total, uint64_t now_ns) {
  if (cpu >= options_.max_cpus) return;
  make_queue(cpu);
  Queue& queue = queues_[cpu];
  const uint32_t dropped = lost_total - queue.previous_lost;
  const uint64_t count = (dropped < kHalf ? dropped : 0) + queue.overflow;
  if (count == 0) return;
  const uint64_t from_ns = queue.previous_ns != 0 ? queue.previous_ns : options_.start_ns;
  if (dropped < kHalf) {
    queue.previous_lost = lost_total;
    queue.reported += dropped;
    counters_.lost += dropped;
  }
  queue.overflow = 0;
  drops_.push_back({std::min(from_ns, now_ns), now_ns, count, cpu});
  next_drop_ns_ = std::min(next_drop_ns_, drops_.back().from_ns);
}

}  // namespace swaptrail
