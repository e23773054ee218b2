// What each used slot holds, against the page tables and the swap cache of a machine that made the events.
#include "trace/ledger/ledger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/machine/machine.h"
#include "tests/exhaustive/stride.h"
#include "tests/scene/engine_drawn.h"
#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

constexpr uint64_t kPages = 700, kLimit = 256, kAreaPages = 4096;
constexpr uint64_t kMostKept = 64;     // SWAP_SLOTS_CACHE_SIZE of one CPU
constexpr uint32_t kFirstTgid = 1000;  // of the machine's processes

// Events in the order of their times, as they come. Some are not seen, before the observation begins.
class Output : public EventOutput {
 public:
  void on_event(const swaptrail_event& event, uint64_t) override {
    if (observed) ledger.on_event(event, 0);
  }
  ledger::Ledger ledger{{}};
  bool observed = true;
};

SimulationOptions driven_options(std::string_view set, uint64_t seed) {
  std::mt19937_64 random(seed);
  SimulationOptions options;
  options.features = *features_named(set);
  options.seed = seed;
  options.cpus = 1;
  options.limit_pages = kLimit;
  options.page_cluster = static_cast<uint32_t>(random() % 4);
  options.max_events = ~uint64_t{0};
  SimulatedArea area = simulated_area(
      0, kAreaPages, random() % 2 == 0 ? Device::kSynchronous : Device::kAsynchronous);
  area.zswap = random() % 3 == 0;
  area.zswap_refuses = 0.2;
  options.areas.push_back(area);
  return options;
}

// A machine, and what its ledger should be.
class Driven {
 public:
  Driven(std::string_view set, uint64_t seed)
      : options_(driven_options(set, seed)),
        machine_(options_, output_),
        random_(seed * 77),
        forks_(seed % 2 == 0) {
    EXPECT_TRUE(machine_.begin().ok());
    start();
  }

  void act() {
    const uint32_t process = alive_[random_() % alive_.size()];
    const auto what = static_cast<uint32_t>(random_() % 1000);
    if (what < 4 && alive_.size() < 5) {
      start();
    } else if (forks_ && what < 8 && alive_.size() < 5) {
      alive_.push_back(machine_.fork_process(process).value());
      forked_ = true;
    } else if (what < 12 && alive_.size() > 1) {
      machine_.end_process(process);
      ended_ = true;
      std::erase(alive_, process);
    } else {
      ASSERT_TRUE(machine_.touch(process, random_() % kPages, random_() % 3 != 0).ok());
    }
    ended_ |= std::erase_if(alive_, [this](uint32_t one) { return !machine_.is_alive(one); }) != 0;
    if (alive_.empty()) start();
  }

  // Observed from now on only; what is in page tables is found by inventories, while the machine goes on.
  void act_unseen(int acts) {
    output_.observed = false;
    for (int at = 0; at < acts; ++at) act();
    output_.observed = true;
    late_ = true;
  }
  void take_inventory() {
    const std::vector<uint32_t> now = alive_;
    for (size_t at = 0; at < now.size();) {
      output_.ledger.begin_reading();
      const size_t end = std::min(now.size(), at + 1 + random_() % 2);
      std::vector<std::pair<ledger::Holder, std::vector<ledger::FoundEntry>>> read;
      for (; at < end; ++at) {
        ledger::Holder holder;
        holder.kind = ledger::OwnerKind::kProcess;
        holder.tgid = kFirstTgid + now[at];
        read.emplace_back(holder, std::vector<ledger::FoundEntry>());
        if (!machine_.is_alive(now[at])) continue;
        for (uint64_t page = 0; page < kPages; ++page) {
          if (random_() % 16 == 0) act();
          if (!machine_.is_alive(now[at])) break;
          const Pte pte = machine_.entry_of(now[at], page);
          if (pte.kind() == PteKind::kSwap) read.back().second.push_back({pte.entry(), page});
        }
      }
      for (const auto& [holder, entries] : read)
        EXPECT_TRUE(output_.ledger.add_found(holder, entries));
    }
    output_.ledger.end_reading();
  }

  void check() {
    std::map<uint64_t, std::set<std::pair<uint32_t, uint64_t>>> held;  // entry: process, page
    std::set<uint64_t> mapped;  // entries whose page a process maps
    for (const uint32_t process : alive_)
      for (uint64_t page = 0; page < kPages; ++page) {
        const Pte pte = machine_.entry_of(process, page);
        if (pte.kind() == PteKind::kSwap) held[pte.entry()].insert({process, page});
        if (!pte.present()) continue;
        const Folio& folio = *machine_.folio_of(process, page);
        if (folio.swapcache && folio.nr_pages == 1) mapped.insert(folio.entry);
      }
    uint64_t used = 0, kept = 0;
    for (uint64_t offset = 0; offset <= kAreaPages; ++offset) {
      const uint64_t entry = make_entry(0, offset);
      const auto owners = held.find(entry);
      const bool cached = offset != 0 && machine_.is_cached(entry);
      const auto held_now = output_.ledger.at(entry);
      const bool needed = cached || owners != held.end();
      // A page that was mapped and had kept its slot before is met when it is unmapped.
      ASSERT_TRUE(held_now.has_value() || !needed || (late_ && (owners == held.end() || forked_)))
          << offset;
      if (!held_now) continue;
      ++used;
      if (!needed) {
        // Up to Linux 6.15 a CPU keeps some ready (mm/swap_slots.c). If nobody mapped it at last, no event says so.
        if (held_now->where != ledger::Where::kReserve) ++kept;
        ASSERT_EQ(held_now->presence, ledger::Presence::kAway) << offset;
        continue;
      }
      // It may have been read ahead before.
      const bool is_read = late_ && cached && held_now->where == ledger::Where::kUnknown;
      ASSERT_TRUE((held_now->presence != ledger::Presence::kAway) == cached || is_read) << offset;
      if (!forked_ && !late_) {
        // Whoever ends may leave a page in the swap cache that it had mapped, and no event says so.
        const bool is_mapped = mapped.contains(entry);
        ASSERT_TRUE(!is_mapped || held_now->presence == ledger::Presence::kMapped) << offset;
        ASSERT_TRUE(is_mapped || ended_ || held_now->presence != ledger::Presence::kMapped)
            << offset;
        mapped_ += is_mapped;
      }
      if (owners == held.end()) continue;
      if (held_now->holder.kind == ledger::OwnerKind::kProcess) {
        const bool is_owner =
            owners->second.contains({held_now->holder.tgid - kFirstTgid, held_now->page});
        // Who forks shares its slots, and no event says so: then the one that is named may be gone.
        ASSERT_TRUE(is_owner || forked_) << offset;
        named_ += is_owner;
      } else {
        ASSERT_TRUE(cached) << "it left memory, and nobody is named: " << offset;
      }
      found_ += held_now->found;
      if (!cached) {
        ASSERT_NE(held_now->where, ledger::Where::kNowhere) << offset;
        ASSERT_TRUE(late_ || held_now->where != ledger::Where::kUnknown) << offset;
      }
    }
    ASSERT_EQ(output_.ledger.used(0), used);
    ASSERT_LE(kept, kMostKept);
    uint64_t pages = 0, in_memory = 0;
    output_.ledger.for_each_holding([&](const ledger::Holding& holding) {
      pages += holding.pages();
      in_memory += holding.pages() - holding.pages(ledger::Presence::kAway);
    });
    ASSERT_EQ(pages, used);
    ASSERT_LE(in_memory, used);
    uint64_t visited = 0;
    output_.ledger.for_each_slot([&](const ledger::SlotHeld&) { ++visited; });
    ASSERT_EQ(visited, used);
    checked_ += used;
  }

  uint64_t checked() const { return checked_; }
  uint64_t named() const { return named_; }
  uint64_t mapped() const { return mapped_; }
  uint64_t found() const { return found_; }
  const ledger::Ledger& ledger() const { return output_.ledger; }

 private:
  void start() { alive_.push_back(machine_.start_process().value()); }

  SimulationOptions options_;
  Output output_;
  Machine machine_;
  std::mt19937_64 random_;
  std::vector<uint32_t> alive_;
  const bool forks_;
  bool forked_ = false, ended_ = false, late_ = false;
  uint64_t checked_ = 0, named_ = 0, mapped_ = 0, found_ = 0;
};

class Ledger : public ::testing::TestWithParam<std::string_view> {};
INSTANTIATE_TEST_SUITE_P(Sets, Ledger,
                         ::testing::ValuesIn(feature_set_names().begin(),
                                             feature_set_names().end()),
                         set_label);

TEST_P(Ledger, IsWhatThePageTablesSay) {
  uint64_t checked = 0, named = 0, mapped = 0;
  for (uint64_t seed = 1; seed <= 10 / kStride; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Driven driven(GetParam(), seed);
    for (int round = 0; round < 60; ++round) {
      for (int acts = 0; acts < 50; ++acts) driven.act();
      driven.check();
      if (HasFatalFailure()) return;
    }
    checked += driven.checked();
    named += driven.named();
    mapped += driven.mapped();
    EXPECT_EQ(driven.ledger().counters().reused, 0u);
    EXPECT_EQ(driven.ledger().counters().older_freed, 0u);
    EXPECT_EQ(driven.ledger().counters().no_room, 0u);
  }
  EXPECT_GT(checked, 10'000u / kStride);
  EXPECT_GT(named, checked / 2);
  EXPECT_GE(mapped, uint64_t{kStride == 1});
}

// Whatever was in use before; and events go before what an inventory has read.
TEST_P(Ledger, AnInventoryFindsWhatWasThereBefore) {
  uint64_t found = 0, named = 0;
  for (uint64_t seed = 1; seed <= 10 / kStride; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Driven driven(GetParam(), seed);
    driven.act_unseen(800);
    driven.take_inventory();
    for (int round = 0; round < 20; ++round) {
      driven.check();
      if (HasFatalFailure()) return;
      for (int acts = 0; acts < 50; ++acts) driven.act();
      if (round % 8 == 7) driven.take_inventory();
    }
    found += driven.found();
    named += driven.named();
  }
  EXPECT_GT(found, 1000u / kStride);
  EXPECT_GT(named, found);
}

}  // namespace
}  // namespace swaptrail::engine
