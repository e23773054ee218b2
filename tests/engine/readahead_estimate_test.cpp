// Readahead that was not: by hand, and the shares that it drops by.
#include "engine/whatif/readahead_estimate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "engine/whatif/readahead_evidence.h"
#include "engine/whatif/rough_histogram.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint32_t kOwner = 7;

// Page `page` of the process goes to the slot `entry`.
Lifecycle to_slot(uint64_t entry, uint64_t page, uint32_t owner = kOwner) {
  Lifecycle lifecycle;
  lifecycle.entry = entry;
  lifecycle.outcome = Outcome::kFreedDevice;
  lifecycle.mappings[0] = {.address = page * kPage, .tgid = owner, .first_page = 0, .ptes = 1};
  lifecycle.mapping_count = 1;
  return lifecycle;
}

Return from_slot(uint64_t entry) {
  Return back;
  back.entry = entry;
  back.fault_ns = 1000;
  return back;
}

// Pages 100 .. 115 in the slots 16 .. 31; every second page in a slot of the lower half.
ReadaheadEstimate scattered(uint32_t page_cluster) {
  ReadaheadEstimate estimate({page_cluster}, kPage);
  for (uint64_t at = 0; at < 16; ++at)
    estimate.on_lifecycle(to_slot(16 + at / 2 + (at % 2) * 8, 100 + at));
  return estimate;
}

void expect_counters(const ReadaheadCounters& counters, uint64_t major, uint64_t hits,
                     uint64_t read) {
  EXPECT_EQ(counters.major, major);
  EXPECT_EQ(counters.hits, hits);
  EXPECT_EQ(counters.read, read);
  EXPECT_EQ(counters.faults, major + hits + counters.unknown);
}

TEST(ReadaheadEstimate, WithoutReadaheadEachFaultReadsItsPage) {
  ReadaheadEstimate estimate = scattered(0);
  for (uint64_t entry = 16; entry < 32; ++entry) estimate.on_return(from_slot(entry));
  for (const ReadaheadWay way : {ReadaheadWay::kBySlot, ReadaheadWay::kByAddress})
    expect_counters(estimate.answer(0, way).kept, 16, 0, 16);
}

TEST(ReadaheadEstimate, BySlotItReadsTheAlignedBlock) {
  ReadaheadEstimate estimate = scattered(2);
  estimate.on_return(from_slot(18));  // slots 16 .. 19
  for (const uint64_t entry : {16, 17, 19}) estimate.on_return(from_slot(entry));
  expect_counters(estimate.answer(0, ReadaheadWay::kBySlot).kept, 1, 3, 4);
  estimate.on_return(from_slot(20));  // its window has 4 pages, as there were hits
  expect_counters(estimate.answer(0, ReadaheadWay::kBySlot).kept, 2, 3, 8);
}

TEST(ReadaheadEstimate, ByAddressItReadsWhatLiesBesideIt) {
  ReadaheadEstimate estimate = scattered(2);
  estimate.on_return(from_slot(18));  // page 104: with 103, 105 and 106 in slots 25, 26 and 19
  for (const uint64_t entry : {25, 26, 19}) estimate.on_return(from_slot(entry));
  expect_counters(estimate.answer(0, ReadaheadWay::kByAddress).kept, 1, 3, 4);
}

TEST(ReadaheadEstimate, WithoutHitsItReadsLess) {
  ReadaheadEstimate estimate({5}, kPage);
  for (uint64_t entry = 1000; entry < 1256; ++entry) estimate.on_lifecycle(to_slot(entry, entry));
  for (const uint64_t entry : {1003, 1037, 1071, 1105, 1139}) estimate.on_return(from_slot(entry));
  // 8 pages for the four hits that the kernel begins with, then 4, 2, 1, 1.
  expect_counters(estimate.answer(0, ReadaheadWay::kBySlot).kept, 5, 0, 8 + 4 + 2 + 1 + 1);
}

TEST(ReadaheadEstimate, WhatLeftUnseenIsUnknown) {
  ReadaheadEstimate estimate = scattered(3);
  estimate.on_return(from_slot(99));
  estimate.on_loss({.from_ns = 1, .to_ns = 2, .count = 1, .cpu = 0});
  estimate.on_return(from_slot(18));
  const ReadaheadCounters counters = estimate.answer(0, ReadaheadWay::kBySlot).kept;
  EXPECT_EQ(counters.unknown, 2u);
  expect_counters(counters, 0, 0, 0);
}

TEST(ReadaheadEstimate, APageThatLeftAgainIsNotAhead) {
  ReadaheadEstimate estimate = scattered(2);
  estimate.on_return(from_slot(18));
  estimate.on_lifecycle(to_slot(19, 300));
  estimate.on_return(from_slot(19));
  expect_counters(estimate.answer(0, ReadaheadWay::kBySlot).kept, 2, 0, 4 + 1);
}

TEST(ReadaheadEstimate, OneBoundDropsWhatIsNotUsedSoon) {
  ReadaheadEstimate estimate({2}, kPage);
  // 200 pages come back and leave again after one other has left: so long a page ahead is kept.
  for (uint64_t round = 0; round < 400; ++round) {
    estimate.on_lifecycle(to_slot(5000 + 64 * (round % 2), 5000 + 64 * (round % 2)));
    if (round > 0) estimate.on_return(from_slot(5000 + 64 * ((round + 1) % 2)));
  }
  const ReadaheadEstimate::Answer before = estimate.answer(0, ReadaheadWay::kBySlot);
  for (uint64_t at = 14; at < 24; ++at) estimate.on_lifecycle(to_slot(at, at));
  estimate.on_return(from_slot(15));
  estimate.on_return(from_slot(16));  // the next slot: 17 is read as well
  for (uint64_t at = 0; at < 50; ++at) estimate.on_lifecycle(to_slot(900 + at, 900 + at));
  estimate.on_return(from_slot(17));
  const ReadaheadEstimate::Answer after = estimate.answer(0, ReadaheadWay::kBySlot);
  EXPECT_EQ(after.kept.hits - before.kept.hits, 1u);
  EXPECT_EQ(after.dropped.hits - before.dropped.hits, 0u);
  EXPECT_EQ(after.dropped.major - before.dropped.major, 3u);
}

TEST(RoughHistogram, PercentilesWithinAnEighth) {
  std::mt19937_64 random(5);
  for (const uint64_t most : {5ull, 100ull, 5000ull, 3'000'000ull, ~0ull}) {
    RoughHistogram histogram;
    EXPECT_EQ(histogram.percentile(1), 0u);
    std::vector<uint64_t> all;
    for (size_t at = 0; at < 1000; ++at) {
      all.push_back(random() % most);
      histogram.add(all.back());
    }
    std::ranges::sort(all);
    for (const uint32_t tenths : {1u, 5u, 10u}) {
      const uint64_t truth = all[100 * tenths - 1];
      EXPECT_LE(histogram.percentile(tenths), truth);
      EXPECT_GE(histogram.percentile(tenths), truth - truth / 8) << most;
    }
  }
}

TEST(ReadaheadEvidence, OnlyReadsOutsideOfTheBlockShowSomething) {
  ReadaheadEvidence evidence;
  swaptrail_event event{};
  const auto send = [&](swaptrail_kind kind, uint64_t entry, uint32_t tid) {
    event.kind = kind;
    event.entry = entry;
    event.tid = tid;
    evidence.on_event(event);
  };
  send(SWAPTRAIL_SWAP_READ, 64, 1);
  send(SWAPTRAIL_SWAP_READ, 200, 2);
  send(SWAPTRAIL_SWAP_READ, 65, 1);
  send(SWAPTRAIL_SWAP_IN, 65, 1);
  EXPECT_EQ(evidence.beside(), 1u);
  EXPECT_EQ(evidence.outside(), 0u);
  send(SWAPTRAIL_SWAP_IN, 64, 2);
  EXPECT_EQ(evidence.beside(), 2u);
  EXPECT_EQ(evidence.outside(), 1u);
}

}  // namespace
}  // namespace swaptrail::engine
