// The daemon's recorder: what it writes, when it changes files, what a flight recorder keeps.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "daemon/capture/session.h"
#include "daemon/record/recorder.h"
#include "tests/scene/trace_scene.h"
#include "trace/recording/file.h"
#include "trace/recording/reader.h"

namespace swaptrail::record {
namespace {

struct Collector : EventSink {
  void on_event(const swaptrail_event& event, uint64_t) override { times.push_back(event.time_ns); }
  void on_loss(const Loss&) override { losses++; }
  std::vector<uint64_t> times;
  int losses = 0;
};

struct OneCgroup : report::Names {
  std::optional<std::string_view> cgroup_path(uint64_t id) const override {
    if (id == 7) return "/shop";
    return std::nullopt;
  }
};

class RecorderTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/swaptrail-recorder-XXXXXX";
    options_.dir = dir_ = mkdtemp(name);
    header_ = host_header();
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  std::unique_ptr<Recorder> recorder() {
    auto made = Recorder::create(options_, header_, {}, names_, next_);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }
  static swaptrail_event event(uint64_t time_ns, uint64_t cgroup = 0) {
    swaptrail_event one{};
    one.time_ns = time_ns;
    one.kind = SWAPTRAIL_SLOT_ALLOCATED;
    one.nr_pages = 1;
    one.u.page.cgroup = cgroup;
    return one;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(options_.dir))
      found.push_back(entry.path().string());
    std::sort(found.begin(), found.end());
    return found;
  }
  // What a file holds; its events go to `sink`.
  static recording::RecordingContents contents(const std::string& path, EventSink& sink) {
    auto source = recording::FileSource::open(path);
    EXPECT_TRUE(source.ok()) << source.status();
    auto reader = recording::RecordingReader::open(**source);
    EXPECT_TRUE(reader.ok()) << reader.status();
    EXPECT_TRUE((*reader)->for_each(sink).ok());
    return (*reader)->contents();
  }

  std::string dir_;
  RecorderOptions options_;
  recording::RecordingHeader header_;
  OneCgroup names_;
  Collector next_;
};

TEST_F(RecorderTest, HandsOnAndWritesTheSame) {
  auto recorder = this->recorder();
  for (uint64_t i = 1; i <= 1000; ++i) recorder->on_event(event(i), i);
  recorder->on_loss({.from_ns = 1000, .to_ns = 1001, .count = 3, .cpu = 0});
  recorder->finish(2000);
  EXPECT_EQ(next_.times.size(), 1000u);
  EXPECT_EQ(next_.losses, 1);
  ASSERT_EQ(files().size(), 1u);
  Collector replayed;
  const recording::RecordingContents found = contents(files()[0], replayed);
  EXPECT_EQ(replayed.times, next_.times);
  EXPECT_EQ(replayed.losses, 1);
  EXPECT_TRUE(found.finished);
  EXPECT_EQ(found.header.boot_id, header_.boot_id);
}

TEST_F(RecorderTest, APartThatIsOldEnoughIsFollowedByOneThatKnowsTheSameNames) {
  options_.part_age_ns = 10 * kSecond;
  auto recorder = this->recorder();
  const uint64_t start = base::monotonic_ns();
  recorder->on_event(event(start, 7), 0);
  recorder->tick(start + 2 * kSecond);
  EXPECT_EQ(files().size(), 1u);
  recorder->tick(start + 12 * kSecond);
  recorder->on_event(event(start + 13 * kSecond, 7), 1);
  recorder->finish(start + 14 * kSecond);
  ASSERT_EQ(files().size(), 2u);
  for (size_t i : {0, 1}) {
    Collector replayed;
    const recording::RecordingContents found = contents(files()[i], replayed);
    EXPECT_EQ(replayed.times.size(), 1u) << files()[i];
    EXPECT_EQ(found.header.part, i);
    ASSERT_EQ(found.cgroups.size(), 1u) << files()[i];
    EXPECT_EQ(found.cgroups[0].path, "/shop");
  }
}

TEST_F(RecorderTest, FlightWritesWhenTriggeredAndNotBefore) {
  options_.flight = true;
  auto recorder = this->recorder();
  for (uint64_t i = 1; i <= 100; ++i) recorder->on_event(event(i), i);
  recorder->tick(base::monotonic_ns() + 2 * kSecond);
  EXPECT_TRUE(files().empty());
  ASSERT_TRUE(recorder->trigger("test", base::monotonic_ns()).ok());
  ASSERT_EQ(files().size(), 1u);
  Collector replayed;
  contents(files()[0], replayed);
  EXPECT_EQ(replayed.times.size(), 100u);
  recorder->on_event(event(101), 101);
  ASSERT_TRUE(recorder->trigger("again", base::monotonic_ns()).ok());
  ASSERT_EQ(files().size(), 2u);
  EXPECT_EQ(recorder->status(0).triggers, 2u);
}

TEST_F(RecorderTest, FlightForgetsWhatIsTooOld) {
  options_.flight = true;
  options_.keep_ns = 60 * kSecond;
  options_.part_age_ns = 10 * kSecond;
  auto recorder = this->recorder();
  const uint64_t start = base::monotonic_ns();
  for (uint64_t second = 0; second < 200; second += 5) {
    recorder->on_event(event(start + second * kSecond), second / 5);
    recorder->tick(start + second * kSecond + 1);
  }
  const auto written = recorder->trigger("test", start + 200 * kSecond);
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(written->paths, files());
  Collector replayed;
  for (const std::string& file : files()) contents(file, replayed);
  ASSERT_FALSE(replayed.times.empty());
  EXPECT_GE(replayed.times.front(), start + 120 * kSecond);
  EXPECT_LE(replayed.times.front(), start + 140 * kSecond);
  EXPECT_EQ(replayed.times.back(), start + 195 * kSecond);
  // A tick begins the oldest part after an event, and the next event, 5 s later, is its first.
  EXPECT_LT(written->since_ns, replayed.times.front());
  EXPECT_GT(written->since_ns, replayed.times.front() - 5 * kSecond);
}

// An earlier observation left 10,001 parts, made when the clock was ahead. Newer files stay, and files that
// are not ours are left alone.
TEST_F(RecorderTest, TheOldestPartsGoByNumberWhateverTheClockSays) {
  const auto put = [&](const std::string& name, const std::string& text) {
    auto file = recording::FileSink::create(dir_ + "/" + name);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->append(text).ok());
  };
  const std::string recording = std::string("SWTRAIL\n") + std::string(92, 'x');  // of 100 bytes
  for (int number = 0; number <= 10'000; ++number) {
    put(absl::StrFormat("29990101T000000Z-%04d.swaptrail", number), recording);
  }
  const std::vector<std::string> foreign = {"mine.swaptrail", "20990101T000000Z-copy.swaptrail",
                                            "20990101T000000Z-00000000.swaptrail.bak",
                                            "flight-20990101T000000Z-oom-00000000.swaptrail",
                                            "x20990101T000000Z-00000000.swaptrail"};
  for (const std::string& name : foreign) put(name, recording);
  put("20000101T000000Z-00000000.swaptrail", "a text with such a name");
  std::filesystem::create_directory(dir_ + "/20000101T000000Z-00000001.swaptrail");
  std::filesystem::create_symlink("/etc/hostname", dir_ + "/20000101T000000Z-00000002.swaptrail");

  options_.total_bytes = 100'000;
  auto recorder = this->recorder();
  recorder->on_event(event(1), 1);
  recorder->tick(base::monotonic_ns() + 2 * kSecond);
  recorder->finish(2000);
  const std::vector<std::string> left = files();
  const auto has = [&](const std::string& name) {
    return std::ranges::find(left, dir_ + "/" + name) != left.end();
  };
  for (const std::string& name : foreign) EXPECT_TRUE(has(name)) << name;
  EXPECT_TRUE(has("20000101T000000Z-00000000.swaptrail")) << "no recording";
  EXPECT_TRUE(has("20000101T000000Z-00000001.swaptrail")) << "a folder";
  EXPECT_TRUE(has("20000101T000000Z-00000002.swaptrail")) << "a link";
  EXPECT_FALSE(has("29990101T000000Z-9000.swaptrail"));
  EXPECT_TRUE(has("29990101T000000Z-9999.swaptrail"));
  EXPECT_TRUE(has("29990101T000000Z-10000.swaptrail"));
  const auto ours = std::ranges::count_if(left, [](const std::string& path) {
    return path.find("-00010001.swaptrail") != std::string::npos;
  });
  EXPECT_EQ(ours, 1) << "the part that is being written";
  EXPECT_GT(recorder->status(0).parts_dropped, 9000u);
  EXPECT_LT(recorder->status(0).parts_dropped, 9100u);
}

TEST_F(RecorderTest, FlightFilesAreLimitedToo) {
  options_.flight = true;
  options_.total_bytes = 2000;
  auto recorder = this->recorder();
  FlightFiles last;
  for (uint64_t i = 1; i <= 300; ++i) {
    recorder->on_event(event(i * 1000, 7), i);
    auto written = recorder->trigger("memory-pressure", base::monotonic_ns());
    ASSERT_TRUE(written.ok()) << written.status();
    last = *std::move(written);
  }
  uint64_t bytes = 0;
  for (const std::string& path : files()) bytes += std::filesystem::file_size(path);
  EXPECT_LE(bytes, 16 * options_.total_bytes);
  EXPECT_GT(bytes, 14 * options_.total_bytes);
  ASSERT_FALSE(last.paths.empty());
  EXPECT_EQ(files().back(), last.paths.back()) << "the newest stay";
}

TEST_F(RecorderTest, ADirectoryThatCannotBeMadeIsAnError) {
  options_.dir = "/proc/nowhere/recordings";
  EXPECT_FALSE(Recorder::create(options_, header_, {}, names_, next_).ok());
}

// The contents of the only part.
recording::RecordingContents contents_of(const std::string& dir) {
  const auto file = *std::filesystem::directory_iterator(dir);
  auto source = recording::FileSource::open(file.path());
  EXPECT_TRUE(source.ok());
  auto reader = recording::RecordingReader::open(**source);
  EXPECT_TRUE(reader.ok());
  return (*reader)->contents();
}

TEST_F(RecorderTest, AreasThatComeAndGoAreRecordedWithTheirTime) {
  recording::SwapArea unknown, first;
  unknown.path = "/not/known";
  unknown.bytes = 4096;
  unknown.type = host::kTypeNotKnown;
  first.path = "/dev/zram0";
  first.bytes = 8192;
  first.at_ns = 10;
  auto recorder = Recorder::create(options_, header_, {unknown, first}, names_, next_);
  ASSERT_TRUE(recorder.ok());
  host::AreaInstance gone, come;
  gone.seen.area = first;
  gone.until_ns = 500;
  come.seen.area = first;
  come.seen.area.path = "/dev/nvme0n1";
  come.seen.area.at_ns = 700;
  (*recorder)->on_area(gone);
  (*recorder)->on_area(come);
  (*recorder)->finish(1000);
  const std::vector<recording::SwapArea> areas = contents_of(options_.dir).areas;
  ASSERT_EQ(areas.size(), 3u);
  EXPECT_EQ(areas[0].path, "/dev/zram0");
  EXPECT_EQ(areas[1].bytes, 0u) << "off";
  EXPECT_EQ(areas[1].at_ns, 500u);
  EXPECT_EQ(areas[2].path, "/dev/nvme0n1");
  EXPECT_EQ(areas[2].at_ns, 700u);
}

}  // namespace
}  // namespace swaptrail::record
