// Lockstep on small streams: what the kernel can do is let pass, what it can't is found. That every kind
// of damage to real recordings is found is tests/mutation's affair.
#include "engine/lockstep/lockstep.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/scene/engine_story.h"

namespace swaptrail::engine {
namespace {

TEST(Lockstep, AgreesWithAWholeWay) {
  Story story;
  const Page page;
  story.begin();
  story.out(page);
  story.end(1);
  story.add(SWAPTRAIL_SWAP_READ, page, kAnon);
  story.freed(page);
  story.fault(page, 5000);
  const Validated run = validate(story);
  EXPECT_EQ(run.rules(), "");
  EXPECT_EQ(run.counters.lifecycles, 1u);
  EXPECT_EQ(run.counters.agreed, 1u);
  EXPECT_EQ(run.counters.predictions, 6u);
}

TEST(Lockstep, FollowsAnAsynchronousWriteIntoTheNextPass) {
  Story story;
  const Page page;
  story.begin();
  story.slot(page);
  story.unmap(page);
  story.write(page, false);
  story.end(0);
  story.completed(page);
  story.begin();
  story.removed(page);
  story.end(1);
  const Validated run = validate(story);
  EXPECT_EQ(run.rules(), "");
  EXPECT_EQ(run.counters.agreed, 1u);
}

// Linux up to 6.2: zram is asked for the whole of a large folio and refuses, after writeback had
// begun; then it is written by a bio (block/bdev.c: bdev_write_page, mm/page_io.c: __swap_writepage).
TEST(Lockstep, KnowsTheSecondWritebackOfARefusedLargeFolio) {
  Story story;
  const Page page{.nr_pages = 512};
  story.begin();
  story.slot(page);
  story.unmap(page);
  story.add(SWAPTRAIL_WRITE_BEGIN, page, kCached);
  story.add(SWAPTRAIL_WRITE_ISSUED, page, kCached);
  story.completed(page);
  story.completed(page);
  story.add(SWAPTRAIL_WRITE_END, page, kCached).u.page.backend = SWAPTRAIL_BACKEND_DEVICE;
  story.removed(page);
  story.end(512);
  EXPECT_EQ(validate(story, "6.1").rules(), "");
  EXPECT_EQ(validate(story, "6.12").rules(), "completed_without_write");
}

// The memory of a page that was just freed can be another's folio before its reclaimer goes on.
TEST(Lockstep, LetsFreedMemoryBeUsedAtOnce) {
  Story story;
  const Page other{.entry = make_entry(0, 900)};
  story.begin();
  story.out(other);
  story.end(1);
  story.begin();
  const Page page;
  story.out(page);
  story.cpu = 1;
  story.tid = 8;
  const uint64_t batch_ns = std::exchange(story.batch_ns, 0);
  story.add(SWAPTRAIL_SWAP_READ, other, kCached & ~SWAPTRAIL_STATE_ANON);
  story.add(SWAPTRAIL_CACHE_DELETED, other, kCached);
  story.freed(other);
  story.cpu = 0;
  story.tid = 7;
  story.batch_ns = batch_ns;
  story.end(1);
  EXPECT_EQ(validate(story).rules(), "");
}

TEST(Lockstep, FaultsOnFreeSlots) {
  const Page page;
  const auto story_of = [&](bool other_work_before) {
    Story story;
    story.begin();
    story.out(page);
    story.end(1);
    story.freed(page);
    story.tid = 9;
    if (other_work_before) story.fault({.entry = make_entry(0, 700)}, 1);
    const uint64_t begin = story.now;
    if (!other_work_before) story.fault({.entry = make_entry(0, 700)}, 1);
    // ... and finds that the entry has changed: it fills none.
    const uint64_t took_ns = other_work_before ? 500 : story.now + 1000 - begin + 500;
    story.fault(page, took_ns).u.map.ptes = other_work_before;
    return story;
  };
  EXPECT_EQ(validate(story_of(true)).rules(), "fault_on_free_slot");
  // It read its page table before the slot was freed, and reclaimed meanwhile.
  EXPECT_EQ(validate(story_of(false)).rules(), "");
}

TEST(Lockstep, FindsASlotThatIsGivenOutTwice) {
  Story story;
  const Page page;
  story.begin();
  story.out(page);
  story.out({.folio = page.folio + 64});
  story.end(2);
  EXPECT_EQ(validate(story).rules(), "slot_in_use");
}

TEST(Lockstep, FindsSlotsThatNoAreaHas) {
  const auto rule_of = [](uint64_t entry, uint16_t nr_pages) {
    Story story;
    story.begin();
    story.out({.entry = entry, .nr_pages = nr_pages});
    story.end(nr_pages);
    return validate(story).rules();
  };
  EXPECT_EQ(rule_of(make_entry(0, 99'999), 1), "");
  EXPECT_EQ(rule_of(make_entry(0, 100'000), 1), "slot_out_of_range");
  EXPECT_EQ(rule_of(make_entry(23, 5), 1), "entry_of_unknown_area");
  EXPECT_EQ(rule_of(make_entry(0, 768), 512), "slot_misaligned");
}

TEST(Lockstep, FindsWhatIsMissingAndSaysThatItIsLoss) {
  Story whole;
  whole.begin();
  whole.out({});
  whole.end(1);
  // 1 slot, 2 one, 3 unmapped, 4 begin, 5 issued, 6 completed, 7 end, 8 removed
  for (const size_t missing : {1, 2, 3, 4, 5, 6, 7}) {
    Story story = whole;
    story.events.erase(story.events.begin() + static_cast<ptrdiff_t>(missing));
    story.sequences.pop_back();
    const Validated run = validate(story);
    ASSERT_FALSE(run.findings.empty()) << missing;
    EXPECT_EQ(run.findings.front().folio, Page().folio) << missing;
    const std::string rule = missing == 1   ? "unknown_folio"
                             : missing == 6 ? "completion_lost"
                                            : "stage_missing";
    EXPECT_NE(run.rules().find(rule), std::string::npos) << missing << ": " << run.rules();
  }
}

TEST(Lockstep, BelievesALossThatWasTold) {
  Story story;
  story.begin();
  story.out({});
  story.end(1);
  story.events.erase(story.events.begin() + 3);
  story.sequences.erase(story.sequences.begin() + 3);
  const auto before = [](Lockstep& lockstep, lifecycles::Reconstructor& reconstructor,
                         size_t index) {
    if (index != 3) return;
    const Loss loss{1'000'000'000, 1'000'005'000, 1, 0};
    reconstructor.on_loss(loss);
    lockstep.on_loss(loss);
  };
  const Validated run = validate(story, "6.12", before);
  EXPECT_EQ(run.rules(), "");
  EXPECT_EQ(run.counters.not_compared, 1u);
}

TEST(Lockstep, FindsABatchThatFreedMoreThanItSays) {
  Story story;
  story.begin();
  story.out({});
  story.end(0);
  EXPECT_EQ(validate(story).rules(), "batch_reclaimed_less");
}

TEST(Lockstep, FindsAnOddOwnerButNoFork) {
  const auto story_of = [](size_t strangers, uint32_t stranger = 99) {
    Story story;
    for (uint64_t i = 0; i < 3; ++i) {
      const Page page{.folio = Page().folio + i * 64, .entry = make_entry(0, 512 + i)};
      story.begin();
      story.out(page);
      story.end(1);
      story.fault(page, 10, i < strangers ? stranger : 100);
    }
    return story;
  };
  EXPECT_EQ(validate(story_of(0)).rules(), "");
  EXPECT_EQ(validate(story_of(1)).rules(), "stranger_faults");
  EXPECT_EQ(validate(story_of(3)).rules(), "") << "a fork: many pages come back";
  EXPECT_EQ(validate(story_of(1, 101)).rules(), "") << "a child that was not there before";
}

TEST(Lockstep, ChecksSequences) {
  Story story;
  for (uint64_t i = 0; i < 200; ++i) story.fault({.entry = make_entry(0, 1000 + i)}, 1);
  EXPECT_EQ(validate(story).rules(), "");
  Story late = story;  // an interrupt with many events between reservation and clock
  std::rotate(late.sequences.begin() + 10, late.sequences.begin() + 11,
              late.sequences.begin() + 150);
  EXPECT_EQ(validate(late).rules(), "");
  Story twice = story;
  twice.sequences[20] = 19;
  EXPECT_EQ(validate(twice).rules(), "sequence_repeated sequence_gap");
  Story gap = story;
  gap.events.erase(gap.events.begin() + 50);
  gap.sequences.erase(gap.sequences.begin() + 50);
  EXPECT_EQ(validate(gap).rules(), "sequence_gap");
}

TEST(Lockstep, SamplesWholeFolios) {
  Story story;
  for (uint64_t i = 0; i < 64; ++i) {
    const Page page{.folio = Page().folio + i * 64, .entry = make_entry(0, 512 + i)};
    story.begin();
    story.out(page);
    story.end(1);
  }
  KeptFindings kept;
  LockstepOptions options;
  options.features = *features_named("6.12");
  options.sample = 4;
  Lockstep lockstep(options, kept);
  for (size_t i = 0; i < story.events.size(); ++i) {
    lockstep.on_event(story.events[i], story.sequences[i]);
  }
  lockstep.finish(story.now);
  EXPECT_EQ(lockstep.counters().passes, 16u);
  // Nobody gave it the lifecycles.
  EXPECT_EQ(kept.findings.size(), 16u);
  for (const Finding& one : kept.findings) EXPECT_EQ(one.rule, Rule::kLifecycleUnknown);
}

// A slot that one of the sample had, and then one that is not in it.
TEST(Lockstep, ASlotMayGoToAFolioThatIsNotFollowed) {
  const Page followed, other{.folio = Page().folio + 64};
  Story story;
  story.begin();
  story.out(followed);
  story.end(1);
  story.freed(followed);  // its process has ended
  for (int round = 0; round < 2; ++round) {
    story.tid = 9;
    story.begin();
    story.out(other);
    story.end(1);
    swaptrail_event& read = story.add(SWAPTRAIL_SWAP_READ, other, 0);
    read.folio += 128;
    story.freed(other);
    story.fault(other, 1, 200);
  }
  KeptFindings kept;
  LockstepOptions options;
  options.features = *features_named("6.12");
  options.sample = 4;
  options.returns = false;  // nobody makes them
  Lockstep lockstep(options, kept);
  for (size_t i = 0; i < story.events.size(); ++i)
    lockstep.on_event(story.events[i], story.sequences[i]);
  lockstep.finish(story.now);
  EXPECT_EQ(lockstep.counters().passes, 1u);
  for (const Finding& one : kept.findings) EXPECT_EQ(one.rule, Rule::kLifecycleUnknown) << one.text;
}

TEST(Rules, AreAllDescribed) {
  for (size_t i = 0; i < static_cast<size_t>(Rule::kCount); ++i) {
    const RuleText& text = rule_text(static_cast<Rule>(i));
    EXPECT_FALSE(text.name.empty()) << i;
    EXPECT_FALSE(text.kernel.empty()) << text.name;
    EXPECT_FALSE(text.text.empty()) << text.name;
  }
}

}  // namespace
}  // namespace swaptrail::engine
