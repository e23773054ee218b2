// Swap areas that come, go and change places while they are watched.
#include "daemon/host/area_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "trace/decode.h"

namespace swaptrail::host {
namespace {

using testing::ElementsAre;

struct Nothing : EventSink {
  void on_event(const swaptrail_event&, uint64_t) override { events++; }
  void on_loss(const Loss&) override {}
  int events = 0;
};

// A made-up host, whose clock stands still until it is moved.
struct Host {
  struct Area {
    uint32_t type;
    std::string path;
  };
  AreaSources sources(bool kernel) {
    AreaSources out;
    out.lines = [this] {
      ++readings;
      std::vector<SeenArea> lines;
      for (const Area& area : on) {
        SeenArea& seen = lines.emplace_back();
        seen.area.path = area.path;
        seen.area.bytes = 4096 * 1000;
        seen.area.at_ns = now_ns;
        seen.area.used_bytes = 8192;
        seen.area.type = kTypeNotKnown;
        seen.file.inode = std::hash<std::string>()(area.path);
      }
      return lines;
    };
    if (kernel)
      out.kernel = [this]() -> absl::StatusOr<std::vector<KernelArea>> {
        std::vector<KernelArea> areas;
        for (const Area& area : on)
          areas.push_back({area.type, 1000, 0, {.inode = std::hash<std::string>()(area.path)}});
        return areas;
      };
    out.has_changed = [this] { return std::exchange(changed, false); };
    out.clock_ns = [this] { return now_ns; };
    return out;
  }
  void put(std::vector<Area> areas) {
    on = std::move(areas);
    changed = true;
  }

  std::vector<Area> on;
  bool changed = false;
  uint64_t now_ns = 1000;
  int readings = 0;
};

swaptrail_event event_of(uint32_t type, uint64_t time_ns, uint8_t kind = SWAPTRAIL_SLOT_ALLOCATED) {
  swaptrail_event event{};
  event.kind = kind;
  event.entry = make_entry(type, 7);
  event.time_ns = time_ns;
  event.nr_pages = 1;
  return event;
}

std::string path_at(const AreaWatch& watch, uint32_t type, uint64_t at_ns) {
  const auto timeline = watch.timeline();
  const AreaInstance* area = timeline->find(type, at_ns);
  return area == nullptr ? "-" : area->seen.area.path;
}

struct Watched : testing::Test {
  void start(std::vector<Host::Area> areas, bool kernel = true) {
    host.on = std::move(areas);
    watch = std::make_unique<AreaWatch>(host.sources(kernel));
    watch->hand_on_to(next);
    watch->add_listener([this](const AreaInstance& area) {
      heard.push_back(area.seen.area.path + (area.until_ns == kStillOn ? " on " : " off ") +
                      std::to_string(static_cast<int32_t>(area.seen.area.type)));
    });
  }
  void at(uint64_t now_ns) {
    host.now_ns = now_ns;
    watch->poll();
  }

  Host host;
  Nothing next;
  std::unique_ptr<AreaWatch> watch;
  std::vector<std::string> heard;
};

TEST_F(Watched, AHoleLeavesTypesWhereTheyAre) {
  start({{0, "/dev/ram0"}, {1, "/dev/ram1"}, {2, "/dev/nvme"}});
  host.put({{1, "/dev/ram1"}, {2, "/dev/nvme"}});
  at(2000);
  EXPECT_THAT(heard, ElementsAre("/dev/ram0 off 0"));
  ASSERT_EQ(watch->now().size(), 2u);
  EXPECT_EQ(watch->now()[0].type, 1u);
  EXPECT_EQ(watch->now()[0].path, "/dev/ram1");
  EXPECT_EQ(watch->now()[1].type, 2u);
}

TEST_F(Watched, ANameIsThatOfTheTime) {
  start({{0, "/dev/zram0"}});
  at(2000);
  host.put({});
  at(3000);
  EXPECT_EQ(path_at(*watch, 0, 1500), "/dev/zram0");
  EXPECT_EQ(path_at(*watch, 0, 4000), "/dev/zram0") << "spoken of after it went";
  at(4000);
  host.put({{0, "/dev/nvme"}});
  at(5000);
  EXPECT_EQ(path_at(*watch, 0, 3500), "/dev/zram0");
  EXPECT_EQ(path_at(*watch, 0, 4500), "/dev/nvme") << "on before we looked";
  EXPECT_EQ(path_at(*watch, 1, 4500), "-");
  EXPECT_THAT(heard, ElementsAre("/dev/zram0 off 0", "/dev/nvme on 0"));
}

TEST_F(Watched, OffAndOnBetweenTwoSweepsAreTwoAreas) {
  start({{0, "/a"}});
  at(2000);
  host.put({{0, "/b"}});
  at(3000);
  EXPECT_THAT(heard, ElementsAre("/a off 0", "/b on 0"));
  EXPECT_EQ(path_at(*watch, 0, 2000), "/a");
  EXPECT_EQ(path_at(*watch, 0, 2001), "/b");
  const auto timeline = watch->timeline();
  EXPECT_LT(timeline->instances[0].until_ns, timeline->instances[1].since_ns);
  EXPECT_EQ(timeline->instances[1].seen.area.used_bytes, 0u) << "empty when it came";
}

TEST_F(Watched, NothingIsReadWhileNothingChanges) {
  start({{0, "/a"}});
  const int before = host.readings;
  for (uint64_t now = 2000; now < 3000; now += 10) at(now);
  watch->on_event(event_of(0, 2500), 1);
  EXPECT_EQ(host.readings, before);
  EXPECT_EQ(next.events, 1);
}

TEST_F(Watched, AnEventOfAStrangerLooksAtOnceAndOnlyOnce) {
  start({{0, "/a"}});
  host.put({{0, "/a"}, {1, "/b"}});
  host.changed = false;  // the kernel lets poll know only after the area can be used
  host.now_ns = 2000;
  watch->on_event(event_of(1, 1990), 1);
  EXPECT_THAT(heard, ElementsAre("/b on 1"));
  const int before = host.readings;
  for (int i = 0; i < 100; ++i) watch->on_event(event_of(9, 1995 + 10 * i), 2);
  EXPECT_LE(host.readings, before + 1);
}

TEST_F(Watched, WithoutTheKernelAUseNamesAnArea) {
  start({{1, "/a"}}, false);
  EXPECT_EQ(watch->now()[0].type, kTypeNotKnown);
  watch->on_event(event_of(1, 900), 1);
  EXPECT_EQ(watch->now()[0].type, kTypeNotKnown) << "from before we looked";
  watch->on_event(event_of(1, 1500, SWAPTRAIL_SWAP_READ), 2);
  EXPECT_EQ(watch->now()[0].type, kTypeNotKnown) << "a read may be of an area that is gone";
  watch->on_event(event_of(1, 1600), 3);
  EXPECT_EQ(watch->now()[0].type, 1u);
  EXPECT_THAT(heard, ElementsAre("/a on 1"));
  EXPECT_EQ(path_at(*watch, 1, 1200), "/a") << "it had that type from the start";
}

TEST_F(Watched, ListsThatDoNotFitAreReadAgainASecondLater) {
  start({{0, "/a"}});
  bool broken = true;
  AreaSources sources = host.sources(true);
  sources.kernel = [&, good = sources.kernel]() -> absl::StatusOr<std::vector<KernelArea>> {
    if (broken) return std::vector<KernelArea>{};
    return good();
  };
  AreaWatch other(std::move(sources));
  EXPECT_EQ(other.now()[0].type, kTypeNotKnown);
  broken = false;
  host.now_ns += 10'000'000;
  other.poll();
  EXPECT_EQ(other.now()[0].type, kTypeNotKnown);
  host.now_ns += 1'000'000'000;
  other.poll();
  EXPECT_EQ(other.now()[0].type, 0u);
}

TEST(History, IsBoundedAndKeepsWhatIsOn) {
  AreaHistory history(3);
  SeenArea kept, other;
  kept.area.path = "/kept";
  kept.area.type = 5;
  for (uint64_t round = 1; round <= 10; ++round) {
    other.area.path = "/other" + std::to_string(round);
    other.area.type = 0;
    history.update(std::vector<SeenArea>{other, kept}, 100 * round, 100 * round + 50);
  }
  const auto timeline = history.newest();
  EXPECT_EQ(timeline->instances.size(), 3u);
  EXPECT_EQ(timeline->forgotten, 8u);
  EXPECT_EQ(timeline->find(5, 2000)->seen.area.path, "/kept");
  EXPECT_EQ(timeline->find(0, 2000)->seen.area.path, "/other10");
  EXPECT_EQ(timeline->find(0, 950)->seen.area.path, "/other9");
  EXPECT_EQ(timeline->find(0, 50), nullptr);
}

}  // namespace
}  // namespace swaptrail::host
