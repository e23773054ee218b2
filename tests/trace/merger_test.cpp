#include "trace/merger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <tuple>

namespace swaptrail {
namespace {

struct Seen {
  uint64_t time_ns;
  uint32_t cpu;
  uint64_t sequence;
  auto key() const { return std::tuple(time_ns, cpu, sequence); }
  bool operator==(const Seen&) const = default;
};

class Recorder : public EventSink {
 public:
  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    seen.push_back({event.time_ns, event.cpu, sequence});
  }
  void on_loss(const Loss& loss) override {
    losses.push_back(loss);
    loss_places.push_back(seen.size());
  }
  std::vector<Seen> seen;
  std::vector<Loss> losses;
  std::vector<size_t> loss_places;
};

swaptrail_event event_at(uint64_t time_ns, uint16_t cpu, uint32_t lost = 0) {
  swaptrail_event event{};
  event.time_ns = time_ns;
  event.cpu = cpu;
  event.lost = lost;
  event.kind = SWAPTRAIL_REMOVED;
  return event;
}

// In the order of the stream, with the sequences that follow from it.
void put_in_order(std::vector<Seen>& model) {
  std::stable_sort(model.begin(), model.end(),
                   [](const Seen& a, const Seen& b) { return a.key() < b.key(); });
  std::map<uint32_t, uint64_t> next;
  for (Seen& seen : model) seen.sequence = next[seen.cpu]++;
}

TEST(TraceMerger, RandomInterleavingsAgainstAStableSort) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    std::mt19937_64 random(seed);
    const uint16_t cpus = static_cast<uint16_t>(1 + random() % 9);
    Merger merger;
    Recorder recorder;
    std::vector<Seen> model;
    std::vector<uint64_t> sequences(cpus), clocks(cpus, 1);
    uint64_t swept = 0;
    for (int round = 0; round < 30; ++round) {
      for (uint16_t cpu = 0; cpu < cpus; ++cpu) {
        clocks[cpu] = std::max(clocks[cpu], swept + 1);
        for (uint64_t left = random() % 40; left > 0; --left) {
          clocks[cpu] += random() % 3;  // equal times too
          // An interrupt between reservation and the reading of the time: the older stands behind.
          const uint64_t early = random() % 5 == 0 ? random() % 4 : 0;
          const uint64_t time_ns = std::max(swept + 1, clocks[cpu] - std::min(early, clocks[cpu]));
          model.push_back({time_ns, cpu, sequences[cpu]++});
          ASSERT_TRUE(merger.push(cpu, event_at(time_ns, cpu)));
        }
      }
      swept = *std::min_element(clocks.begin(), clocks.end());
      merger.advance(swept, recorder);
      for (const Seen& event : recorder.seen) ASSERT_LE(event.time_ns, swept);
    }
    merger.flush(recorder);
    put_in_order(model);
    ASSERT_EQ(recorder.seen, model) << seed;
    EXPECT_EQ(merger.counters().late, 0u);
    EXPECT_EQ(merger.counters().emitted, model.size());
    EXPECT_EQ(merger.waiting(), 0u);
  }
}

// What one CPU records: calls that are interrupted between reservation and time, and go on.
class NestedRecords {
 public:
  NestedRecords(uint32_t seed, uint16_t cpu) : random_(seed), cpu_(cpu) {}

  std::vector<Seen> make(size_t count) {
    while (records_.size() < count) record(0);
    return records_;
  }

 private:
  void record(int depth) {
    const size_t place = records_.size();
    records_.push_back({0, cpu_, place});
    while (depth < 4 && random_() % 4 == 0) record(depth + 1);
    now_ns_ += 1 + random_() % 20;
    records_[place].time_ns = now_ns_;
  }

  std::mt19937_64 random_;
  const uint16_t cpu_;
  uint64_t now_ns_ = 1;
  std::vector<Seen> records_;
};

// Rings that are far longer than the merger has room for, read in pieces, or up to a record that is not submitted yet.
TEST(TraceMerger, FullRingsAreReadInPiecesAndInOrder) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    std::mt19937_64 random(seed);
    const uint16_t cpus = static_cast<uint16_t>(1 + random() % 5);
    Merger merger({.max_events = 64u * cpus, .max_cpus = cpus});
    Recorder recorder;
    std::vector<std::vector<Seen>> rings;
    std::vector<Seen> model;
    for (uint16_t cpu = 0; cpu < cpus; ++cpu) {
      rings.push_back(NestedRecords(seed * 8 + cpu, cpu).make(cpu == 0 ? 3000 : random() % 3000));
      model.insert(model.end(), rings.back().begin(), rings.back().end());
    }
    put_in_order(model);
    std::vector<size_t> read(cpus);
    for (int idle = 0; recorder.seen.size() < model.size();) {
      const size_t before = recorder.seen.size();
      uint64_t complete_ns = UINT64_MAX;
      for (uint16_t cpu = 0; cpu < cpus; ++cpu) {
        const size_t stop = random() % 3 == 0 ? read[cpu] + random() % 40 : SIZE_MAX;
        for (size_t room = merger.room(cpu);
             room > 0 && read[cpu] < std::min(stop, rings[cpu].size()); --room)
          ASSERT_TRUE(merger.push(cpu, event_at(rings[cpu][read[cpu]++].time_ns, cpu)));
        if (read[cpu] < rings[cpu].size())
          complete_ns = std::min(complete_ns, merger.settled_ns(cpu));
      }
      ASSERT_LE(merger.waiting(), 64u * cpus);
      merger.advance(complete_ns, recorder);
      idle = recorder.seen.size() > before ? 0 : idle + 1;
      ASSERT_LT(idle, 100) << "stands still";
    }
    EXPECT_EQ(recorder.seen, model);
    EXPECT_EQ(merger.counters().late, 0u);
    EXPECT_EQ(merger.counters().overflow, 0u);
  }
}

// The events of a pass come with its record, and take their places among what came before.
TEST(TraceMerger, EventsOfAPassTakeTheirPlaces) {
  Merger merger;
  Recorder recorder;
  merger.push(0, event_at(10, 0));
  merger.push(0, event_at(25, 0));  // an interrupt, in the middle of the pass
  merger.push(1, event_at(22, 1));
  merger.push_pass(0, std::vector{event_at(20, 0), event_at(23, 0), event_at(30, 0)}, 0, 31);
  EXPECT_EQ(merger.settled_ns(0), 30u)
      << "what follows it in its ring is younger than its submission";
  merger.advance(30, recorder);
  const std::vector<Seen> expected = {{10, 0, 0}, {20, 0, 1}, {22, 1, 0},
                                      {23, 0, 2}, {25, 0, 3}, {30, 0, 4}};
  EXPECT_EQ(recorder.seen, expected);
  EXPECT_EQ(merger.counters().late, 0u);
  EXPECT_EQ(merger.counters().inverted, 0u);
}

// What was lost before a pass was lost before it was submitted, and its events count as one record's.
TEST(TraceMerger, LossBeforeAPass) {
  Merger merger;
  Recorder recorder;
  merger.push(0, event_at(10, 0));
  merger.push_pass(0, std::vector{event_at(20, 0, 3), event_at(30, 0, 3)}, 3, 40);
  merger.push(0, event_at(50, 0, 3));
  merger.flush(recorder);
  ASSERT_EQ(recorder.losses.size(), 1u);
  EXPECT_EQ(recorder.losses[0].from_ns, 10u);
  EXPECT_EQ(recorder.losses[0].to_ns, 40u);
  EXPECT_EQ(recorder.losses[0].count, 3u);
  EXPECT_EQ(recorder.loss_places[0], 1u);
  EXPECT_EQ(recorder.seen[1].sequence, 4u);
}

TEST(TraceMerger, APassThatFindsNoRoomIsLostAsAWhole) {
  Merger merger({.max_events = 4, .max_cpus = 1});
  Recorder recorder;
  for (uint64_t at = 1; at <= 3; ++at) merger.push(0, event_at(at, 0));
  EXPECT_FALSE(merger.push_pass(0, std::vector{event_at(4, 0), event_at(5, 0)}, 0, 6));
  EXPECT_EQ(merger.counters().overflow, 2u);
  merger.flush(recorder);
  EXPECT_EQ(recorder.seen.size(), 3u);
}

TEST(TraceMerger, RoomIsAShare) {
  Merger many({.max_events = 1 << 20, .max_cpus = 4096}),
      few({.max_events = 1 << 20, .max_cpus = 2});
  EXPECT_EQ(many.room(4095), 256u - 8);
  EXPECT_EQ(few.room(0), Merger::kMostAtOnce - 8);
  for (uint64_t at = 1; at <= Merger::kMostAtOnce + 1; ++at) few.push(1, event_at(at, 1));
  EXPECT_EQ(few.room(1), 0u);
}

TEST(TraceMerger, AdvanceKeepsWhatIsYounger) {
  Merger merger;
  Recorder recorder;
  merger.push(0, event_at(10, 0));
  merger.push(1, event_at(11, 1));
  merger.advance(10, recorder);
  EXPECT_EQ(recorder.seen.size(), 1u);
  EXPECT_EQ(merger.waiting(), 1u);
}

TEST(TraceMerger, InvertedInsideOneCpu) {
  Merger merger;
  Recorder recorder;
  for (const uint64_t time_ns : {10, 30, 20, 40}) merger.push(0, event_at(time_ns, 0));
  merger.flush(recorder);
  const std::vector<Seen> expected = {{10, 0, 0}, {20, 0, 1}, {30, 0, 2}, {40, 0, 3}};
  EXPECT_EQ(recorder.seen, expected);
  EXPECT_EQ(merger.counters().inverted, 1u);
  EXPECT_EQ(merger.counters().late, 0u);
}

TEST(TraceMerger, LateIsCountedAndEmitted) {
  Merger merger;
  Recorder recorder;
  merger.push(0, event_at(100, 0));
  merger.advance(100, recorder);
  merger.push(1, event_at(50, 1));
  merger.advance(100, recorder);
  ASSERT_EQ(recorder.seen.size(), 2u);
  EXPECT_EQ(recorder.seen[1].time_ns, 50u);
  EXPECT_EQ(merger.counters().late, 1u);
}

TEST(TraceMerger, LossStandsBeforeTheEventThatRevealedIt) {
  Merger merger({.start_ns = 3});
  Recorder recorder;
  merger.push(0, event_at(10, 0, 2));
  merger.push(1, event_at(15, 1));
  merger.push(0, event_at(20, 0, 2));
  merger.push(0, event_at(30, 0, 7));
  merger.flush(recorder);
  ASSERT_EQ(recorder.losses.size(), 2u);
  EXPECT_EQ(recorder.losses[0].from_ns, 3u);
  EXPECT_EQ(recorder.losses[0].count, 2u);
  EXPECT_EQ(recorder.loss_places[0], 0u);
  EXPECT_EQ(recorder.losses[1].from_ns, 20u);
  EXPECT_EQ(recorder.losses[1].to_ns, 30u);
  EXPECT_EQ(recorder.losses[1].count, 5u);
  EXPECT_EQ(recorder.loss_places[1], 3u);
  EXPECT_EQ(recorder.seen[0].sequence, 2u);
  EXPECT_EQ(recorder.seen[3].sequence, 2u + 2 + 5);
  EXPECT_EQ(merger.counters().lost, 7u);
}

TEST(TraceMerger, LostWrapsAround) {
  Merger merger;
  Recorder recorder;
  merger.push(0, event_at(1, 0, 0x7fffffff));
  merger.push(0, event_at(2, 0, 0xfffffffe));
  merger.push(0, event_at(3, 0, 1));
  merger.push(0, event_at(4, 0, 0));  // backwards: odd, no loss
  merger.flush(recorder);
  ASSERT_EQ(recorder.losses.size(), 3u);
  EXPECT_EQ(recorder.losses[2].count, 3u);
  EXPECT_EQ(merger.counters().odd_lost, 1u);
}

TEST(TraceMerger, LossesAfterTheLastEvent) {
  Merger merger;
  Recorder recorder;
  merger.push(0, event_at(10, 0, 1));
  merger.flush(recorder);
  merger.report_drops(0, 4, 99);
  merger.report_drops(0, 4, 99);
  merger.flush(recorder);
  ASSERT_EQ(recorder.losses.size(), 2u);
  EXPECT_EQ(recorder.losses[1].count, 3u);
  EXPECT_EQ(recorder.losses[1].from_ns, 10u);
  EXPECT_EQ(recorder.losses[1].to_ns, 99u);
}

// A loss does not affect what was there before it began, even if that is emitted later.
TEST(TraceMerger, ADropStandsBehindWhatIsOlder) {
  struct Order : EventSink {
    void on_event(const swaptrail_event& event, uint64_t) override {
      seen.push_back(event.time_ns);
    }
    void on_loss(const Loss& loss) override { seen.push_back(1000 + loss.from_ns); }
    std::vector<uint64_t> seen;
  } order;
  Merger merger;
  for (const uint64_t time : {5, 20}) merger.push(0, event_at(time, 0));
  for (const uint64_t time : {7, 19, 30, 60}) merger.push(1, event_at(time, 1));
  merger.report_drops(0, 4, 50);
  EXPECT_TRUE(order.seen.empty());
  merger.advance(40, order);
  EXPECT_THAT(order.seen, testing::ElementsAre(5, 7, 19, 20, 1020, 30));
  merger.report_drops(2, 6, 55);  // a CPU without any event
  merger.report_drops(1, 2, 70);
  merger.advance(50, order);
  EXPECT_THAT(order.seen, testing::ElementsAre(5, 7, 19, 20, 1020, 30, 1000));
  merger.flush(order);
  EXPECT_THAT(order.seen, testing::ElementsAre(5, 7, 19, 20, 1020, 30, 1000, 60, 1060));
}

TEST(TraceMerger, FullIsALossOfThatCpu) {
  Merger merger({.max_events = 2, .max_cpus = 4});
  Recorder recorder;
  EXPECT_TRUE(merger.push(0, event_at(1, 0)));
  EXPECT_TRUE(merger.push(1, event_at(2, 1)));
  EXPECT_FALSE(merger.push(0, event_at(3, 0)));
  EXPECT_FALSE(merger.push(9, event_at(3, 9)));
  merger.flush(recorder);
  EXPECT_TRUE(merger.push(0, event_at(4, 0)));
  EXPECT_TRUE(merger.push(0, event_at(5, 0)));
  merger.flush(recorder);
  EXPECT_EQ(merger.counters().overflow, 2u);
  ASSERT_EQ(recorder.losses.size(), 1u);
  EXPECT_EQ(recorder.losses[0].count, 1u);
  EXPECT_EQ(recorder.seen.back().sequence, 3u);
}

}  // namespace
}  // namespace swaptrail
