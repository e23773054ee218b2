// Cgroups come, die and push each other out: sums stay exact and no series ever becomes less.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/metrics/scene.h"
#include "tests/scene/hostile_names.h"

namespace swaptrail::metrics {
namespace {

const std::string kOut = "swaptrail_cgroup_swapped_out_pages_total";
const std::string kIn = "swaptrail_cgroup_swapped_in_pages_total";
const std::string kReclaimedPages = "swaptrail_cgroup_reclaimed_pages_total";
const std::string kMatrix = "swaptrail_reclaim_matrix_pages_total";
const std::string kCollapsed = "swaptrail_cgroups{state=\"collapsed\"}";

std::string of(const std::string& family, const std::string& cgroup) {
  return family + "{cgroup=\"" + cgroup + "\"}";
}

bool is_of_cgroups(const std::string& series) {
  return series.rfind("swaptrail_cgroup_", 0) == 0 || series.rfind(kMatrix, 0) == 0;
}

// No series that is in both became less; `other` is in every scrape from the first on. `may_return`:
// between the two a cgroup may have lost its row and got one again.
void expect_growth(const Samples& before, const Samples& after, bool may_return = false) {
  for (const auto& [series, value] : before) {
    if (!is_of_cgroups(series)) continue;
    const auto found = after.find(series);
    const bool other = series.find("\"other\"") != std::string::npos;
    if (other) {
      EXPECT_NE(found, after.end()) << series;
    }
    if (found != after.end() && (other || !may_return)) {
      EXPECT_GE(found->second, value) << series;
    }
  }
}

size_t series_of(const Samples& samples, const std::string& family) {
  return static_cast<size_t>(std::count_if(samples.begin(), samples.end(), [&](const auto& one) {
    return one.first.rfind(family + "{", 0) == 0;
  }));
}

MetricOptions options_for(uint32_t cgroups) {
  MetricOptions options;
  options.cgroups = cgroups;
  options.max_awaited = 1 << 16;
  return options;
}

Lifecycle pushed_out(uint64_t id, uint64_t victim, uint64_t reclaimer) {
  Lifecycle life = freed(id, victim);
  life.last.cgroup = reclaimer;
  life.last.origin = SWAPTRAIL_ORIGIN_MEMCG_LIMIT;
  return life;
}

TEST(Cgroups, UnitOfAPath) {
  for (const auto& [path, unit] : std::vector<std::pair<std::string, std::string>>{
           {"/system.slice/nginx.service", "nginx.service"},
           {"/system.slice/nginx.service/worker", "nginx.service"},
           {"/user.slice/user-1000.slice/user@1000.service/app.slice/vim.scope",
            "user@1000.service"},
           {"/user.slice/user-1000.slice", "user-1000.slice"},
           {"/system.slice/docker-0123.scope", "docker-0123.scope"},
           {"/system.slice/_cgroup.service", "cgroup.service"},
           {"/init.scope", "init.scope"},
           {"/kubepods/burstable/pod1/2", ""},
           {"/docker/0123.service", ""},
           {"/", ""},
           {"", ""}})
    EXPECT_EQ(host::Cgroups::unit_in(path), unit) << path;
}

TEST(Cgroups, RoomUnderTheLeastLimit) {
  const Folder root;
  const uint64_t above = make_cgroup(root, "above"), below = make_cgroup(root, "above/below");
  host::Cgroups cgroups(root.path());
  cgroups.refresh();
  EXPECT_FALSE(cgroups.room(below).has_value()) << "cgroup v1";
  root.file("above/memory.max", "max\n");
  root.file("above/memory.current", "7000\n");
  root.file("above/below/memory.max", "9000\n");
  root.file("above/below/memory.current", "4000\n");
  EXPECT_EQ(cgroups.room(below)->bytes, 5000u);
  EXPECT_EQ(cgroups.room(below)->path, "/above/below");
  EXPECT_FALSE(cgroups.room(above).has_value());
  root.file("above/memory.max", "8000\n");
  EXPECT_EQ(cgroups.room(below)->bytes, 1000u);
  EXPECT_EQ(cgroups.room(below)->path, "/above");
  root.file("above/memory.max", "10\n");  // it is above its limit
  EXPECT_EQ(cgroups.room(below)->bytes, 0u);
  EXPECT_FALSE(cgroups.room(above + below).has_value()) << "not known";
}

TEST(Cgroups, SwapOfThoseWithoutOthersBelow) {
  const Folder root;
  const uint64_t above = make_cgroup(root, "above"), below = make_cgroup(root, "above/below");
  root.file("above/memory.swap.current", "40960\n");
  root.file("above/below/memory.swap.current", "40960\n");
  host::Cgroups cgroups(root.path());
  cgroups.refresh();
  EXPECT_EQ(cgroups.own_swap_bytes(below), 40960u);
  EXPECT_EQ(cgroups.own_swap_bytes(above), std::nullopt);
  EXPECT_EQ(cgroups.own_swap_bytes(above + below), std::nullopt);
  std::filesystem::remove(root.path() + "/above/below/memory.swap.current");  // cgroup v1
  EXPECT_EQ(cgroups.own_swap_bytes(below), std::nullopt);
}

TEST(CgroupSeries, FiveThousandOfWhichFewAreLeft) {
  Rig rig(options_for(100));
  std::vector<uint64_t> ids;
  for (int number = 0; number < 5000; ++number) {
    ids.push_back(make_cgroup(rig.root, "g" + std::to_string(number)));
  }
  rig.cgroups.refresh();
  std::mt19937_64 random(5);
  uint64_t id = 0, back = 0;
  Samples before = rig.scrape();
  const auto load = [&](size_t from, size_t lives) {
    for (int count = 0; count < 20'000; ++count) {
      const uint64_t victim = ids[from + random() % lives], reclaimer = ids[from + random() % 10];
      rig.metric_counters.on_lifecycle(pushed_out(++id, victim, reclaimer));
      if (count % 4 != 0) continue;
      rig.metric_counters.on_return(came_back(id));
      ++back;
    }
  };
  const auto check = [&] {
    const Samples now = rig.scrape();
    EXPECT_EQ(sum_of(now, kOut), id);
    EXPECT_EQ(sum_of(now, kIn), back);
    EXPECT_EQ(sum_of(now, kReclaimedPages), id);
    EXPECT_EQ(sum_of(now, kMatrix), id);
    EXPECT_LE(series_of(now, kOut), 101u);
    EXPECT_LE(series_of(now, kMatrix), 400u + SWAPTRAIL_ORIGIN_END);
    expect_growth(before, now);
    before = now;
  };
  for (int round = 0; round < 10; ++round) {
    load(0, 5000);
    rig.metric_counters.tick(rig.cgroups);
    check();
  }
  EXPECT_EQ(series_of(before, kOut), 101u);
  for (int number = 0; number < 4900; ++number)
    remove_cgroup(rig.root, "g" + std::to_string(number));
  rig.cgroups.refresh();
  rig.metric_counters.tick(rig.cgroups);
  load(4900, 100);
  rig.metric_counters.tick(rig.cgroups);
  load(4900, 100);
  check();
  std::set<std::string> left;
  for (const auto& [series, value] : before) {
    if (series.rfind(kOut + "{", 0) == 0) left.insert(series);
  }
  for (int number = 0; number < 4900; ++number) {
    EXPECT_FALSE(left.count(of(kOut, "/g" + std::to_string(number)))) << number;
  }
  EXPECT_EQ(left.size(), 101u);
  EXPECT_GE(value_of(before, kCollapsed), 90);
}

// Jobs of a second each, a thousand at a time, beside services that stay.
TEST(CgroupSeries, LastingOnesAreNotLostAmongThousandsThatComeAndGo) {
  Rig rig(options_for(100));
  std::vector<uint64_t> services, jobs;
  for (int number = 0; number < 40; ++number)
    services.push_back(make_cgroup(rig.root, "service" + std::to_string(number)));
  std::vector<std::string> names;
  uint64_t id = 0;
  Samples before = rig.scrape();
  for (int second = 0; second < 60; ++second) {
    for (const std::string& name : names) remove_cgroup(rig.root, name);
    jobs.clear();
    names.clear();
    for (int number = 0; number < 1000; ++number) {
      names.push_back("job" + std::to_string(second * 1000 + number));
      jobs.push_back(make_cgroup(rig.root, names.back()));
    }
    for (int page = 0; page < 2000; ++page) {
      const uint64_t victim = page % 2 == 0 ? services[static_cast<size_t>(page / 2 % 40)]
                                            : jobs[static_cast<size_t>(page / 2)];
      rig.metric_counters.on_lifecycle(pushed_out(++id, victim, victim));
    }
    rig.cgroups.refresh_if_changed(static_cast<uint64_t>(second + 1) * 1'000'000'000);
    rig.metric_counters.tick(rig.cgroups);
    const Samples now = rig.scrape();
    expect_growth(before, now, true);
    EXPECT_EQ(sum_of(now, kOut), id);
    for (int number = 0; number < 40; ++number) {
      const std::string series = of(kOut, "/service" + std::to_string(number));
      if (second < 2) continue;  // until a job has made room
      ASSERT_TRUE(now.count(series)) << series << " in second " << second;
      if (before.count(series)) {
        EXPECT_EQ(now.at(series) - before.at(series), 25) << series;
      }
    }
    before = now;
  }
}

// A writer, a housekeeper that removes cgroups, and a scraper, all at once.
TEST(CgroupSeries, GrowWhileEverythingMoves) {
  Rig rig(options_for(20));
  std::vector<uint64_t> ids;
  for (int number = 0; number < 200; ++number) {
    ids.push_back(make_cgroup(rig.root, "g" + std::to_string(number)));
  }
  rig.cgroups.refresh();
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> done{0};
  std::thread writer([&] {
    std::mt19937_64 random(1);
    for (uint64_t id = 1; !stop; ++id) {
      // those who are busy change from time to time
      const uint64_t shift = id / 5000 * 7;
      const uint64_t victim = ids[(shift + random() % 40) % ids.size()];
      rig.metric_counters.on_lifecycle(
          pushed_out(id, victim, ids[(shift + random() % 5) % ids.size()]));
      done.store(id);
    }
  });
  std::thread housekeeper([&] {
    for (int round = 0; !stop; ++round) {
      if (round < 150) remove_cgroup(rig.root, "g" + std::to_string(round));
      rig.cgroups.refresh();
      rig.metric_counters.tick(rig.cgroups);
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  Samples before;
  int quiet = 0;
  for (int scrape = 0; scrape < 200; ++scrape) {
    const uint64_t least = done.load();
    const Samples now = rig.scrape();
    const uint64_t most = done.load() + 1;
    for (const std::string& family : {kOut, kReclaimedPages, kMatrix}) {
      ASSERT_GE(sum_of(now, family), least) << family;
      ASSERT_LE(sum_of(now, family), most) << family;
    }
    const bool moved = value_of(before, kCollapsed) != value_of(now, kCollapsed);
    quiet += moved ? 0 : 1;
    expect_growth(before, now, moved);
    before = now;
  }
  stop = true;
  writer.join();
  housekeeper.join();
  const Samples last = rig.scrape();
  expect_growth(before, last, true);
  EXPECT_GT(quiet, 0);
  for (const std::string& family : {kOut, kReclaimedPages, kMatrix}) {
    EXPECT_EQ(sum_of(last, family), done.load()) << family;
  }
  EXPECT_GT(value_of(last, kCollapsed), 20);
}

TEST(CgroupSeries, WhatWasShownAsOtherStaysThere) {
  Rig rig(options_for(10));
  rig.cgroups.refresh();
  const uint64_t late = make_cgroup(rig.root, "late");  // not found yet
  rig.metric_counters.on_lifecycle(pushed_out(1, late, late));
  Samples now = rig.scrape();
  EXPECT_EQ(value_of(now, of(kOut, "other")), 1);
  EXPECT_EQ(now.count(of(kOut, "/late")), 0u);
  rig.metric_counters.on_lifecycle(pushed_out(2, late, late));
  rig.cgroups.refresh();
  rig.metric_counters.on_lifecycle(pushed_out(3, late, late));
  now = rig.scrape();
  EXPECT_EQ(value_of(now, of(kOut, "other")), 1);
  EXPECT_EQ(value_of(now, of(kOut, "/late")), 2);
  EXPECT_EQ(sum_of(now, kMatrix), 3);
  EXPECT_EQ(
      value_of(now, kMatrix + "{victim=\"/late\",reclaimer=\"/late\",origin=\"memcg_limit\"}"), 2);
  EXPECT_EQ(
      value_of(now, kMatrix + "{victim=\"other\",reclaimer=\"other\",origin=\"memcg_limit\"}"), 1);
}

TEST(CgroupSeries, ABusierOneTakesThePlaceOfTheIdlest) {
  Rig rig(options_for(2));
  const uint64_t a = make_cgroup(rig.root, "a"), b = make_cgroup(rig.root, "b");
  const uint64_t c = make_cgroup(rig.root, "c");
  rig.cgroups.refresh();
  uint64_t id = 0;
  const auto load = [&](uint64_t cgroup, int count) {
    for (int at = 0; at < count; ++at) rig.metric_counters.on_lifecycle(freed(++id, cgroup));
  };
  load(a, 10);
  load(b, 5);
  load(c, 5);  // as busy, not busier
  rig.metric_counters.tick(rig.cgroups);
  rig.metric_counters.settle();
  Samples now = rig.scrape();
  EXPECT_EQ(value_of(now, of(kOut, "/b")), 5);
  EXPECT_EQ(now.count(of(kOut, "/c")), 0u);
  load(a, 10);
  load(b, 5);
  load(c, 6);
  rig.metric_counters.tick(rig.cgroups);
  rig.metric_counters.settle();
  load(c, 3);
  now = rig.scrape();
  EXPECT_EQ(value_of(now, of(kOut, "/a")), 20);
  EXPECT_EQ(now.count(of(kOut, "/b")), 0u);
  EXPECT_EQ(value_of(now, of(kOut, "/c")), 3);
  EXPECT_EQ(value_of(now, of(kOut, "other")), 10 + 11);
}

TEST(CgroupSeries, APathThatIsMadeAnewWaitsForTheOldRow) {
  Rig rig(options_for(10));
  const uint64_t old = make_cgroup(rig.root, "a");
  rig.cgroups.refresh();
  rig.metric_counters.on_lifecycle(freed(1, old));
  EXPECT_EQ(value_of(rig.scrape(), of(kOut, "/a")), 1);
  remove_cgroup(rig.root, "a");
  make_cgroup(rig.root, "in_between");  // so that the inode is another one
  const uint64_t anew = make_cgroup(rig.root, "a");
  ASSERT_NE(old, anew);
  rig.cgroups.refresh();
  rig.metric_counters.on_lifecycle(freed(2, anew));
  Samples now = rig.scrape();
  EXPECT_EQ(value_of(now, of(kOut, "/a")), 1);
  EXPECT_EQ(value_of(now, of(kOut, "other")), 1);
  rig.metric_counters.tick(rig.cgroups);
  rig.metric_counters.on_lifecycle(freed(3, anew));
  now = rig.scrape();
  EXPECT_EQ(value_of(now, of(kOut, "/a")), 1);  // the new one's third page alone
  EXPECT_EQ(value_of(now, of(kOut, "other")), 2);
}

TEST(CgroupSeries, NobodyKnowsItSoItGivesUpItsRow) {
  Rig rig(options_for(1));
  rig.cgroups.refresh();
  const uint64_t known = make_cgroup(rig.root, "known");
  rig.metric_counters.on_lifecycle(freed(1, 123'456'789));
  for (uint32_t tick = 0; tick < CgroupLedger::kNamelessTicks; ++tick) {
    rig.cgroups.refresh();
    rig.metric_counters.tick(rig.cgroups);
    rig.metric_counters.settle();
  }
  rig.metric_counters.on_lifecycle(freed(2, known));
  const Samples now = rig.scrape();
  EXPECT_EQ(value_of(now, of(kOut, "/known")), 1);
  EXPECT_EQ(value_of(now, of(kOut, "other")), 1);
}

TEST(CgroupSeries, MoreThanOneTurnCanMove) {
  Rig rig(options_for(2000));
  for (uint64_t id = 1; id <= 2000; ++id)
    rig.metric_counters.on_lifecycle(freed(id, 1'000'000 + id));
  for (uint32_t tick = 0; tick < CgroupLedger::kNamelessTicks; ++tick)
    rig.metric_counters.tick(rig.cgroups);
  LedgerCopy copy;
  for (int settled = 1; settled <= 4; ++settled) {
    rig.metric_counters.settle();
    rig.metric_counters.ledger().copy(copy);
    EXPECT_EQ(copy.collapsed, std::min<size_t>(2000, CgroupLedger::kMostMoves * settled));
  }
  EXPECT_EQ(sum_of(rig.scrape(), kOut), 2000);
}

TEST(CgroupSeries, ALabelIsUtf8) {
  EXPECT_EQ(label_text("/plain/\xc3\xa4"), "/plain/\xc3\xa4");
  EXPECT_EQ(label_text("/\xff/\xc3"), "/\xef\xbf\xbd/\xef\xbf\xbd");
  EXPECT_EQ(label_text("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");  // a surrogate
  EXPECT_EQ(label_text("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
  for (const HostileName& name : hostile_names())
    EXPECT_EQ(obeyed_in(label_text(name.raw), ""), "") << name.raw;
}

}  // namespace
}  // namespace swaptrail::metrics
