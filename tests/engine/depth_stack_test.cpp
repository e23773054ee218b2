// The depth of pages in swap, against a model that looks at every page each time.
#include "engine/whatif/depth_stack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "engine/whatif/depth_curve.h"

namespace swaptrail::engine {
namespace {

// A row of pages, the newest last. All that it does takes as long as there are pages.
class NaiveStack {
 public:
  void push(uint32_t page) {
    row_.push_back({page, 0, 0});
    note();
  }
  Depth depth(uint32_t page) const {
    for (const Entry& entry : row_)
      if (entry.page == page) return {entry.now, entry.most};
    return {};
  }
  Depth remove(uint32_t page) {
    const Depth depth = this->depth(page);
    std::erase_if(row_, [&](const Entry& entry) { return entry.page == page; });
    note();
    return depth;
  }
  size_t size() const { return row_.size(); }
  uint32_t page(size_t at) const { return row_[at].page; }

 private:
  struct Entry {
    uint32_t page, now, most;
  };
  void note() {
    for (size_t at = 0; at < row_.size(); ++at) {
      row_[at].now = static_cast<uint32_t>(row_.size() - at);
      row_[at].most = std::max(row_[at].most, row_[at].now);
    }
  }
  std::vector<Entry> row_;
};

void expect_same(Depth depth, Depth truth) {
  ASSERT_EQ(depth.now, truth.now);
  ASSERT_EQ(depth.most, truth.most);
}

// `grow`: of 100 steps, how many push.
void compare_with_naive(uint32_t seed, size_t steps, size_t most, uint32_t grow) {
  std::mt19937 random(seed);
  DepthStack stack;
  NaiveStack naive;
  for (size_t step = 0; step < steps; ++step) {
    const bool pushes = naive.size() == 0 || (naive.size() < most && random() % 100 < grow);
    if (pushes) {
      naive.push(stack.push());
    } else {
      const uint32_t page = naive.page(random() % naive.size());
      if (random() % 2 == 0) {
        expect_same(stack.depth(page), naive.depth(page));
      } else {
        expect_same(stack.remove(page), naive.remove(page));
      }
    }
    ASSERT_EQ(stack.size(), naive.size());
    ASSERT_EQ(stack.deepest(), naive.size() == 0 ? DepthStack::kNone : naive.page(0));
  }
  while (naive.size() != 0) {
    const uint32_t page = naive.page(random() % naive.size());
    expect_same(stack.remove(page), naive.remove(page));
  }
}

TEST(DepthStack, IsThatOfAModelThatLooksAtEveryPage) {
  for (uint32_t seed = 1; seed <= 20; ++seed) compare_with_naive(seed, 3000, 40, 50);
  for (uint32_t seed = 1; seed <= 3; ++seed) compare_with_naive(seed, 8000, 3000, 80);
}

TEST(DepthStack, APageThatLeavesGivesItsPlaceToThoseBelow) {
  DepthStack stack;
  const uint32_t first = stack.push();
  const uint32_t second = stack.push();
  stack.push();
  expect_same(stack.depth(first), {3, 3});
  expect_same(stack.remove(second), {2, 2});
  expect_same(stack.depth(first), {2, 3});
  EXPECT_EQ(stack.push(), second) << "its number is free";
  expect_same(stack.remove(first), {3, 3});
}

TEST(DepthCurve, CountsWhatIsDeeperWithinAStep) {
  DepthCurve curve;
  curve.add(0, 1);
  curve.add(10, 5);
  curve.add(20, 7);
  EXPECT_EQ(curve.deeper_than(0), 12u);
  EXPECT_EQ(curve.deeper_than(9), 12u);
  EXPECT_EQ(curve.deeper_than(10), 7u);
  EXPECT_EQ(curve.deeper_than(20), 0u);
  curve.move(10, 30, 2);
  EXPECT_EQ(curve.deeper_than(20), 2u);
  EXPECT_EQ(curve.total(), 13u);
}

TEST(DepthCurve, RoundsUpBeyondItsSteps) {
  DepthCurve curve;
  const uint32_t deep = static_cast<uint32_t>(DepthCurve::kMostSteps);
  std::mt19937 random(7);
  std::vector<uint32_t> depths = {0, 1, 2, deep, deep + 1, 4 * deep + 3};
  for (size_t at = 0; at < 2000; ++at)
    depths.push_back(static_cast<uint32_t>(random() % (5 * deep)));
  for (const uint32_t depth : depths) curve.add(depth, 1);
  EXPECT_EQ(curve.total(), depths.size());
  const auto truth = [&](uint64_t than) {
    return static_cast<uint64_t>(
        std::ranges::count_if(depths, [&](uint32_t depth) { return depth > than; }));
  };
  for (uint64_t than = 0; than < 5 * deep; than += deep / 7) {
    EXPECT_GE(curve.deeper_than(than), truth(than)) << than;
    EXPECT_LE(curve.deeper_than(than), truth(than < 8 ? 0 : than - 8)) << than;
  }
}

}  // namespace
}  // namespace swaptrail::engine
