// Cgroups that come and go while the hierarchy is looked through hide none of the others.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <time.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "daemon/host/cgroup_walker.h"
#include "daemon/host/cgroups.h"

namespace swaptrail::host {
namespace {

namespace fs = std::filesystem;

class CgroupsWalk : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/swaptrail-cgroups-XXXXXX";
    root_ = mkdtemp(name);
  }
  void TearDown() override { fs::remove_all(root_); }

  uint64_t make(const std::string& path) {
    fs::create_directories(root_ + path);
    struct stat known {};
    EXPECT_EQ(stat((root_ + path).c_str(), &known), 0);
    return known.st_ino;
  }

  std::string root_;
};

TEST_F(CgroupsWalk, FindsAllOfThem) {
  const uint64_t one = make("/a/b/c"), two = make("/d");
  Cgroups cgroups(root_);
  cgroups.refresh();
  EXPECT_EQ(cgroups.known_path(one), "/a/b/c");
  EXPECT_EQ(cgroups.known_path(two), "/d");
  fs::remove(root_ + "/d");
  cgroups.refresh();
  EXPECT_FALSE(cgroups.lives(two));
  EXPECT_EQ(cgroups.known_path(two), "/d") << "pages outlive their cgroup";
}

TEST_F(CgroupsWalk, ThoseThatVanishMeanwhileHideNoOther) {
  std::vector<uint64_t> lasting;
  for (int slice = 0; slice < 20; ++slice) {
    for (int unit = 0; unit < 20; ++unit) {
      lasting.push_back(make("/slice" + std::to_string(slice) + "/unit" + std::to_string(unit)));
    }
  }
  std::atomic<bool> stop = false;
  std::atomic<int> vanished = 0;
  std::thread churn([&] {
    for (int turn = 0; !stop; ++turn) {
      const std::string path =
          root_ + "/slice" + std::to_string(turn % 20) + "/job" + std::to_string(turn % 7);
      std::error_code error;
      fs::create_directories(path + "/step", error);
      fs::remove_all(path, error);
      ++vanished;
    }
  });
  Cgroups cgroups(root_);
  int missed = 0, walks = 0;
  while (walks < 60 || (vanished < 500 && walks < 1000)) {
    cgroups.refresh();
    ++walks;
    for (const uint64_t id : lasting) missed += !cgroups.lives(id) || !cgroups.known_path(id);
  }
  stop = true;
  churn.join();
  EXPECT_EQ(missed, 0) << "in " << walks << " walks";
  EXPECT_GT(vanished, 100);
}

TEST_F(CgroupsWalk, WalksAgainOnlyForSomethingNew) {
  constexpr uint64_t kSecond = 1'000'000'000;
  const auto counts = [&](int descendants) {
    std::ofstream(root_ + "/cgroup.stat") << "nr_descendants " << descendants << "\n";
  };
  counts(1);
  const uint64_t first = make("/first");
  Cgroups cgroups(root_);
  cgroups.refresh_if_changed(1 * kSecond);
  EXPECT_TRUE(cgroups.known_path(first));
  make("/silent");
  cgroups.refresh_if_changed(2 * kSecond);
  EXPECT_TRUE(cgroups.at_or_below("/silent", 2 * kSecond).empty()) << "the counts are as before";
  counts(3);
  const uint64_t counted = make("/counted");
  cgroups.refresh_if_changed(3 * kSecond);
  EXPECT_TRUE(cgroups.known_path(counted));
  const uint64_t replaced = make("/replaced");
  fs::remove(root_ + "/first");
  EXPECT_FALSE(cgroups.known_path(replaced)) << "asked in vain";
  cgroups.refresh_if_changed(4 * kSecond);
  EXPECT_TRUE(cgroups.known_path(replaced));
  fs::remove(root_ + "/replaced");
  cgroups.refresh_if_changed(5 * kSecond);
  EXPECT_TRUE(cgroups.lives(replaced)) << "not looked for yet";
  cgroups.refresh_if_changed(4 * kSecond + Cgroups::kRescanAnyway_ns + 1);
  EXPECT_FALSE(cgroups.lives(replaced));
}

uint64_t cpu_of_this_thread_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

TEST_F(CgroupsWalk, WhoMustNotWaitDoesNotWalk) {
  for (int number = 0; number < 10'000; ++number) make("/unit" + std::to_string(number));
  Cgroups cgroups(root_);
  const uint64_t begin = cpu_of_this_thread_ns();
  cgroups.refresh();
  const uint64_t walk = cpu_of_this_thread_ns() - begin;
  const uint64_t fresh = make("/fresh");
  CgroupWalker walker(cgroups);
  EXPECT_FALSE(walker.path_of(fresh, 1)) << "not started";
  walker.start();
  const uint64_t asked = cpu_of_this_thread_ns();
  walker.path_of(fresh, 1);
  EXPECT_LT((cpu_of_this_thread_ns() - asked) * 10, walk);
  while (!cgroups.known_path(fresh)) std::this_thread::yield();
  EXPECT_EQ(walker.path_of(fresh, 2), "/fresh");
}

TEST_F(CgroupsWalk, ANewOneIsFoundForWhoAsks) {
  Cgroups cgroups(root_);
  CgroupWalker walker(cgroups);
  walker.start();
  uint64_t now = 1;
  const uint64_t fresh = make("/fresh");
  while (!walker.path_of(fresh, now)) now += 2 * Cgroups::kRescanAfter_ns;
  EXPECT_EQ(walker.path_of(fresh, now), "/fresh");
}

}  // namespace
}  // namespace swaptrail::host
