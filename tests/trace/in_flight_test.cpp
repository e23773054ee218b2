// A look at folios on their way, stage by stage.
#include <gtest/gtest.h>

#include <optional>

#include "tests/scene/trace_scene.h"

namespace swaptrail::lifecycles {
namespace {

class InFlight : public testing::Test {
 protected:
  // Hands on what the scene got since the last time.
  void feed() {
    for (; fed_ < scene_.events.size(); ++fed_) reconstructor_.on_event(scene_.events[fed_], fed_);
  }
  std::optional<Lifecycle> by_frame(uint64_t page = 0) {
    feed();
    return reconstructor_.in_flight_of_frame(page_.folio + page * 64);
  }
  std::optional<Lifecycle> by_entry(uint64_t page = 0) {
    feed();
    return reconstructor_.in_flight_of_entry(page_.entry + page);
  }

  Scene scene_;
  Kept kept_;
  Reconstructor reconstructor_{ReconstructorOptions{}, kept_};
  Page page_ = page_at(64);
  size_t fed_ = 0;
};

TEST_F(InFlight, NothingIsKnownOfAPageBeforeItsSlot) {
  scene_.begin();
  EXPECT_EQ(by_frame(), std::nullopt);
  EXPECT_EQ(by_entry(), std::nullopt);
}

TEST_F(InFlight, ASlotIsOnlyReserved) {
  scene_.begin();
  scene_.slot(page_);
  const auto life = by_frame();
  ASSERT_TRUE(life);
  EXPECT_EQ(life->outcome, Outcome::kInFlight);
  EXPECT_NE(life->at(Stage::kSlotAllocated), 0u);
  EXPECT_EQ(life->at(Stage::kUnmapped), 0u);
  EXPECT_EQ(life->entry, page_.entry);
  EXPECT_EQ(life->closed_ns, 0u);
  EXPECT_EQ(life->incomplete, IncompleteReason::kNone);
  EXPECT_EQ(by_entry()->id, life->id);
  EXPECT_TRUE(kept_.lifecycles.empty());
}

TEST_F(InFlight, WaitsForWritebackAndThenForASecondPass) {
  scene_.begin();
  scene_.slot(page_);
  scene_.unmap(page_);
  scene_.write_async(page_);
  scene_.end();
  ASSERT_TRUE(by_frame());
  EXPECT_EQ(by_frame()->waiting_for, Waiting::kWriteback);
  scene_.complete(page_);
  EXPECT_EQ(by_frame()->waiting_for, Waiting::kSecondPass);
  EXPECT_EQ(by_entry()->waiting_for, Waiting::kSecondPass);
}

TEST_F(InFlight, GoneWhenItIsFreed) {
  scene_.whole_sync(page_);
  EXPECT_EQ(by_frame(), std::nullopt);
  EXPECT_EQ(by_entry(), std::nullopt);
  EXPECT_EQ(kept_.lifecycles.size(), 1u);
}

TEST_F(InFlight, ALargeFolioIsFoundByEachOfItsPagesAndNoOther) {
  page_.nr_pages = 16;
  scene_.begin();
  scene_.slot(page_);
  for (const uint64_t page : {0, 1, 15}) {
    EXPECT_TRUE(by_frame(page)) << page;
    EXPECT_TRUE(by_entry(page)) << page;
  }
  EXPECT_EQ(by_frame(16), std::nullopt);
  EXPECT_EQ(by_entry(16), std::nullopt);
  EXPECT_EQ(reconstructor_.in_flight_of_frame(page_.folio - 64), std::nullopt);
}

TEST_F(InFlight, LookingChangesNothing) {
  scene_.begin();
  scene_.slot(page_);
  ASSERT_TRUE(by_frame());
  scene_.unmap(page_);
  ASSERT_TRUE(by_entry());
  scene_.write_sync(page_);
  scene_.removed(page_);
  scene_.end();
  feed();
  ASSERT_EQ(kept_.lifecycles.size(), 1u);
  EXPECT_EQ(kept_.lifecycles[0].outcome, Outcome::kFreedDevice);
  EXPECT_EQ(kept_.lifecycles[0].incomplete, IncompleteReason::kNone);
}

}  // namespace
}  // namespace swaptrail::lifecycles
