// Sweeps of rings that a model of the kernel fills: threads that reclaim, with passes, single records and interrupts. It knows when
// everything happened, and at times runs for long without a sweep, like a host whose CPUs have no time for the daemon.
#include "daemon/capture/sweeper.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <optional>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include "trace/pass_events.h"

namespace swaptrail::capture {
namespace {

// Positions count records.
class ModelRing final : public RecordQueue {
 public:
  struct Record {
    swaptrail_event event{};
    swaptrail_pass pass{};  // instead, if it has events
    bool committed = true;
  };

  uint64_t producer_position() const override { return taken_ + records_.size(); }
  uint64_t consumer_position() const override { return taken_; }
  void consume(uint64_t until, size_t most,
               absl::FunctionRef<size_t(const void* record, size_t size)> take) override {
    for (size_t taken = 0; taken < most && taken_ < until && records_.front().committed; ++taken_) {
      const Record record = records_.front();
      records_.pop_front();
      taken += record.pass.events != 0 ? take(&record.pass, sizeof(record.pass))
                                       : take(&record.event, sizeof(record.event));
    }
  }

  void submit(const Record& record) { records_.push_back(record); }
  // Returns its position: committed by commit().
  uint64_t reserve() {
    records_.push_back({.committed = false});
    return producer_position() - 1;
  }
  void commit(uint64_t position, const swaptrail_event& event) {
    records_[position - taken_] = {.event = event};
  }
  bool empty() const { return records_.empty(); }

 private:
  std::deque<Record> records_;
  uint64_t taken_ = 0;
};

class Collector final : public EventSink {
 public:
  void on_event(const swaptrail_event& event, uint64_t) override {
    EXPECT_TRUE(seen_.emplace(event.time_ns, event.tid, event.kind).second) << "a second time";
  }
  void on_loss(const Loss&) override { ADD_FAILURE() << "nothing was lost"; }
  size_t seen() const { return seen_.size(); }

 private:
  std::set<std::tuple<uint64_t, uint32_t, uint8_t>> seen_;
};

class Model {
 public:
  Model(uint32_t seed, size_t cpus, size_t threads)
      : random_(seed),
        rings_(cpus),
        reserved_(cpus),
        threads_(threads),
        sweeper_(cpus, 1 << 20),
        merger_({.max_cpus = static_cast<uint32_t>(cpus)}) {}

  // `steps` of the threads, with a sweep after each `sweep_every` of them or so.
  void run(uint32_t steps, uint32_t sweep_every) {
    for (uint32_t step = 0; step < steps; ++step) {
      now_ += 1 + random_() % 5;
      if (random_() % sweep_every == 0) sweep();
      act(random_() % threads_.size());
    }
  }

  // One thread sends out so many folios, all of which go straight through, and nothing else happens.
  void send_out(uint32_t folios) {
    Thread& thread = threads_[0];
    if (thread.begin_ns == 0) begin(thread, 0);
    thread.changing = false;
    interrupts_ = false;
    for (uint32_t folio = 0; folio < folios; ++folio) {
      open(thread);
      for (size_t part = 0; part < SWAPTRAIL_PARTS; ++part) add(thread);
    }
    interrupts_ = true;
  }

  void end_all() {
    for (size_t at = 0; at < threads_.size(); ++at) {
      threads_[at].changing = false;
      if (threads_[at].begin_ns != 0) end(threads_[at], at);
    }
    for (size_t cpu = 0; cpu < rings_.size(); ++cpu)
      while (!reserved_[cpu].empty()) commit_last(cpu);
  }

  // Everything comes out without a flush, if the daemon has time for so many sweeps.
  void expect_all_after(int sweeps) {
    for (; sweeps > 0 && (merger_.waiting() != 0 || !all_empty()); --sweeps) sweep();
    EXPECT_TRUE(all_empty()) << "a ring stands still";
    EXPECT_EQ(sink_.seen(), happened_);
    EXPECT_EQ(sweeper_.counters().consumed, happened_);
    EXPECT_EQ(sweeper_.counters().invalid, 0u);
    EXPECT_EQ(merger_.counters().late, 0u);
    EXPECT_EQ(merger_.counters().overflow, 0u);
  }

  // As when the programs are detached in the middle of everything.
  void detach() {
    for (Thread& thread : threads_) {
      thread.changing = false;
      if (thread.pass.folio != 0) sweeper_.take_left_open(thread.pass, merger_);
      thread.pass.folio = 0;
    }
    for (size_t cpu = 0; cpu < rings_.size(); ++cpu)
      while (!reserved_[cpu].empty()) commit_last(cpu);
  }

  uint64_t in_time() const { return in_time_; }  // sweeps after which events came out at once

 private:
  struct Thread {
    uint64_t begin_ns = 0;
    swaptrail_pass pass{};  // folio 0: none is open
    size_t parts = 0;       // of it
    bool changing = false;  // the last event does not show yet
    uint32_t passes = 0;    // submitted by this batch
  };

  uint32_t tid(const Thread& thread) const {
    return static_cast<uint32_t>(&thread - threads_.data()) + 1;
  }
  bool all_empty() const {
    return std::all_of(rings_.begin(), rings_.end(),
                       [](const ModelRing& ring) { return ring.empty(); });
  }

  swaptrail_event event_of(swaptrail_kind kind, uint32_t tid, uint64_t batch_ns) {
    swaptrail_event event{};
    event.kind = static_cast<uint8_t>(kind);
    event.tid = tid;
    event.batch_ns = batch_ns;
    event.time_ns = ++now_;
    ++happened_;
    return event;
  }

  void begin(Thread& thread, size_t cpu) {
    thread.begin_ns = ++now_;
    thread.passes = 0;
    rings_[cpu].submit({event_of(SWAPTRAIL_RECLAIM_BEGIN, tid(thread), thread.begin_ns)});
  }
  void end(Thread& thread, size_t at) {
    close(thread, at % rings_.size());
    rings_[at % rings_.size()].submit(
        {event_of(SWAPTRAIL_RECLAIM_END, tid(thread), thread.begin_ns)});
    thread.begin_ns = 0;
  }
  void open(Thread& thread, size_t cpu = 0) {
    close(thread, cpu);
    thread.pass = {};
    thread.pass.begin_ns = ++now_;
    thread.pass.folio = 1;
    thread.pass.batch_ns = thread.begin_ns;
    thread.pass.tid = tid(thread);
    thread.pass.nr_pages = 1;
    thread.pass.events = 1;
    thread.parts = 0;
    ++happened_;
  }
  void add(Thread& thread) {
    now_ += 1 + random_() % 3;
    thread.pass.after_ns[thread.parts++] = static_cast<uint32_t>(now_ - thread.pass.begin_ns + 1);
    ++thread.pass.events;
    ++happened_;
  }
  // Interrupts may come between the time of its submission and its place in the ring.
  void close(Thread& thread, size_t cpu) {
    if (thread.pass.folio == 0) return;
    thread.pass.submitted_ns = ++now_;
    if (interrupts_ && random_() % 8 == 0)
      rings_[cpu].submit({event_of(SWAPTRAIL_WRITE_COMPLETED, 0, 0)});
    rings_[cpu].submit({{}, thread.pass});
    thread.pass.folio = 0;
    ++thread.passes;
  }
  void commit_last(size_t cpu) {
    rings_[cpu].commit(reserved_[cpu].back(), event_of(SWAPTRAIL_WRITE_COMPLETED, 0, 0));
    reserved_[cpu].pop_back();
  }

  // What is in the middle of a record on a CPU is interrupted, and goes on when the interrupts have ended.
  void interrupt(size_t cpu) {
    if (!reserved_[cpu].empty() && random_() % 2 == 0)
      commit_last(cpu);
    else if (reserved_[cpu].size() < 4)
      reserved_[cpu].push_back(rings_[cpu].reserve());
  }

  void act(size_t at) {
    Thread& thread = threads_[at];
    const size_t cpu = random_() % rings_.size();
    const auto what = random_() % 32;
    if (thread.changing) {
      thread.changing = false;
    } else if (what == 0) {
      interrupt(cpu);
    } else if (!reserved_[cpu].empty() && random_() % 4 != 0) {
      commit_last(cpu);
    } else if (thread.begin_ns == 0) {
      begin(thread, cpu);
    } else if (what == 1) {
      end(thread, at);
    } else if (what == 2) {
      rings_[cpu].submit({event_of(SWAPTRAIL_WRITE_COMPLETED, 0, 0)});
    } else if (thread.pass.folio == 0 || what == 3 || thread.parts == SWAPTRAIL_PARTS) {
      open(thread, cpu);
      thread.changing = random_() % 2;
    } else {
      add(thread);
      thread.changing = random_() % 2;
    }
  }

  std::optional<swaptrail_batch> show(uint32_t tid) const {
    const Thread& thread = threads_[tid - 1];
    if (thread.begin_ns == 0) return std::nullopt;
    swaptrail_batch batch{};
    batch.begin_ns = thread.begin_ns;
    batch.passes = thread.passes;
    batch.changing = thread.changing;
    if (!thread.changing) batch.pass = thread.pass;
    return batch;
  }

  void sweep() {
    const uint64_t emitted = merger_.counters().emitted;
    const uint64_t watermark = sweeper_.sweep(
        now_, [this](uint32_t cpu) -> RecordQueue& { return rings_[cpu]; },
        [this](uint32_t tid) { return show(tid); }, merger_);
    EXPECT_LE(watermark, now_);
    merger_.advance(watermark, sink_);
    in_time_ += merger_.counters().emitted > emitted && merger_.waiting() == 0;
    ++now_;
  }

  std::mt19937_64 random_;
  std::vector<ModelRing> rings_;
  std::vector<std::vector<uint64_t>> reserved_;  // by CPU, the last one is on top
  std::vector<Thread> threads_;
  Sweeper sweeper_;
  Merger merger_;
  Collector sink_;
  bool interrupts_ = true;
  uint64_t now_ = 1000, happened_ = 0, in_time_ = 0;
};

TEST(Sweeper, NothingIsLateTwiceOrLeft) {
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    Model model(seed, 1 + seed % 4, 6);
    model.run(4000, 12);
    EXPECT_GT(model.in_time(), 5u);
    model.run(4000, seed % 2 ? 100 : 1000);
    if (seed % 5 == 0) {
      model.detach();
    } else {
      model.run(1000, 12);
      model.end_all();
    }
    model.expect_all_after(20);
    if (testing::Test::HasFailure()) return;
  }
}

// Records of nothing but passes, and more of them than the merger takes at a time.
TEST(Sweeper, ABacklogOfPassesIsTaken) {
  for (const uint32_t folios : {300u, 600u, 5000u}) {
    SCOPED_TRACE(folios);
    Model model(folios, 2, 3);
    model.run(200, 12);
    model.end_all();
    model.send_out(folios);
    model.end_all();
    model.expect_all_after(static_cast<int>(folios / 100));
  }
}

// While the batch goes on: what is younger than its open pass waits, and what is older does not.
TEST(Sweeper, ABacklogBehindOneBatchIsTaken) {
  Model model(1, 2, 3);
  model.run(200, 12);
  for (int round = 0; round < 20; ++round) {
    model.send_out(2000);
    model.run(30, 2);
  }
  model.end_all();
  model.expect_all_after(200);
}

}  // namespace
}  // namespace swaptrail::capture
