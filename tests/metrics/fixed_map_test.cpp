// The hash table of fixed room and the borders of histograms, against the standard library.
#include "daemon/base/fixed_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "daemon/metrics/bucket_bounds.h"
#include "daemon/metrics/heavy_hitters.h"

namespace swaptrail::metrics {
namespace {

TEST(FixedMap, IsAMap) {
  std::mt19937_64 random(7);
  for (const size_t most : {1, 5, 100, 1000}) {
    base::FixedMap<uint64_t> map(most);
    std::map<uint64_t, uint64_t> model;
    for (int step = 0; step < 50'000; ++step) {
      const uint64_t key = 1 + random() % (2 * most + 3);
      uint64_t* found = map.find(key);
      ASSERT_EQ(found != nullptr, model.count(key) == 1) << "step " << step;
      if (found != nullptr) {
        ASSERT_EQ(*found, model[key]);
      }
      if (random() % 2 == 0) {
        map.erase(key);
        model.erase(key);
      } else if (found != nullptr && random() % 2 == 0) {
        map.erase_found(found);
        model.erase(key);
      } else if (found == nullptr) {
        uint64_t* added = map.insert(key);
        ASSERT_EQ(added != nullptr, model.size() < most);
        if (added == nullptr) continue;
        ASSERT_EQ(*added, 0u);
        *added = model[key] = random();
      }
      ASSERT_EQ(map.size(), model.size());
    }
  }
}

// Each half of the key counts, and a small value costs no padding.
TEST(FixedMap, TakesWholeKeys) {
  base::FixedMap<uint32_t> map(10);
  const uint64_t far = uint64_t{1} << 32;
  *map.insert(7) = 1;
  *map.insert(7 + far) = 2;
  *map.insert(far) = 3;
  map.erase(7);
  EXPECT_EQ(map.find(7), nullptr);
  EXPECT_EQ(*map.find(7 + far), 2u);
  EXPECT_EQ(*map.find(far), 3u);
  EXPECT_EQ(base::FixedMap<uint32_t>::bytes_for(10), 32 * 12u);
}

TEST(FixedMap, FindsOrInserts) {
  base::FixedMap<int> map(2);
  bool is_new = false;
  *map.find_or_insert(8, is_new) = 80;
  EXPECT_TRUE(is_new);
  EXPECT_EQ(*map.find_or_insert(8, is_new), 80);
  EXPECT_FALSE(is_new);
  EXPECT_EQ(*map.find_or_insert(16, is_new), 0);
  EXPECT_EQ(map.size(), 2u);
  EXPECT_EQ(map.find_or_insert(24, is_new), nullptr);
  EXPECT_TRUE(is_new);
  EXPECT_EQ(*map.find_or_insert(8, is_new), 80);  // also when it is full
}

TEST(FixedMap, GivesUpAnOldOne) {
  base::FixedMap<int> map(100);
  for (uint64_t key = 1; key <= 100; ++key) *map.insert(key) = 1;
  ASSERT_EQ(map.insert(101), nullptr);
  for (uint64_t key = 101; key <= 10'000; ++key) {
    map.erase_an_old_one();
    ASSERT_EQ(map.size(), 99u);
    ASSERT_NE(map.insert(key), nullptr);
  }
  uint64_t left = 0, newer = 0;
  for (uint64_t key = 1; key <= 10'000; ++key) {
    if (map.find(key) == nullptr) continue;
    ++left;
    newer += key > 9'000 ? 1 : 0;
  }
  EXPECT_EQ(left, 100u);
  EXPECT_GT(newer, 90u);
}

TEST(BucketBounds, BordersBelongToTheLowerBucket) {
  for (const BucketBounds& bounds : {kShortTimes, kLongTimes}) {
    for (size_t step = 0; step < kSteps; ++step) {
      EXPECT_EQ(bounds.bucket_of(bounds.border_ns(step) - 1), step);
      EXPECT_EQ(bounds.bucket_of(bounds.border_ns(step)), step);
      EXPECT_EQ(bounds.bucket_of(bounds.border_ns(step) + 1), step + 1);
    }
    EXPECT_EQ(bounds.bucket_of(0), 0u);
    EXPECT_EQ(bounds.bucket_of(~uint64_t{0}), kSteps);
  }
}

TEST(BucketBounds, HasTheStepsOfPowersOfTen) {
  const uint64_t expected[] = {1'000, 2'500, 5'000, 10'000, 25'000, 50'000, 100'000};
  for (size_t step = 0; step < std::size(expected); ++step) {
    EXPECT_EQ(kShortTimes.border_ns(step), expected[step]);
    EXPECT_EQ(kLongTimes.border_ns(step), expected[step] * 1000);
  }
}

TEST(HeavyHitters, FindsTheBusyOnesAmongMany) {
  HeavyHitters heavy_hitters;
  std::mt19937_64 random(3);
  for (int step = 0; step < 100'000; ++step) {
    heavy_hitters.note(100 + random() % 5000, 1);
    if (step % 10 == 0) heavy_hitters.note(1, 1);
    if (step % 20 == 0) heavy_hitters.note(2, 1);
  }
  const auto busiest = heavy_hitters.busiest();
  ASSERT_EQ(busiest.size(), HeavyHitters::kRoom);
  EXPECT_EQ(busiest[0].id, 1u);
  EXPECT_EQ(busiest[1].id, 2u);
  EXPECT_LE(busiest[0].sure(), 10'000u);  // never more than it was
  EXPECT_GE(busiest[0].weight, 10'000u);  // never less
}

}  // namespace
}  // namespace swaptrail::metrics
