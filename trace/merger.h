// One ordered stream out of one ring per CPU.
//
// Order: (time_ns, cpu, sequence). The sequence of an event is the number of events of its CPU
// before it in this order, received or lost.
//
// Algorithm: a queue per CPU, kept sorted by time while it is filled. A ring is in order of
// *reservation*, and the time is read after that. An interrupt between the two can put a younger
// event before an older one, so a pushed event may have to move back a few places (insertion sort,
// nearly always zero steps). advance() merges the heads of the queues with a binary heap of CPUs,
// and takes whole runs from one CPU as long as the next CPU is not due.
//
// Assumptions, and why the watermark is exact (see bpf/event.h): the caller reads the clock (T),
// then sweeps every ring until it is empty, then calls advance(T). A record that the sweep did not
// see was reserved after the sweep of its ring began, hence after T, and reads its time later
// still: so no event with time_ns <= T can come afterwards.
// A ring that was not emptied (one of its records is reserved but not yet submitted, or there is no room() for
// more) is complete until settled_ns(): see there. The caller advances to the smallest of all CPUs. So the backlog
// of a stall is taken from the rings in pieces, and a queue never holds a whole ring. If any of this fails, the
// event is counted `late` and still emitted.
//
// Not thread-safe. Bounds: `max_events` waiting at once, `max_cpus` CPUs. What does not fit is
// counted and reported as a Loss of its CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bpf/event.h"
#include "trace/lifecycle.h"

namespace swaptrail {

// Where an ordered stream goes. The references are valid during the call only.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void on_event(const swaptrail_event& event, uint64_t sequence) = 0;
  // Called before the first event younger than its begin, or before the event that revealed it.
  virtual void on_loss(const Loss& loss) = 0;
  // Everything up to `now_ns` has come, though no event shows it: grace periods run out.
  virtual void on_time(uint64_t) {}
};

class Merger {
 public:
  static constexpr size_t kMostAtOnce = 4096;

  struct Options {
    size_t max_events = 1 << 20;  // waiting in all queues together (104 bytes each)
    uint32_t max_cpus = 4096;
    uint64_t start_ns = 0;  // `from_ns` of a loss before the first event of a CPU
  };
  struct Counters {
    uint64_t pushed = 0;
    uint64_t emitted = 0;
    uint64_t lost = 0;      // reported by event.lost, or not kept here
    uint64_t late = 0;      // older than something emitted before it
    uint64_t inverted = 0;  // moved back inside its own CPU
    uint64_t overflow = 0;  // not kept: max_events or max_cpus; part of `lost`
    uint64_t odd_lost = 0;  // event.lost went backwards: ignored
  };

  Merger();
  explicit Merger(const Options& options);

  // How many more events of a CPU may wait, of kMostAtOnce, and of its share of max_events. A caller that pushes no more than
  // that never loses one. Room for a pass more than this is kept, so it may end with one.
  size_t room(uint32_t cpu) const;
  // Likewise, of its share only: for a caller that can let nothing be emitted before it has taken more.
  size_t room_if_held(uint32_t cpu) const;

  // Adds an event in ring order. False if it was not kept (counted, and reported as a Loss).
  bool push(uint32_t cpu, const swaptrail_event& event);
  // Adds events of a record that was submitted later than they happened (bpf/pass.h), in ring order, or none. `lost` is that of
  // the record. The caller holds the watermark back until it is pushed.
  bool push_pass(uint32_t cpu, std::span<const swaptrail_event> events, uint32_t lost,
                 uint64_t submitted_ns);
  // Adds events of a record that is not submitted yet. They say nothing about what was lost.
  bool push_early(uint32_t cpu, std::span<const swaptrail_event> events);

  // Every event of that CPU with time_ns <= settled_ns() was pushed, but for those of records that push_pass() will bring; 0: no such
  // time is known. A pass settles the time before its submission, which was read before its record was reserved. For other
  // records: what runs on a CPU is interrupted and resumed, so its records nest like calls: if the times of two events in ring order rise, the first
  // read its time before the second was reserved, and so before all that come later. Two tasks that preempt each other
  // between reservation and time may break this; their events are `late` then.
  uint64_t settled_ns(uint32_t cpu) const;

  // Emits every event with time_ns <= complete_until_ns.
  void advance(uint64_t complete_until_ns, EventSink& sink);

  // Emits all. For the end of a recording, when nothing more can come.
  void flush(EventSink& sink);

  // Reports what a CPU has dropped since its last event, if not reported yet, as a loss until `now_ns`.
  // `lost_total` is what event.lost would be now: swaptrail_totals.dropped of that CPU. Call it after a
  // sweep: the next advance() or flush() reports the loss before it emits anything younger than that
  // last event, even if the CPU has no event of its own for long.
  void report_drops(uint32_t cpu, uint32_t lost_total, uint64_t now_ns);

  size_t waiting() const { return waiting_; }
  const Counters& counters() const { return counters_; }

 private:
  struct Item {
    swaptrail_event event;
    uint64_t number;  // in the order of pushes of its CPU
  };
  struct PendingLoss {
    uint64_t number;  // of the event that revealed it
    Loss loss;
  };
  // A ring buffer; `items.size()` is a power of two, or 0.
  struct Queue {
    std::vector<Item> items;
    size_t mask = 0;  // items.size() - 1
    size_t head = 0;
    size_t count = 0;
    uint64_t pushed = 0;
    uint64_t sequence = 0;  // of the next event that is emitted
    uint64_t previous_ns = 0;
    uint64_t newest_ns = 0;  // of all that came
    uint64_t settled_ns = 0;
    uint32_t previous_lost = 0;
    uint32_t reported = 0;  // by report_drops(), since the last event
    uint64_t overflow = 0;  // not kept since the last event that was
    std::vector<PendingLoss> losses;

    Item& at(size_t index) { return items[(head + index) & mask]; }
    void grow();
    void shrink();
  };
  struct Head {
    uint64_t time_ns;
    uint32_t cpu;
    bool operator<(const Head& other) const {
      return time_ns != other.time_ns ? time_ns < other.time_ns : cpu < other.cpu;
    }
  };

  size_t room_of(uint32_t cpu, size_t most) const;
  bool make_queue(uint32_t cpu);               // if there is none yet; false: beyond max_cpus
  bool has_room(uint32_t cpu, size_t events);  // false: they are counted as lost
  void note_losses(uint32_t cpu, Queue& queue, uint32_t lost, uint64_t time_ns);
  bool insert(Queue& queue, const swaptrail_event& event);  // true: in front of younger ones
  static size_t make_place(Queue& queue, uint64_t time_ns);
  void emit(Queue& queue, EventSink& sink);
  void emit_losses(Queue& queue, uint64_t number, EventSink& sink);
  void emit_drops(uint64_t until_ns, EventSink& sink);
  void emit_run(const Head& top, uint64_t until_ns, EventSink& sink);
  void sift_down();

  Options options_;
  Counters counters_;
  std::vector<Queue> queues_;
  std::vector<Head> heap_;                // smallest first; rebuilt by each advance
  std::vector<Loss> drops_;               // by report_drops(), not emitted yet
  uint64_t next_drop_ns_ = ~uint64_t{0};  // the smallest from_ns of these
  size_t waiting_ = 0;
  uint64_t emitted_until_ns_ = 0;
};

}  // namespace swaptrail
