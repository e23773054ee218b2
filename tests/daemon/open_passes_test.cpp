// Rings, batches and passes played by a model that knows when everything happened: what the watermark lets through must
// have come before it.
#include "daemon/capture/open_passes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "trace/pass_events.h"

namespace swaptrail::capture {
namespace {

swaptrail_event batch_event(swaptrail_kind kind, uint32_t tid, uint64_t batch_ns,
                            uint64_t time_ns) {
  swaptrail_event event{};
  event.kind = static_cast<uint8_t>(kind);
  event.tid = tid;
  event.batch_ns = batch_ns;
  event.time_ns = time_ns;
  return event;
}

swaptrail_pass pass_of(uint32_t tid, uint64_t batch_ns, const std::vector<uint64_t>& times) {
  swaptrail_pass pass{};
  pass.folio = 1;
  pass.tid = tid;
  pass.batch_ns = batch_ns;
  pass.begin_ns = times.front();
  pass.events = static_cast<uint32_t>(times.size());
  for (size_t at = 1; at < times.size(); ++at)
    pass.after_ns[at - 1] = static_cast<uint32_t>(times[at] - times[0] + 1);
  return pass;
}

// No times: no pass is open.
swaptrail_batch shown(uint32_t tid, uint64_t begin_ns, const std::vector<uint64_t>& times,
                      bool changing = false, uint32_t passes = 0) {
  swaptrail_batch batch{};
  batch.passes = passes;
  batch.begin_ns = begin_ns;
  batch.changing = changing;
  if (!times.empty()) batch.pass = pass_of(tid, begin_ns, times);
  return batch;
}

// The times of those of its events that are not in `without`.
std::vector<uint64_t> times_of(const swaptrail_pass& pass, PassParts without) {
  std::array<swaptrail_event, kMostPassEvents> events;
  const size_t count = pass_events(pass, events, without);
  std::vector<uint64_t> times;
  for (size_t at = 0; at < count; ++at) times.push_back(events[at].time_ns);
  return times;
}

using Times = std::vector<uint64_t>;

// What is taken early when the batch of thread 7 shows that.
Times look(OpenPasses& passes, uint64_t now_ns, std::optional<swaptrail_batch> batch) {
  Times early;
  passes.look(
      now_ns, [&](uint32_t) { return batch; },
      [&](const swaptrail_pass& pass, PassParts without) {
        for (uint64_t time : times_of(pass, without)) early.push_back(time);
      });
  return early;
}

TEST(OpenPasses, WithoutBatchesAllThatWasTakenIsClear) {
  OpenPasses passes;
  look(passes, 100, std::nullopt);
  EXPECT_EQ(passes.clear_until(100, true), 100u);
}

TEST(OpenPasses, WhatIsOpenIsTakenEarlyAndOnce) {
  OpenPasses passes;
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 7, 50, 51));
  EXPECT_EQ(passes.clear_until(60, true), 50u) << "it may have opened one since it began";
  EXPECT_EQ(look(passes, 100, shown(7, 50, {80, 85})), (Times{80, 85}));
  EXPECT_EQ(passes.clear_until(100, true), 100u);
  EXPECT_EQ(look(passes, 110, shown(7, 50, {80, 85})), Times{});
  EXPECT_EQ(look(passes, 120, shown(7, 50, {80, 85, 115})), Times{115});
  EXPECT_EQ(passes.clear_until(120, true), 120u);
  const swaptrail_pass whole = pass_of(7, 50, {80, 85, 115, 125});
  EXPECT_EQ(times_of(whole, passes.note(whole)), Times{125});
  EXPECT_EQ(passes.early(), 0u);
  const swaptrail_pass next = pass_of(7, 50, {130, 131});
  EXPECT_EQ(times_of(next, passes.note(next)), (Times{130, 131}));
}

TEST(OpenPasses, AChangeIsWaitedForButNotForEver) {
  OpenPasses passes;
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 7, 50, 51));
  look(passes, 100, shown(7, 50, {}));
  EXPECT_EQ(passes.clear_until(100, true), 100u);
  EXPECT_EQ(look(passes, 110, shown(7, 50, {105}, true)), Times{});
  EXPECT_EQ(passes.clear_until(110, true), 100u);
  const uint64_t late = 110 + OpenPasses::kLongestNs;
  look(passes, late, shown(7, 50, {105}, true));
  EXPECT_EQ(passes.clear_until(late, true), 100u);
  look(passes, late + 1, shown(7, 50, {105}, true));
  EXPECT_EQ(passes.clear_until(late + 1, true), late + 1);
}

TEST(OpenPasses, ABatchThatIsOverHoldsNothingBack) {
  OpenPasses passes;
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 7, 50, 51));
  passes.note(batch_event(SWAPTRAIL_RECLAIM_END, 7, 50, 58));
  EXPECT_EQ(passes.clear_until(60, true), 60u);
  EXPECT_EQ(passes.batches(), 0u);
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 7, 61, 62));  // its end was lost
  look(passes, 100, shown(7, 80, {85}));                         // and the thread runs another one
  EXPECT_EQ(passes.clear_until(100, true), 100u);
  EXPECT_EQ(passes.batches(), 0u);
}

TEST(OpenPasses, WhatWasTakenEarlyOfALostPassIsForgotten) {
  OpenPasses passes;
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 7, 50, 51));
  look(passes, 100, shown(7, 50, {80}));
  EXPECT_EQ(passes.early(), 1u);
  passes.note(batch_event(SWAPTRAIL_RECLAIM_END, 7, 50, 110));
  passes.clear_until(109, true);
  EXPECT_EQ(passes.early(), 1u);
  passes.clear_until(110, true);
  EXPECT_EQ(passes.early(), 0u);
}

// Rings are never emptied: what is left in them is not of a batch of which all was taken.
TEST(OpenPasses, ABacklogIsClearAsFarAsItWasRead) {
  OpenPasses passes;
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 7, 50, 51));
  look(passes, 100, shown(7, 50, {}, false, 2));
  passes.note(pass_of(7, 50, {60, 61}));
  EXPECT_EQ(passes.clear_until(90, false), 50u) << "the second pass is still there";
  look(passes, 110, shown(7, 50, {}, false, 2));
  passes.note(pass_of(7, 50, {70, 71}));
  EXPECT_EQ(passes.clear_until(105, false), 105u);
  look(passes, 120, shown(7, 200, {}));  // it ended, and its end is not read yet
  EXPECT_EQ(passes.clear_until(115, false), 110u);
  passes.note(batch_event(SWAPTRAIL_RECLAIM_END, 7, 50, 112));
  EXPECT_EQ(passes.clear_until(115, false), 115u);
  EXPECT_EQ(passes.batches(), 0u);
}

// It would be in the way of what is older, and still to be read.
TEST(OpenPasses, BehindABacklogNothingIsTakenEarly) {
  OpenPasses passes;
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 7, 50, 51));
  EXPECT_EQ(look(passes, 100, shown(7, 50, {80})), Times{80});
  passes.clear_until(60, false);
  EXPECT_EQ(look(passes, 110, shown(7, 50, {80, 105})), Times{});
  EXPECT_EQ(passes.clear_until(110, true), 100u) << "what was taken before";
  EXPECT_EQ(look(passes, 120, shown(7, 50, {80, 105})), Times{105});
  EXPECT_EQ(passes.clear_until(120, true), 120u);
}

// If its begin was lost, the next record of its CPU says so, and has to come first.
TEST(OpenPasses, NothingIsTakenEarlyOfABatchWhoseBeginWasNotSeen) {
  OpenPasses passes;
  passes.note(pass_of(7, 50, {60, 61}));
  EXPECT_EQ(look(passes, 100, shown(7, 50, {80}, false, 1)), Times{});
  EXPECT_EQ(passes.clear_until(100, true), 79u);
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 7, 50, 51));
  EXPECT_EQ(look(passes, 110, shown(7, 50, {80}, false, 1)), Times{80});
}

// The begin of a batch may lie in another ring than its first pass, behind more.
TEST(OpenPasses, APassBeforeTheBeginOfItsBatchCounts) {
  OpenPasses passes;
  passes.note(pass_of(7, 50, {60, 61}));
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 7, 50, 51));
  EXPECT_EQ(passes.batches(), 1u);
  look(passes, 100, shown(7, 50, {}, false, 1));
  EXPECT_EQ(passes.clear_until(90, false), 90u);
}

TEST(OpenPasses, TooManyAreWaitedFor) {
  OpenPasses passes;
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 7, 50, 51));
  uint64_t now = 100;
  for (size_t at = 0; at < OpenPasses::kMostEarly; ++at, now += 2)  // their records do not come
    EXPECT_EQ(look(passes, now + 1, shown(7, 50, {now})), Times{now});
  EXPECT_EQ(passes.clear_until(now, true), now - 1);
  EXPECT_EQ(look(passes, now + 1, shown(7, 50, {now})), Times{});
  EXPECT_EQ(passes.clear_until(now + 1, true), now - 1) << "until it was opened";
}

// Threads that reclaim: batches with passes that are submitted when they end, and single records; sweeps that take a part.
class Model {
 public:
  explicit Model(uint32_t seed) : random_(seed), rings_(1 + random_() % 4), threads_(6) {}

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      now_ += 1 + random_() % 5;
      if (random_() % 12 == 0)
        sweep();
      else
        act(threads_[random_() % threads_.size()]);
    }
    EXPECT_GT(checked_, 0u);
    EXPECT_GT(advanced_, 20u);
    EXPECT_GT(early_, 20u);
  }

 private:
  struct Record {
    swaptrail_event event{};  // of a batch, or kind 0
    swaptrail_pass pass{};    // or folio 0
    uint64_t at = 0;          // when it was submitted
  };
  struct Thread {
    uint64_t begin_ns = 0;
    Times pass;
    bool changing = false;  // the last event does not show yet
    uint32_t passes = 0;    // submitted by this batch
  };

  uint32_t tid(const Thread& thread) const {
    return static_cast<uint32_t>(&thread - threads_.data()) + 1;
  }
  void submit(Record record) {
    record.at = now_;
    rings_[random_() % rings_.size()].push_back(std::move(record));
  }
  void close(Thread& thread) {
    if (thread.pass.empty()) return;
    submit({{}, pass_of(tid(thread), thread.begin_ns, thread.pass)});
    ++thread.passes;
    thread.pass.clear();
  }

  void act(Thread& thread) {
    const auto what = static_cast<uint32_t>(random_() % 10);
    if (thread.changing) {
      thread.changing = false;
    } else if (thread.begin_ns == 0) {
      thread.begin_ns = now_;
      thread.passes = 0;
      submit({batch_event(SWAPTRAIL_RECLAIM_BEGIN, tid(thread), now_, now_)});
    } else if (what == 0) {
      close(thread);
      submit({batch_event(SWAPTRAIL_RECLAIM_END, tid(thread), thread.begin_ns, now_)});
      thread.begin_ns = 0;
    } else if (what == 1) {
      submit({});
    } else if (thread.pass.empty() || what == 2 || thread.pass.size() == kMostPassEvents) {
      close(thread);
      thread.pass = {now_};
      thread.changing = random_() % 2;
    } else {
      thread.pass.push_back(now_);
      thread.changing = random_() % 2;
    }
  }

  swaptrail_batch show(const Thread& thread) const {
    Times times = thread.pass;
    if (thread.changing) times.pop_back();
    return shown(tid(thread), thread.begin_ns, times, thread.changing, thread.passes);
  }

  void take(uint64_t time, uint32_t thread) {
    EXPECT_TRUE(taken_.emplace(time, thread).second) << "a second time";
  }

  // As Session::sweep does it, with records instead of a merger.
  void sweep() {
    const uint64_t now = now_++;
    passes_.look(
        now,
        [this](uint32_t tid) -> std::optional<swaptrail_batch> {
          const Thread& thread = threads_[tid - 1];
          if (thread.begin_ns == 0) return std::nullopt;
          return show(thread);
        },
        [this](const swaptrail_pass& pass, PassParts without) {
          for (uint64_t time : times_of(pass, without)) take(time, pass.tid), ++early_;
        });
    bool emptied_all = true;
    uint64_t taken = now;
    for (std::deque<Record>& ring : rings_) {
      size_t most = random_() % 3 == 0 ? random_() % 4 : ring.size();
      for (; most > 0 && !ring.empty(); --most) {
        passes_.note(ring.front().event);
        const swaptrail_pass& pass = ring.front().pass;
        if (pass.folio != 0)
          for (uint64_t time : times_of(pass, passes_.note(pass))) take(time, pass.tid);
        ring.pop_front();
      }
      if (ring.empty()) continue;
      emptied_all = false;
      taken = std::min(taken, ring.front().at - 1);  // what the merger calls settled
    }
    const uint64_t clear = passes_.clear_until(taken, emptied_all);
    EXPECT_LE(clear, taken);
    for (const std::deque<Record>& ring : rings_)
      for (const Record& record : ring)
        if (record.pass.folio == 0)
          EXPECT_GT(record.at, clear);
        else
          expect_taken(clear, record.pass.tid, times_of(record.pass, 0));
    for (const Thread& thread : threads_) expect_taken(clear, tid(thread), thread.pass);
    advanced_ += clear > last_;
    last_ = std::max(last_, clear);
  }
  void expect_taken(uint64_t clear, uint32_t thread, const Times& times) {
    for (uint64_t time : times) {
      ++checked_;
      if (!taken_.contains({time, thread})) {
        EXPECT_GT(time, clear) << "an event of then had not come";
      }
    }
  }

  std::mt19937_64 random_;
  std::vector<std::deque<Record>> rings_;
  std::vector<Thread> threads_;
  OpenPasses passes_;
  std::set<std::pair<uint64_t, uint32_t>> taken_;  // time, thread
  uint64_t now_ = 1000, last_ = 0, checked_ = 0, advanced_ = 0, early_ = 0;
};

TEST(OpenPasses, NothingComesAfterTheWatermarkAndNothingTwice) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Model(seed).run(4000);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace swaptrail::capture
