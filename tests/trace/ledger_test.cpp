// What a slot holds, event by event. What the page tables of a machine say is compared in tests/exhaustive/ledger_test.cpp.
#include "trace/ledger/ledger.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tests/scene/trace_scene.h"

namespace swaptrail::ledger {
namespace {

constexpr uint64_t kEntry = make_entry(2, 700);

class LedgerTest : public ::testing::Test {
 protected:
  swaptrail_event event(swaptrail_kind kind, int result = 0, uint16_t pages = 1) {
    swaptrail_event made{};
    made.kind = static_cast<uint8_t>(kind);
    made.result = result;
    made.nr_pages = pages;
    made.entry = kEntry;
    made.time_ns = now += kSecond;
    made.tid = made.tgid = 40;
    made.origin = SWAPTRAIL_ORIGIN_KSWAPD;
    made.state = state;
    return made;
  }
  void send(const swaptrail_event& made) { ledger.on_event(made, 0); }
  void allocate(uint16_t pages = 1) {
    swaptrail_event made = event(SWAPTRAIL_SLOT_ALLOCATED, 0, pages);
    made.u.page.cgroup = 7;
    send(made);
  }
  void unmap(uint32_t owner, uint16_t pages = 1, uint16_t first = 0, uint16_t ptes = 1) {
    swaptrail_event made = event(SWAPTRAIL_UNMAPPED_ONE, 1, pages);
    made.u.map.owner = owner;
    made.u.map.value = 7;
    made.u.map.address = 0x7000000 + (uint64_t{first} << 12);
    made.u.map.first_page = first;
    made.u.map.ptes = ptes;
    std::memcpy(made.u.map.comm, "owner", 5);
    send(made);
  }
  void write(uint8_t backend, uint16_t pages = 1) {
    swaptrail_event made = event(SWAPTRAIL_WRITE_END, 0, pages);
    made.u.page.backend = backend;
    send(made);
  }
  void remove(uint16_t pages = 1) { send(event(SWAPTRAIL_REMOVED, 1, pages)); }
  void free(uint16_t pages = 1) {
    swaptrail_event made = event(SWAPTRAIL_SLOT_FREED, 0, pages);
    made.state = 0;
    send(made);
  }
  SlotHeld held(uint64_t page = 0) const { return *ledger.at(kEntry + page); }
  Holding only_holding() const {
    std::vector<Holding> all;
    ledger.for_each_holding([&](const Holding& holding) { all.push_back(holding); });
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? Holding{} : all[0];
  }

  Ledger ledger{{}};
  uint64_t now = 100 * kSecond;
  uint16_t state = kAnon;
};

TEST_F(LedgerTest, APageOnItsWayOutAndGone) {
  EXPECT_FALSE(ledger.at(kEntry).has_value());
  allocate();
  EXPECT_EQ(held().holder.kind, OwnerKind::kCgroup);
  EXPECT_EQ(held().holder.cgroup, 7u);
  EXPECT_EQ(held().where, Where::kNowhere);
  EXPECT_EQ(held().presence, Presence::kMapped);
  unmap(100);
  EXPECT_EQ(held().presence, Presence::kCached);
  EXPECT_EQ(held().holder.tgid, 100u);
  EXPECT_EQ(held().page, 0x7000u);
  write(SWAPTRAIL_BACKEND_DEVICE);
  remove();
  EXPECT_EQ(held().where, Where::kDevice);
  EXPECT_EQ(held().presence, Presence::kAway);
  EXPECT_EQ(held().by.tgid, 40u);
  EXPECT_EQ(held().origin, SWAPTRAIL_ORIGIN_KSWAPD);
  EXPECT_LE(held().since_ns, now);
  EXPECT_GT(held().since_ns + kSecond, now);
  EXPECT_EQ(only_holding().pages(), 1u);
  EXPECT_EQ(ledger.used(2), 1u);
  const size_t before = ledger.bytes();
  free();
  EXPECT_FALSE(ledger.at(kEntry).has_value());
  EXPECT_EQ(ledger.used(2), 0u);
  EXPECT_LT(ledger.bytes(), before) << "its block is given back";
}

TEST_F(LedgerTest, WhoIsUnmappedFirstSinceItWasMappedOwnsIt) {
  allocate();
  unmap(100);
  unmap(200);
  EXPECT_EQ(held().holder.tgid, 100u);
  EXPECT_TRUE(held().shared);
  write(SWAPTRAIL_BACKEND_DEVICE);
  remove();
  swaptrail_event back = event(SWAPTRAIL_SWAP_IN);
  back.u.map.ptes = 1;
  send(back);
  EXPECT_EQ(held().holder.tgid, 100u);
  unmap(200);
  EXPECT_EQ(held().holder.tgid, 200u);
  EXPECT_FALSE(held().shared);
}

TEST_F(LedgerTest, ReadAheadAndDroppedChangesNothing) {
  allocate();
  unmap(100);
  write(SWAPTRAIL_BACKEND_DEVICE);
  remove();
  const uint64_t since = held().since_ns;
  send(event(SWAPTRAIL_SWAP_READ));
  EXPECT_EQ(held().presence, Presence::kCached);
  swaptrail_event dropped = event(SWAPTRAIL_REMOVED, 1);
  dropped.tgid = 41;
  send(dropped);
  EXPECT_EQ(held().presence, Presence::kAway);
  EXPECT_EQ(held().since_ns, since);
  EXPECT_EQ(held().by.tgid, 40u);
}

TEST_F(LedgerTest, APartOfALargeFolio) {
  allocate(4);
  unmap(100, 4, 1, 2);
  EXPECT_EQ(held(0).holder.kind, OwnerKind::kCgroup);
  EXPECT_EQ(held(1).holder.tgid, 100u);
  EXPECT_EQ(held(2).page, 0x7002u);
  EXPECT_EQ(held(3).holder.kind, OwnerKind::kCgroup);
  free(4);
  EXPECT_EQ(ledger.used(2), 0u);
}

TEST_F(LedgerTest, AFileOfSharedMemory) {
  state = kShmem;
  swaptrail_event made = event(SWAPTRAIL_WRITE_BEGIN, 0, 2);
  made.u.page.cgroup = 9;
  made.u.page.inode = 77;
  made.u.page.index = 30;
  send(made);
  EXPECT_EQ(held(1).holder.kind, OwnerKind::kShared);
  EXPECT_EQ(held(1).holder.inode, 77u);
  EXPECT_EQ(held(1).page, 31u);
  EXPECT_EQ(held(1).holder.cgroup, 9u);
}

TEST_F(LedgerTest, ZswapMovesAnOldPageToTheDevice) {
  allocate();
  unmap(100);
  write(SWAPTRAIL_BACKEND_ZSWAP);
  remove();
  EXPECT_EQ(held().where, Where::kZswap);
  send(event(SWAPTRAIL_WRITE_ISSUED));
  EXPECT_EQ(held().where, Where::kDevice);
  EXPECT_EQ(held().holder.tgid, 100u);
}

TEST_F(LedgerTest, WhatNobodyNeedsIsInReserve) {
  allocate();
  unmap(100);
  send(event(SWAPTRAIL_CACHE_DELETED));
  EXPECT_EQ(held().where, Where::kReserve);
  EXPECT_EQ(held().holder.kind, OwnerKind::kCgroup);
  EXPECT_EQ(only_holding().pages(Where::kReserve), 1u);
}

TEST_F(LedgerTest, SlotsFromBefore) {
  free(3);
  EXPECT_EQ(ledger.counters().older_freed, 3u);
  send(event(SWAPTRAIL_SWAP_READ));
  EXPECT_EQ(held().where, Where::kUnknown);
  EXPECT_EQ(ledger.counters().taken, 1u);
  allocate();
  EXPECT_EQ(ledger.counters().reused, 1u) << "its end was missed";
  EXPECT_EQ(held().where, Where::kNowhere);
}

TEST_F(LedgerTest, InASampleASlotStandsForOthers) {
  state = kAnon | 3 << SWAPTRAIL_STATE_SAMPLE_SHIFT;
  allocate();
  unmap(100);
  EXPECT_EQ(only_holding().pages(), 8u);
  EXPECT_EQ(ledger.used(2), 8u);
  EXPECT_EQ(held().sample_shift, 3u);
  free();
  EXPECT_EQ(ledger.used(2), 0u);
}

TEST_F(LedgerTest, WhatFindsNoRoomIsCounted) {
  Ledger small({.max_slots = 512, .max_holdings = 40});
  for (uint64_t at = 0; at < 20; ++at) {
    swaptrail_event made = event(SWAPTRAIL_SLOT_ALLOCATED);
    made.entry = make_entry(2, at + 1);
    made.u.page.cgroup = 1000 + at;
    small.on_event(made, 0);
  }
  EXPECT_GT(small.counters().no_row, 0u);
  uint64_t pages = 0, others = 0;
  small.for_each_holding([&](const Holding& holding) {
    pages += holding.pages();
    if (holding.holder.kind == OwnerKind::kOthers) others += holding.pages();
  });
  EXPECT_EQ(pages, 20u);
  EXPECT_EQ(others, small.counters().no_row);
  swaptrail_event far = event(SWAPTRAIL_SLOT_ALLOCATED);
  far.entry = make_entry(2, 5000);
  small.on_event(far, 0);
  EXPECT_EQ(small.counters().no_room, 1u);
}

TEST_F(LedgerTest, RowsAndActorsThatHoldNothingMakeRoom) {
  Ledger small({.max_slots = 512, .max_holdings = 40});
  for (uint64_t at = 0; at < 10'000; ++at) {
    swaptrail_event made = event(SWAPTRAIL_SLOT_ALLOCATED);
    made.u.page.cgroup = 1000 + at;
    made.tgid = static_cast<uint32_t>(10 + at);
    small.on_event(made, 0);
    EXPECT_EQ(small.at(kEntry)->by.tgid, made.tgid);
    swaptrail_event end = event(SWAPTRAIL_SLOT_FREED);
    small.on_event(end, 0);
  }
  EXPECT_EQ(small.counters().no_row, 0u);
  EXPECT_EQ(small.counters().no_actor, 0u);
}

TEST_F(LedgerTest, ForHowLongPagesAreAway) {
  allocate();
  unmap(100);
  EXPECT_TRUE(ledger.ages(now).empty()) << "it is in memory too";
  remove();
  const uint64_t began = now;
  const auto bucket_at = [&](uint64_t later_ns) {
    const std::vector<HolderAges> all = ledger.ages(began + later_ns);
    EXPECT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].holder.tgid, 100u);
    EXPECT_EQ(all[0].ages.sum(), 1u);
    const auto& pages = all[0].ages.pages;
    return std::find(pages.begin(), pages.end(), 1u) - pages.begin();
  };
  EXPECT_EQ(bucket_at(kSecond / 2), 0);
  EXPECT_EQ(bucket_at(9 * kSecond), 1);
  EXPECT_EQ(bucket_at(11 * kSecond), 2);
  EXPECT_EQ(bucket_at(3599 * kSecond), 4);
  EXPECT_EQ(bucket_at(25 * 3600 * kSecond), 7);
  // Of what was there before, it is not known since when.
  ledger.begin_reading();
  Holder process;
  process.kind = OwnerKind::kProcess;
  process.tgid = 300;
  const FoundEntry found{kEntry + 9, 5};
  ledger.add_found(process, {&found, 1});
  ledger.end_reading();
  const std::vector<HolderAges> all = ledger.ages(now);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].ages.before, 1u);
  EXPECT_EQ(all[1].ages.sum(), 1u);
  free();
  EXPECT_EQ(ledger.ages(now).size(), 1u);
}

TEST_F(LedgerTest, HowFarASwapoffIs) {
  const uint32_t area = entry_type(kEntry);
  EXPECT_EQ(ledger.swapoff(area).pages, 0u);
  const auto swap_off = [&](uint64_t page, uint32_t tgid, uint64_t at_ns) {
    swaptrail_event made = event(SWAPTRAIL_SLOT_FREED, 0, 2);
    made.entry = kEntry + page;
    made.state = SWAPTRAIL_STATE_SWAPOFF;
    made.tgid = tgid;
    made.time_ns = at_ns;
    send(made);
  };
  allocate(8);
  free(2);  // by somebody else
  EXPECT_EQ(ledger.swapoff(area).pages, 0u);
  swap_off(2, 40, 200 * kSecond);
  swap_off(4, 40, 209 * kSecond);
  EXPECT_EQ(ledger.swapoff(area).pages, 4u);
  EXPECT_EQ(ledger.swapoff(area).tgid, 40u);
  EXPECT_EQ(ledger.swapoff(area).first_ns, 200 * kSecond);
  EXPECT_EQ(ledger.swapoff(area).last_ns, 209 * kSecond);
  swap_off(6, 41, 210 * kSecond);  // another process tries
  EXPECT_EQ(ledger.swapoff(area).pages, 2u);
  EXPECT_EQ(ledger.swapoff(area).first_ns, 210 * kSecond);
  swap_off(8, 41, 230 * kSecond);  // or the same, again
  EXPECT_EQ(ledger.swapoff(area).pages, 2u);
  EXPECT_EQ(ledger.swapoff(area + 1).pages, 0u);
}

TEST_F(LedgerTest, HandsEverythingOn) {
  struct Next : EventSink {
    void on_event(const swaptrail_event&, uint64_t sequence) override { sum += sequence; }
    void on_loss(const Loss& loss) override { sum += loss.count; }
    void on_time(uint64_t now_ns) override { sum += now_ns; }
    uint64_t sum = 0;
  } next;
  ledger.hand_on_to(next);
  ledger.on_event(event(SWAPTRAIL_UNMAPPED), 1);
  ledger.on_loss({0, 1, 20, 0});
  ledger.on_time(300);
  EXPECT_EQ(next.sum, 321u);
  EXPECT_EQ(ledger.counters().lost, 20u);
}

}  // namespace
}  // namespace swaptrail::ledger
