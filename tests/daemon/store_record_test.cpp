// What is stored comes out again, and the small parts do what they say.
#include <gtest/gtest.h>

#include <unordered_map>

#include "daemon/store/bloom.h"
#include "daemon/store/list.h"
#include "tests/scene/store_scene.h"

namespace swaptrail::store {
namespace {

TEST(StoreRecord, EveryFieldComesBack) {
  std::mt19937_64 random(1);
  const auto store = store_of(small_options(size_t{4} << 20));
  std::vector<Lifecycle> model;
  for (uint64_t id = 1; id <= 3000; ++id) {
    model.push_back(random_lifecycle(random, id));
    model.back().sample_shift = static_cast<uint8_t>(id % 16);
    store->add(model.back());
  }
  ListQuery query;
  query.order = Order::kOldestFirst;
  query.page_size = model.size();
  const Snapshot snapshot = store->snapshot();
  const ListPage page = list_lifecycles(snapshot, query);
  ASSERT_EQ(page.lifecycles.size(), model.size());
  for (size_t at = 0; at < model.size(); ++at) {
    EXPECT_EQ(page.lifecycles[at].sequence, at + 1);
    EXPECT_FALSE(page.lifecycles[at].first_return.has_value());
    ASSERT_TRUE(same(page.lifecycles[at].lifecycle, model[at])) << at;
  }
}

TEST(StoreRecord, Extremes) {
  Lifecycle life;
  life.id = life.folio = life.entry = life.cgroup = ~uint64_t{0};
  life.closed_ns = ~uint64_t{0} - 1;
  life.stage_ns.fill(~uint64_t{0});
  life.stage_ns[3] = 1;
  life.nr_pages = 0xffff;
  life.mapping_count = ~uint32_t{0};
  life.mappings[3].ptes = 1;  // after three empty ones
  const auto store = store_of(small_options());
  store->add(life);
  Lifecycle empty;
  empty.id = 1;
  store->add(empty);
  const ListPage page = list_lifecycles(store->snapshot(), ListQuery{});
  ASSERT_EQ(page.lifecycles.size(), 2u);
  EXPECT_TRUE(same(page.lifecycles[1].lifecycle, life));
  EXPECT_TRUE(same(page.lifecycles[0].lifecycle, empty));
}

TEST(StoreRecord, BackIsOneWord) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 1000; ++round) {
    const uint64_t word = random() & 0xffffffffffffff;  // 56 bits: how may be 7 here
    EXPECT_EQ(Back::unpacked(word).packed(), word);
  }
}

TEST(StoreBloom, NeverMissesARange) {
  std::mt19937_64 random(3);
  std::vector<uint64_t> words(256);
  RangeBloom bloom(words);
  bloom.clear();
  struct Range {
    uint64_t space, first;
    uint32_t count;
  };
  std::vector<Range> ranges;
  for (int round = 0; round < 500; ++round) {
    const auto count = static_cast<uint32_t>(round % 3 == 0 ? 1 + random() % 600 : 1);
    ranges.push_back({random() % 4, random() % 1'000'000, count});
    bloom.add(ranges.back().space, ranges.back().first, count);
  }
  for (const Range& range : ranges) {
    for (uint32_t unit = 0; unit < range.count; ++unit) {
      ASSERT_TRUE(bloom.may_have(range.space, range.first + unit));
    }
  }
  int wrong = 0;
  for (int round = 0; round < 1000; ++round) wrong += bloom.may_have(9, random()) ? 1 : 0;
  EXPECT_LT(wrong, 300);  // ten sizes are asked for
  bloom.clear();
  EXPECT_FALSE(bloom.may_have(ranges[0].space, ranges[0].first));
}

TEST(StoreBloom, FewWrongAnswersWhenSizedRight) {
  std::mt19937_64 random(4);
  std::vector<uint64_t> words(1024);
  RangeBloom bloom(words);
  bloom.clear();
  for (int round = 0; round < 4096; ++round) bloom.add(0, random(), 1);
  int wrong = 0;
  for (int round = 0; round < 100'000; ++round) wrong += bloom.may_have(0, random()) ? 1 : 0;
  EXPECT_LT(wrong, 2000);
}

}  // namespace
}  // namespace swaptrail::store
