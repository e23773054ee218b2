// Which gaps in the sequences of a CPU are accounted for by losses, whenever these are reported.
#include "engine/lockstep/stream_check.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>

namespace swaptrail::engine {
namespace {

constexpr int kLongAgo = 5000;  // events after which what is missing does not come any more

class Stream {
 public:
  // One event of CPU 0 with this sequence, made when `lost` records had been lost.
  Stream& event(uint64_t sequence, uint32_t lost = 0) {
    swaptrail_event one{};
    one.time_ns = ++now_;
    one.kind = SWAPTRAIL_UNMAPPED;
    one.lost = lost;
    next_ = sequence + 1;
    lost_ = lost;
    count(check_.check(one, sequence));
    return *this;
  }
  Stream& events(std::initializer_list<uint64_t> sequences, uint32_t lost = 0) {
    for (const uint64_t sequence : sequences) event(sequence, lost);
    return *this;
  }
  Stream& loss(uint64_t count) {
    check_.on_loss({now_, now_ + 1, count, 0});
    return *this;
  }
  Stream& long_after() {
    for (int i = 0; i < kLongAgo; ++i) event(next_, lost_);
    return *this;
  }
  int gaps() const { return gaps_; }
  int repeated() const { return repeated_; }
  bool missing() const { return check_.missing(); }

 private:
  void count(Rule rule) {
    gaps_ += rule == Rule::kSequenceGap;
    repeated_ += rule == Rule::kSequenceRepeated;
  }
  StreamCheck check_;
  uint64_t now_ = 0, next_ = 0;
  uint32_t lost_ = 0;
  int gaps_ = 0, repeated_ = 0;
};

void expect_whole(const Stream& stream) {
  EXPECT_EQ(stream.gaps(), 0);
  EXPECT_EQ(stream.repeated(), 0);
  EXPECT_FALSE(stream.missing());
}

TEST(StreamCheck, ALossBeforeTheEventThatShowsIt) {
  expect_whole(Stream().events({0, 1}).loss(10).event(12, 10).long_after());
}

TEST(StreamCheck, ALossThatIsReportedEarly) {
  expect_whole(Stream().events({0, 1}).loss(10).events({2, 3, 4}).event(15, 10).long_after());
}

TEST(StreamCheck, ALossThatIsReportedLate) {
  expect_whole(
      Stream().events({0, 1}).event(13, 10).loss(10).event(12, 10).event(14, 10).long_after());
}

TEST(StreamCheck, AnInterruptBesideAnEarlyLoss) {
  expect_whole(Stream()
                   .events({0, 1})
                   .loss(10)
                   .events({3, 2, 5, 4})
                   .event(17, 10)
                   .event(16, 10)
                   .event(18, 10)
                   .long_after());
}

TEST(StreamCheck, MoreThanCanBeListed) {
  expect_whole(Stream().event(0).loss(300'000).events({1, 2}).event(300'003, 300'000).long_after());
  expect_whole(
      Stream().event(0).event(300'001, 300'000).loss(300'000).event(300'002, 300'000).long_after());
}

TEST(StreamCheck, ALossBeforeTheFirstEvent) {
  expect_whole(Stream().loss(7).event(7, 7).long_after());
  expect_whole(Stream().loss(7).events({0, 1}).event(9, 7).long_after());
}

TEST(StreamCheck, WhatNoLossReports) {
  EXPECT_EQ(Stream().events({0, 2}).long_after().gaps(), 1);
  EXPECT_TRUE(Stream().events({0, 2}).missing());
  EXPECT_EQ(Stream().event(0).loss(5).event(7, 5).long_after().gaps(), 1) << "six are missing";
  EXPECT_EQ(Stream().event(0).event(300'001, 300'000).long_after().gaps(), 1);
  EXPECT_EQ(Stream().events({0, 1, 1}).repeated(), 1);
  EXPECT_EQ(Stream().event(0).loss(1).event(2, 1).event(1, 1).long_after().gaps(), 0);
}

}  // namespace
}  // namespace swaptrail::engine
