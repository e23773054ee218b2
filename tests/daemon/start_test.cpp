// What happens before anything is attached: the lock, folders, the options file; and how often something is
// reported.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/base/folders.h"
#include "daemon/base/log.h"
#include "daemon/host/privileges.h"
#include "daemon/options/config_file.h"
#include "daemon/options/options.h"
#include "daemon/record/flight_triggers.h"
#include "daemon/record/recording_folder.h"
#include "tests/scene/trace_scene.h"

namespace swaptrail::daemon {
namespace {

using testing::HasSubstr;

class Folders : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/swaptrail-start-XXXXXX";
    root_ = mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string in(const std::string& name) const { return root_ + "/" + name; }
  static std::string text(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static mode_t mode(const std::string& path) {
    struct stat found {};
    return lstat(path.c_str(), &found) == 0 ? found.st_mode & 07777 : 0;
  }
  std::string root_;
};

TEST_F(Folders, AreMadeWithTheirModeWhateverTheUmask) {
  for (const mode_t mask : {0000, 0077, 0777}) {
    const mode_t before = umask(mask);
    const auto folder = base::open_folder(in(std::to_string(mask)), 0755);
    umask(before);
    ASSERT_TRUE(folder.ok()) << folder.status();
    EXPECT_EQ(mode(in(std::to_string(mask))), 0755u);
  }
}

TEST_F(Folders, RefusesWhatOthersCanLeadElsewhere) {
  std::filesystem::create_directory(in("good"));
  std::filesystem::create_directory_symlink(in("good"), in("link"));
  std::ofstream(in("file")) << "x";
  mkfifo(in("fifo").c_str(), 0600);
  for (const mode_t bad : {0775, 0757, 01777}) {
    const std::string name = in("mode" + std::to_string(bad));
    mkdir(name.c_str(), 0700);
    chmod(name.c_str(), bad);
    EXPECT_THAT(std::string(base::open_folder(name, 0700).status().message()),
                HasSubstr("chmod go-w"));
    EXPECT_FALSE(base::check_folder(name).ok());
  }
  for (const char* name : {"link", "link/", "link//", "file", "fifo", "none/below"}) {
    EXPECT_FALSE(base::open_folder(in(name), 0700).ok()) << name;
    EXPECT_FALSE(base::check_folder(in(name)).ok()) << name;
  }
  EXPECT_TRUE(base::check_folder(in("good/")).ok());
  EXPECT_TRUE(base::check_folder(in("not-yet")).ok());
  EXPECT_FALSE(std::filesystem::exists(in("not-yet")));
}

TEST_F(Folders, RefusesThoseOfAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  mkdir(in("theirs").c_str(), 0755);
  ASSERT_EQ(chown(in("theirs").c_str(), 65534, 65534), 0);
  EXPECT_THAT(std::string(base::check_folder(in("theirs")).message()), HasSubstr("user 65534"));
}

// The lock of take_lock() lasts as long as its process: each attempt gets one of its own.
int lock_in_child(const std::string& run_dir) {
  const pid_t child = fork();
  if (child == 0) {
    const absl::Status status = host::take_lock(run_dir);
    _exit(status.ok() ? 0 : absl::IsAlreadyExists(status) ? 5 : 2);
  }
  int how = 0;
  waitpid(child, &how, 0);
  return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}

TEST_F(Folders, LockIsOursAloneAndNotReadableByOthers) {
  const mode_t before = umask(0);
  EXPECT_EQ(lock_in_child(root_), 0);
  umask(before);
  EXPECT_EQ(mode(in("swaptraild.pid")), 0600u);
  chmod(in("swaptraild.pid").c_str(), 0666);  // of an earlier version
  EXPECT_EQ(lock_in_child(root_), 0);
  EXPECT_EQ(mode(in("swaptraild.pid")), 0600u);
}

TEST_F(Folders, LockOfAnotherIsLeftAsItIs) {
  std::ofstream(in("swaptraild.pid")) << "4711\n";
  const base::Descriptor other(open(in("swaptraild.pid").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(flock(other.get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_EQ(lock_in_child(root_), 5);
  EXPECT_EQ(text(in("swaptraild.pid")), "4711\n");
}

TEST_F(Folders, LockFollowsNoLink) {
  std::ofstream(in("victim")) << "precious";
  std::filesystem::create_symlink(in("victim"), in("swaptraild.pid"));
  EXPECT_EQ(lock_in_child(root_), 2);
  std::filesystem::remove(in("swaptraild.pid"));
  std::filesystem::create_hard_link(in("victim"), in("swaptraild.pid"));
  EXPECT_EQ(lock_in_child(root_), 2);
  EXPECT_EQ(text(in("victim")), "precious");
}

TEST_F(Folders, AFileIsThereAsAWholeOrNotAtAll) {
  auto folder = record::RecordingFolder::open(in("rec"), record::RecordingFolder::Kind::kFlight);
  ASSERT_TRUE(folder.ok()) << folder.status();
  const std::string name = folder->next_name(0, "oom");
  std::filesystem::create_symlink("/etc/hostname", in("rec/" + name));
  EXPECT_FALSE(folder->write(name, "SWTRAIL\n").ok()) << "what is at its place stays";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(in("rec")), {}), 1);
  ASSERT_TRUE(folder->write(folder->next_name(0, "oom"), "SWTRAIL\n").ok());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(in("rec")), {}), 2);
}

TEST_F(Folders, WhatAnInterruptedWriteLeftBehindGoes) {
  mkdir(in("rec").c_str(), 0700);
  const std::string left = in("rec/.flight-20260131T120000Z-oom-00000007.swaptrail.unfinished");
  const std::string foreign = in("rec/.vimrc.unfinished");
  std::ofstream(left) << "SWTR";
  std::ofstream(foreign) << "x";
  ASSERT_TRUE(
      record::RecordingFolder::open(in("rec"), record::RecordingFolder::Kind::kFlight).ok());
  EXPECT_FALSE(std::filesystem::exists(left));
  EXPECT_TRUE(std::filesystem::exists(foreign));
}

TEST_F(Folders, FilesAreLimitedByNumberToo) {
  auto folder = record::RecordingFolder::open(in("rec"), record::RecordingFolder::Kind::kFlight);
  ASSERT_TRUE(folder.ok());
  std::string last;
  for (int i = 0; i < 20; ++i) {
    last = folder->next_name(0, "oom");
    ASSERT_TRUE(folder->write(last, "SWTRAIL\n").ok());
  }
  EXPECT_EQ(folder->limit({.bytes = 1 << 20, .files = 8}, last), 12u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(in("rec")), {}), 8);
  EXPECT_TRUE(std::filesystem::exists(folder->path_of(last)));
}

TEST_F(Folders, AFolderThatWasReplacedIsNotInPlace) {
  auto folder = record::RecordingFolder::open(in("rec"), record::RecordingFolder::Kind::kSeries);
  ASSERT_TRUE(folder.ok());
  EXPECT_TRUE(folder->is_in_place());
  std::filesystem::rename(in("rec"), in("away"));
  EXPECT_FALSE(folder->is_in_place());
  mkdir(in("rec").c_str(), 0700);
  EXPECT_FALSE(folder->is_in_place()) << "another one of that name";
  ASSERT_TRUE(folder->create(folder->next_name(0)).ok());
  EXPECT_FALSE(std::filesystem::is_empty(in("away"))) << "it goes on where it was";
  ASSERT_TRUE(folder->open_again().ok());
  EXPECT_TRUE(folder->is_in_place());
}

TEST(FlightSchedule, WritesAtOnceAndThenOnceInAWhile) {
  record::FlightSchedule schedule(60 * kSecond);
  EXPECT_FALSE(schedule.next("", kSecond));
  auto due = schedule.next("oom", 2 * kSecond);
  ASSERT_TRUE(due);
  EXPECT_EQ(due->reason, "oom");
  for (uint64_t second = 3; second < 62; ++second)
    EXPECT_FALSE(schedule.next(second % 2 ? "pressure" : "oom", second * kSecond)) << second;
  EXPECT_EQ(schedule.suppressed(), 59u);
  due = schedule.next("", 62 * kSecond);
  ASSERT_TRUE(due) << "what had to wait is not forgotten";
  EXPECT_EQ(due->reason, "pressure");
  EXPECT_EQ(due->suppressed, 59u);
  EXPECT_FALSE(schedule.next("", 200 * kSecond));
}

TEST(FlightSchedule, WhoAsksIsNotMadeToWait) {
  record::FlightSchedule schedule(60 * kSecond);
  ASSERT_TRUE(schedule.next("oom", kSecond));
  EXPECT_TRUE(schedule.next("signal", kSecond + 1));
  EXPECT_TRUE(schedule.next("signal", kSecond + 2));
}

TEST(Pressure, IsAThresholdOfTheKernel) {
  for (const char* good : {"some 150000 2000000", "full 1 500000", "some 10000000 10000000"})
    EXPECT_TRUE(record::check_pressure(good).ok()) << good;
  for (const char* bad :
       {"", "some", "some 1", "all 1 500000", "some 1 499999", "some 1 10000001", "some 0 500000",
        "some 500001 500000", "some -1 500000", "some 1 500000 x", "some 0x10 500000",
        "some 18446744073709551616 500000"})
    EXPECT_FALSE(record::check_pressure(bad).ok()) << bad;
}

// What went to standard error meanwhile.
std::vector<std::string> lines_of(const std::function<void()>& work) {
  testing::internal::CaptureStderr();
  work();
  std::istringstream text(testing::internal::GetCapturedStderr());
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

TEST(Log, ATroubleThatStaysIsOneLineAMinute) {
  base::RepeatedTrouble trouble;
  const auto lines = lines_of([&] {
    for (uint64_t second = 1; second <= 150; ++second)
      trouble.happened("no space", second * kSecond);
  });
  EXPECT_EQ(lines, (std::vector<std::string>{"swaptraild: no space",
                                             "swaptraild: no space (60 times in a minute)",
                                             "swaptraild: no space (60 times in a minute)"}));
  EXPECT_EQ(trouble.count(), 150u);
}

TEST(Log, WhatDoesNotPrintIsReplaced) {
  const auto lines = lines_of([] { base::log_always("a\x1b[31m\nb"); });
  EXPECT_EQ(lines, std::vector<std::string>{"swaptraild: a?[31m?b"});
}

// The last of this file's: nothing has room after it for a minute.
TEST(Log, LinesAreLimitedAndWhatIsLeftOutIsCounted) {
  const uint64_t before = base::log_lines_left_out();
  const auto lines = lines_of([] {
    for (int i = 0; i < 1000; ++i) base::log_line("again");
    base::log_always("the end");
  });
  // a minute may begin meanwhile
  EXPECT_LE(lines.size(), 2 * base::kMostLogLines_minute + 2);
  EXPECT_GE(lines.size(), 2u);
  EXPECT_EQ(lines.back(), "swaptraild: the end");
  EXPECT_GE(base::log_lines_left_out() - before, 1000u - 2 * base::kMostLogLines_minute);
}

options::ConfigFile config(const std::string& text, const std::set<std::string>& given = {}) {
  options::Options options;
  CLI::App app;
  options::define_options(app, options);
  return options::parse_config_file(app, text, "FILE", given);
}

TEST(ConfigText, BecomesArguments) {
  const options::ConfigFile file = config(
      "# a comment\n\nstore = 32  # MiB\n  enable-pageout\npid = 1,2\nflight-pressure = some 1 2\n"
      "web.listen-address=[::1]:1\nsocket = \"/a b/c\"\n",
      {"--store"});
  EXPECT_THAT(file.problems, testing::IsEmpty());
  EXPECT_THAT(file.arguments,
              testing::ElementsAre("--enable-pageout=true", "--pid=1", "--pid=2",
                                   "--flight-pressure=some 1 2", "--web.listen-address=[::1]:1",
                                   "--socket=/a b/c"));
  EXPECT_EQ(file.lines.at("--store"), 3u);
}

TEST(ConfigText, ProblemsAreBounded) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "nonsense = 1\n";
  EXPECT_EQ(config(text).problems.size(), 20u);
  EXPECT_EQ(config(std::string("store = 1\n\0", 11)).problems.size(), 1u);
}

}  // namespace
}  // namespace swaptrail::daemon
