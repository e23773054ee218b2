// What an inventory gives to the ledger, with processes that the test makes up.
#include "daemon/inventory/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "tests/api/api_scene.h"
#include "trace/decode.h"

namespace swaptrail::api {
namespace {

using inventory::Inventory;
using inventory::Progress;

swaptrail_event event_of(swaptrail_kind kind, uint64_t entry) {
  swaptrail_event event{};
  event.kind = static_cast<uint8_t>(kind);
  event.entry = entry;
  event.nr_pages = 1;
  event.time_ns = 1;
  return event;
}

class InventoryTest : public testing::Test {
 protected:
  // A process with that many pages in swap.
  void add_process(uint32_t pid, uint64_t pages, uint64_t first_offset) {
    processes_[pid] = {pages, first_offset};
  }
  inventory::Sources sources() {
    return {[this] {
              std::vector<host::SwappingProcess> all;
              for (const auto& [pid, process] : processes_)
                all.push_back({pid, Comm{'p'}, process.pages * 4096});
              return all;
            },
            [this](uint32_t pid, uint64_t address) { return read(pid, address); },
            [](uint32_t pid) { return uint64_t{pid} * 10; }};
  }
  Progress run() {
    Inventory inventory(sources(), scene_.requests, 100);
    inventory.start();
    wait_for(inventory);
    return inventory.progress();
  }
  static void wait_for(Inventory& inventory) {
    for (int i = 0; i < 3000 && inventory.progress().state == inventory::State::kReading; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    inventory.stop();
  }
  // On the pipeline's thread.
  void with_ledger(const std::function<void(ledger::Ledger&)>& work) {
    ASSERT_TRUE(scene_.requests
                    .ask([&](pipeline::PipelineView& view) { work(*view.ledger()); },
                         absl::Now() + absl::Seconds(60))
                    .ok());
  }
  std::optional<ledger::SlotHeld> at(uint64_t entry) {
    std::optional<ledger::SlotHeld> held;
    with_ledger([&](ledger::Ledger& ledger) { held = ledger.at(entry); });
    return held;
  }

  struct Process {
    uint64_t pages = 0, first_offset = 0;
  };
  absl::StatusOr<host::SwapEntries> read(uint32_t pid, uint64_t address) {
    if (before_read) before_read(pid, address);
    if (gone_.contains(pid)) return absl::NotFoundError("gone");
    const Process& process = processes_[pid];
    host::SwapEntries out;
    const uint64_t first = address / 4096;
    const uint64_t end = std::min(process.pages, first + kPart);
    for (uint64_t page = first; page < end; ++page)
      out.entries.push_back({page, process.first_offset + page, 0});
    if (end < process.pages) out.next_address = end * 4096;
    out.used_cpu_ns = 1000;
    return out;
  }

  static constexpr uint64_t kPart = 1000;
  Scene scene_;
  std::map<uint32_t, Process> processes_;
  std::set<uint32_t> gone_;
  std::function<void(uint32_t pid, uint64_t address)> before_read;
};

TEST_F(InventoryTest, FindsWhatEachProcessHas) {
  add_process(100, 40'000, 1);
  add_process(200, 1500, 50'001);
  const Progress progress = run();
  EXPECT_EQ(progress.state, inventory::State::kDone) << progress.why;
  EXPECT_EQ(progress.processes, 2u);
  EXPECT_EQ(progress.processes_read, 2u);
  EXPECT_EQ(progress.entries, 41'500u);
  EXPECT_EQ(progress.used_cpu_ns, 42'000u);
  EXPECT_GE(progress.ended_ns, progress.began_ns);
  with_ledger([](ledger::Ledger& ledger) {
    EXPECT_EQ(ledger.used(0), 41'500u);
    EXPECT_EQ(ledger.counters().found, 41'500u);
  });
  const auto held = at(make_entry(0, 50'001 + 1234));
  ASSERT_TRUE(held.has_value());
  EXPECT_EQ(held->holder.tgid, 200u);
  EXPECT_EQ(held->holder.cgroup, 2000u);
  EXPECT_EQ(held->page, 1234u);
  EXPECT_TRUE(held->found);
  EXPECT_EQ(held->since_ns, 0u);
}

TEST_F(InventoryTest, WhoHasEndedIsCountedAndTheRestIsRead) {
  add_process(100, 2000, 1);
  add_process(200, 3000, 10'001);
  gone_.insert(200);
  const Progress progress = run();
  EXPECT_EQ(progress.state, inventory::State::kDone);
  EXPECT_EQ(progress.processes_refused, 1u);
  EXPECT_EQ(progress.entries, 2000u);
  EXPECT_TRUE(at(make_entry(0, 1)).has_value());
}

TEST_F(InventoryTest, SeveralProcessesMayHaveOneSlot) {
  add_process(100, 20, 1);
  add_process(200, 10, 11);
  run();
  EXPECT_FALSE(at(make_entry(0, 10))->shared);
  EXPECT_TRUE(at(make_entry(0, 11))->shared);
}

// An event says so, though it comes after the page table was read.
TEST_F(InventoryTest, WhatWasFreedMeanwhileIsNotAdded) {
  add_process(100, 2000, 1);
  before_read = [this](uint32_t, uint64_t address) {
    if (address == 0) return;
    with_ledger([](ledger::Ledger& ledger) {
      ledger.on_event(event_of(SWAPTRAIL_SLOT_FREED, make_entry(0, 7)), 0);
      swaptrail_event taken = event_of(SWAPTRAIL_SLOT_FREED, make_entry(0, 8));
      ledger.on_event(taken, 0);
      taken.kind = SWAPTRAIL_SLOT_ALLOCATED;
      taken.u.page.cgroup = 77;
      ledger.on_event(taken, 0);
    });
  };
  const Progress progress = run();
  EXPECT_EQ(progress.entries, 2000u);
  EXPECT_FALSE(at(make_entry(0, 7)).has_value());
  EXPECT_EQ(at(make_entry(0, 8))->holder.cgroup, 77u);
  EXPECT_FALSE(at(make_entry(0, 8))->shared);
  EXPECT_TRUE(at(make_entry(0, 9)).has_value());
}

// More is noted than there is room for: nothing is guessed.
TEST_F(InventoryTest, TooMuchMeanwhileAndItIsReadAgain) {
  add_process(100, 500, 1);
  int reads = 0;
  before_read = [this, &reads](uint32_t, uint64_t) {
    if (++reads > 1) return;
    with_ledger([](ledger::Ledger& ledger) {
      for (uint64_t offset = 1000; offset < 1000 + (1 << 20) + 2; ++offset)
        ledger.on_event(event_of(SWAPTRAIL_SLOT_FREED, make_entry(1, offset)), 0);
    });
  };
  const Progress progress = run();
  EXPECT_EQ(progress.state, inventory::State::kDone);
  EXPECT_EQ(progress.read_again, 1u);
  EXPECT_EQ(progress.entries, 500u);
  EXPECT_EQ(reads, 2);
  with_ledger([](ledger::Ledger& ledger) { EXPECT_EQ(ledger.used(0), 500u); });
}

TEST_F(InventoryTest, WithoutALedgerItFailsAndSaysWhy) {
  add_process(100, 5, 1);
  scene_.pipeline->has_ledger = false;
  const Progress progress = run();
  EXPECT_EQ(progress.state, inventory::State::kFailed);
  EXPECT_NE(progress.why, "");
}

TEST_F(InventoryTest, StatusAndHoldersSayHowFarItIs) {
  const auto answer_of = [&](const Inventory& inventory) {
    scene_.host.inventory = &inventory;
    v1::GetStatusResponse status;
    EXPECT_TRUE(
        call(*scene_.trace, &v1::TraceService::Stub::GetStatus, v1::GetStatusRequest(), status)
            .ok());
    v1::GetHoldersResponse holders;
    EXPECT_TRUE(
        call(*scene_.trace, &v1::TraceService::Stub::GetHolders, v1::GetHoldersRequest(), holders)
            .ok());
    scene_.host.inventory = nullptr;
    EXPECT_EQ(holders.areas_size(), 1);
    return std::pair(status.inventory(), holders.areas(0).note());
  };
  scene_.areas.put({{0, "/dev/one"}}, base::monotonic_ns(), scene_.area_watch);
  add_process(200, 10, 1);  // the area has one used slot
  gone_.insert(200);
  Inventory off(sources(), scene_.requests, 100);
  off.set_off("--inventory-cpu=0");
  const auto [none, not_read] = answer_of(off);
  EXPECT_EQ(none.state(), v1::INVENTORY_STATE_OFF);
  EXPECT_EQ(none.why(), "--inventory-cpu=0");
  EXPECT_FALSE(none.has_began());
  EXPECT_THAT(not_read, testing::HasSubstr("page tables were not read: --inventory-cpu=0"));
  Inventory done(sources(), scene_.requests, 100);
  done.start();
  wait_for(done);
  const auto [read, left] = answer_of(done);
  EXPECT_EQ(read.state(), v1::INVENTORY_STATE_DONE);
  EXPECT_EQ(read.processes(), 1u);
  EXPECT_EQ(read.processes_refused(), 1u);
  EXPECT_EQ(read.entries(), 0u);
  EXPECT_TRUE(read.has_began());
  EXPECT_THAT(left, testing::HasSubstr("1 processes could not be read"));
}

TEST_F(InventoryTest, EndsWithThePipeline) {
  add_process(100, 5, 1);
  scene_.pipeline.reset();
  EXPECT_EQ(run().state, inventory::State::kFailed);
}

}  // namespace
}  // namespace swaptrail::api
