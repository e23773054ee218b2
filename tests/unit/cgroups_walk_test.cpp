// Cgroups that come and go while the hierarchy is looked through hide none of the others.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "daemon/cgroups.h"

namespace swaptrail {
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

}  // namespace
}  // namespace swaptrail
