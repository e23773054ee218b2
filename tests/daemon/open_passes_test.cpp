// Rings, batches and passes played by a model that knows when everything happened: what the watermark lets through must
// have come before it.
#include "daemon/capture/open_passes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <random>
#include <utility>
#include <vector>

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

swaptrail_batch shown(uint64_t begin_ns, uint64_t open_ns) {
  swaptrail_batch batch{};
  batch.begin_ns = begin_ns;
  batch.open_ns = open_ns;
  return batch;
}

TEST(OpenPasses, WithoutBatchesAllThatWasTakenIsClear) {
  OpenPasses passes;
  passes.look(100, [](uint32_t) { return std::nullopt; });
  EXPECT_EQ(passes.clear_until(100, true), 100u);
}

TEST(OpenPasses, AnOpenPassHoldsBack) {
  OpenPasses passes;
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 7, 50, 51));
  EXPECT_EQ(passes.clear_until(60, true), 50u) << "it may have opened one since it began";
  passes.look(100, [](uint32_t) { return shown(50, 90); });
  EXPECT_EQ(passes.clear_until(100, true), 89u);
  passes.look(110, [](uint32_t) { return shown(50, 1); });  // the next one is just being opened
  EXPECT_EQ(passes.clear_until(110, true), 89u);
  passes.look(120, [](uint32_t) { return shown(50, 0); });
  EXPECT_EQ(passes.clear_until(120, true), 120u);
}

TEST(OpenPasses, ABatchThatIsOverHoldsNothingBack) {
  OpenPasses passes;
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 7, 50, 51));
  passes.note(batch_event(SWAPTRAIL_RECLAIM_END, 7, 50, 58));
  EXPECT_EQ(passes.clear_until(60, true), 60u);
  EXPECT_EQ(passes.batches(), 0u);
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 8, 61, 62));  // its end was lost
  passes.look(100, [](uint32_t) { return shown(80, 85); });      // and the thread runs another one
  EXPECT_EQ(passes.clear_until(100, true), 100u);
  EXPECT_EQ(passes.batches(), 0u);
}

TEST(OpenPasses, APassOfASleeperIsNotWaitedForForEver) {
  OpenPasses passes;
  passes.note(batch_event(SWAPTRAIL_RECLAIM_BEGIN, 7, 50, 51));
  const uint64_t late = 90 + OpenPasses::kLongestNs;
  passes.look(late, [](uint32_t) { return shown(50, 90); });
  EXPECT_EQ(passes.clear_until(late, true), 89u);
  passes.look(late + 1, [](uint32_t) { return shown(50, 90); });
  EXPECT_EQ(passes.clear_until(late + 1, true), late + 1);
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
  }

 private:
  struct Record {
    swaptrail_event event;     // of a batch, or kind 0
    std::vector<uint64_t> at;  // when its events happened
  };
  struct Thread {
    uint64_t begin_ns = 0, open_ns = 0;
    std::vector<uint64_t> pass;
  };

  uint32_t tid(const Thread& thread) const {
    return static_cast<uint32_t>(&thread - threads_.data()) + 1;
  }
  void submit(Record record) { rings_[random_() % rings_.size()].push_back(std::move(record)); }
  void close(Thread& thread) {
    if (thread.open_ns == 0) return;
    submit({{}, thread.pass});
    thread.open_ns = 0;
    thread.pass.clear();
  }

  void act(Thread& thread) {
    const auto what = static_cast<uint32_t>(random_() % 10);
    if (thread.begin_ns == 0) {
      thread.begin_ns = now_;
      submit({batch_event(SWAPTRAIL_RECLAIM_BEGIN, tid(thread), now_, now_), {now_}});
    } else if (what == 0) {
      close(thread);
      submit({batch_event(SWAPTRAIL_RECLAIM_END, tid(thread), thread.begin_ns, now_), {now_}});
      thread.begin_ns = 0;
    } else if (what == 1) {
      submit({{}, {now_}});
    } else if (thread.open_ns == 0 || what == 2) {
      close(thread);
      thread.open_ns = now_;
      thread.pass = {now_};
    } else {
      thread.pass.push_back(now_);
    }
  }

  // As Session::sweep does it, with records instead of a merger.
  void sweep() {
    const uint64_t now = now_++;
    passes_.look(now, [this](uint32_t tid) -> std::optional<swaptrail_batch> {
      const Thread& thread = threads_[tid - 1];
      if (thread.begin_ns == 0) return std::nullopt;
      return shown(thread.begin_ns, thread.open_ns);
    });
    bool emptied_all = true;
    uint64_t taken = now;
    for (std::deque<Record>& ring : rings_) {
      size_t most = random_() % 3 == 0 ? random_() % 4 : ring.size();
      for (; most > 0 && !ring.empty(); --most) {
        passes_.note(ring.front().event);
        ring.pop_front();
      }
      if (ring.empty()) continue;
      emptied_all = false;
      taken = std::min(taken, ring.front().at.back() - 1);  // what the merger calls settled
    }
    const uint64_t clear = passes_.clear_until(taken, emptied_all);
    EXPECT_LE(clear, taken);
    for (const std::deque<Record>& ring : rings_)
      for (const Record& record : ring)
        for (uint64_t at : record.at) expect_after(clear, at);
    for (const Thread& thread : threads_)
      for (uint64_t at : thread.pass) expect_after(clear, at);
    advanced_ += clear > last_;
    last_ = std::max(last_, clear);
  }
  void expect_after(uint64_t clear, uint64_t at) {
    ++checked_;
    EXPECT_GT(at, clear) << "an event of then had not come";
  }

  std::mt19937_64 random_;
  std::vector<std::deque<Record>> rings_;
  std::vector<Thread> threads_;
  OpenPasses passes_;
  uint64_t now_ = 1000, last_ = 0, checked_ = 0, advanced_ = 0;
};

TEST(OpenPasses, NothingComesAfterTheWatermark) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Model(seed).run(4000);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace swaptrail::capture
