// What is known of the batches that run. With rings and a merger: sweeper_test.
#include "daemon/capture/open_passes.h"

#include <gtest/gtest.h>

#include <array>
#include <optional>
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

}  // namespace
}  // namespace swaptrail::capture
