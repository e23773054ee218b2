// --cpu-limit: when the sample becomes smaller, and when larger again.
#include "daemon/pipeline/sample_rate.h"

#include <gtest/gtest.h>

namespace swaptrail::pipeline {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

// Seconds in which the process uses so much of a CPU.
class Clock {
 public:
  explicit Clock(SampleRate& rate) : rate_(rate) { pass(0); }
  uint32_t pass(double share, int seconds = 1) {
    for (int second = 0; second < seconds; ++second) {
      used_ns_ += static_cast<uint64_t>(share * kSecond);
      rate_.next(now_ns_ += kSecond, used_ns_);
    }
    return rate_.sampling().one_in;
  }

 private:
  SampleRate& rate_;
  uint64_t now_ns_ = 5 * kSecond, used_ns_ = 3 * kSecond;
};

TEST(SampleRate, WithoutALimitNothingChanges) {
  SampleRate rate(1, 0);
  Clock clock(rate);
  EXPECT_EQ(clock.pass(0.9, 100), 1u);
  EXPECT_FALSE(rate.sampling().ever());
  EXPECT_NEAR(rate.sampling().cpu, 90, 0.1);
}

TEST(SampleRate, FallsAsFarAsTheLimitWasExceeded) {
  SampleRate rate(1, 5);
  Clock clock(rate);
  EXPECT_EQ(clock.pass(0.04), 1u);
  EXPECT_EQ(clock.pass(0.06), 2u);
  EXPECT_EQ(clock.pass(0.35), 16u);
  EXPECT_EQ(rate.sampling().changes, 2u);
  EXPECT_GT(rate.sampling().since_ns, 0u);
  EXPECT_TRUE(rate.sampling().ever());
}

TEST(SampleRate, RisesSlowlyAndNoFurtherThanAsked) {
  SampleRate rate(4, 10);
  Clock clock(rate);
  EXPECT_EQ(clock.pass(0.39), 16u);
  EXPECT_EQ(clock.pass(0.03, SampleRate::kCalmWindows - 1), 16u);
  EXPECT_EQ(clock.pass(0.03), 8u);
  EXPECT_EQ(clock.pass(0.06, 100), 8u) << "twice that would be above the limit";
  EXPECT_EQ(clock.pass(0.01, 100), 4u);
}

TEST(SampleRate, ABusySecondBeginsTheWaitAgain) {
  SampleRate rate(1, 10);
  Clock clock(rate);
  EXPECT_EQ(clock.pass(0.19), 2u);
  EXPECT_EQ(clock.pass(0.01, SampleRate::kCalmWindows - 1), 2u);
  EXPECT_EQ(clock.pass(0.08), 2u);
  EXPECT_EQ(clock.pass(0.01, SampleRate::kCalmWindows - 1), 2u);
  EXPECT_EQ(clock.pass(0.01), 1u);
}

TEST(SampleRate, HasAnEnd) {
  SampleRate rate(1, 1);
  Clock clock(rate);
  EXPECT_EQ(clock.pass(16, 20), 1u << SampleRate::kMostShift);
}

TEST(SampleRate, ShorterThanAWindowIsNotLookedAt) {
  SampleRate rate(1, 1);
  EXPECT_FALSE(rate.next(kSecond, 0));
  EXPECT_FALSE(rate.next(kSecond + 1000, 900));
  EXPECT_TRUE(rate.next(2 * kSecond, kSecond / 2));
}

}  // namespace
}  // namespace swaptrail::pipeline
