// What is printed to a reader that is slow, or stopped.
#include "daemon/pipeline/outlet.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "daemon/pipeline/output.h"

namespace swaptrail::pipeline {
namespace {

// A reader of a pipe that begins on request.
class LateReader {
 public:
  explicit LateReader(int file) : file_(file) {}
  ~LateReader() { end(); }
  void begin() {
    thread_ = std::thread([this] {
      char some[65536];
      for (ssize_t got = 0; (got = read(file_, some, sizeof some)) > 0;) text_.append(some, got);
    });
  }
  // After the other end was closed.
  const std::string& end() {
    if (thread_.joinable()) thread_.join();
    return text_;
  }

 private:
  const int file_;
  std::thread thread_;
  std::string text_;
};

class Outlets : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(pipe(pipe_), 0); }
  void TearDown() override {
    close(pipe_[0]);
    close(pipe_[1]);
  }
  static constexpr uint64_t kLines = 300'000;
  // Numbered lines, more than are kept.
  void put_lines(Outlet& outlet) {
    for (uint64_t number = 0; number < kLines; ++number)
      outlet.put(absl::StrFormat("line %060d\n", number));
  }
  std::string all_of(LateReader& reader) {
    close(pipe_[1]);
    std::string text = reader.end();
    pipe_[1] = open("/dev/null", O_WRONLY);
    return text;
  }
  static uint64_t whole_lines(const std::string& text) {
    uint64_t lines = 0;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line); ++lines)
      EXPECT_TRUE(line.size() == 65 && line.starts_with("line ")) << line;
    return lines;
  }
  int pipe_[2] = {-1, -1};
};

TEST_F(Outlets, AReaderThatStoppedIsNotWaitedForAndMissesWholeLines) {
  Outlet outlet(pipe_[1]);
  put_lines(outlet);
  EXPECT_FALSE(outlet.broken());
  EXPECT_GT(outlet.lines_left_out(), 0u);
  LateReader reader(pipe_[0]);
  reader.begin();
  outlet.finish(absl::Seconds(60));
  const std::string text = all_of(reader);
  EXPECT_EQ(whole_lines(text) + outlet.lines_left_out(), kLines);
  EXPECT_LE(text.size(), Outlet::kMost_bytes + 65536);
}

TEST_F(Outlets, WhatIsNotTakenInTimeIsCountedAndTheNextLineBeginsAnew) {
  Outlet outlet(pipe_[1]);
  put_lines(outlet);
  const absl::Time begin = absl::Now();
  outlet.finish(absl::Milliseconds(100));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
  LateReader reader(pipe_[0]);
  reader.begin();
  outlet.put(absl::StrFormat("line %060d\n", kLines));
  outlet.finish(absl::Seconds(60));
  const std::string text = all_of(reader);
  EXPECT_EQ(whole_lines(text) + outlet.lines_left_out(), kLines + 1);
  EXPECT_THAT(text, testing::EndsWith(absl::StrFormat("line %060d\n", kLines)));
}

TEST_F(Outlets, APipeThatDoesNotWaitIsAsGood) {
  never_wait_for_reader(pipe_[1]);
  EXPECT_NE(fcntl(pipe_[1], F_GETFL) & O_NONBLOCK, 0);
  Outlet outlet(pipe_[1]);
  put_lines(outlet);
  EXPECT_FALSE(outlet.broken());  // EAGAIN is no error
  LateReader reader(pipe_[0]);
  reader.begin();
  outlet.finish(absl::Seconds(60));
  EXPECT_EQ(whole_lines(all_of(reader)) + outlet.lines_left_out(), kLines);
}

TEST_F(Outlets, OthersWhoShareThePipeNoticeNothing) {
  const int other = dup(pipe_[1]);
  never_wait_for_reader(pipe_[1]);
  EXPECT_EQ(fcntl(other, F_GETFL) & O_NONBLOCK, 0);
  close(other);
}

TEST_F(Outlets, TheSummaryTellsWhatWasLeftOut) {
  constexpr uint64_t kLifecycles = 40'000;
  const report::Names names;
  Output output(report::PrintFormat::kJsonl, report::PrintFilter(), names, pipe_[1]);
  for (uint64_t number = 0; number < kLifecycles; ++number) output.on_lifecycle(Lifecycle());
  LateReader reader(pipe_[0]);
  reader.begin();
  output.print_last(lifecycles::ReconstructorCounters(), {}, {});
  const std::string text = all_of(reader);
  EXPECT_GT(output.lines_left_out(), 0u);
  EXPECT_EQ(static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n')),
            kLifecycles + 1 - output.lines_left_out());
  EXPECT_THAT(
      text, testing::EndsWith(absl::StrCat("\"lines_left_out\":", output.lines_left_out(), "}\n")));
}

}  // namespace
}  // namespace swaptrail::pipeline
