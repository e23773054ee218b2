// The daemon's validation: what it passes on, finds and reports, and what it does without its
// hooks.
#include "validate/validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "daemon/options/options.h"
#include "tests/scene/recording_stream.h"
#include "tests/scene/trace_scene.h"
#include "trace/recording/file.h"
#include "trace/recording/reader.h"

namespace swaptrail::validate {
namespace {

using testing::HasSubstr;

class ValidationTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string golden =
        std::string(SWAPTRAIL_TEST_DATA) + "/recordings/6.12-zram-pageout.swaptrail";
    auto source = recording::FileSource::open(golden).value();
    auto reader = recording::RecordingReader::open(*source).value();
    StreamSink sink;
    ASSERT_TRUE(reader->for_each(sink).ok());
    items_ = std::move(sink.items);
    contents_ = reader->contents();
    options_.sample = 1;
    options_.areas = [this] {
      ++areas_asked_;
      return contents_.areas;
    };
    options_.clock_ns = [this] { return clock_ns_; };
  }

  // Every folio that is freed is dirty: so many findings.
  void spoil(size_t count) {
    for (StreamItem& item : items_)
      if (item.event.kind == SWAPTRAIL_REMOVED && count != 0 && count-- != 0)
        item.event.state |= SWAPTRAIL_STATE_DIRTY;
  }

  void run() {
    auto made = Validation::create(contents_.header, options_, kept_);
    ASSERT_TRUE(made.ok()) << made.status();
    validation_ = *std::move(made);
    lifecycles::Reconstructor reconstructor(contents_.header.reconstruction,
                                            validation_->lifecycles());
    validation_->hand_on_to(reconstructor);
    testing::internal::CaptureStderr();
    for (const StreamItem& item : items_) validation_->on_event(item.event, item.sequence);
    validation_->finish(contents_.end_ns);
    log_ = testing::internal::GetCapturedStderr();
  }
  size_t log_lines() const {
    return static_cast<size_t>(std::count(log_.begin(), log_.end(), '\n'));
  }

  recording::RecordingContents contents_;
  std::vector<StreamItem> items_;
  ValidationOptions options_;
  uint64_t clock_ns_ = 5 * kSecond;
  int areas_asked_ = 0;
  Kept kept_;
  std::unique_ptr<Validation> validation_;
  std::string log_;
};

TEST_F(ValidationTest, HandsOnAndHasNothingToSayOfARealStream) {
  run();
  EXPECT_EQ(kept_.lifecycles.size(), 1024u);
  EXPECT_TRUE(kept_.violations.empty());
  EXPECT_EQ(log_, "");
  EXPECT_EQ(areas_asked_, 1);
  const std::vector<report::ReconcileRow> rows = validation_->trust_rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].counter, "validated");
  EXPECT_EQ(rows[0].kernel_delta, 1024);
  EXPECT_EQ(rows[0].ours, 1024);
  EXPECT_EQ(rows[0].difference, 0);
  EXPECT_EQ(rows[1].counter, "findings");
  EXPECT_EQ(rows[1].ours, 0);
}

TEST_F(ValidationTest, FindingsAreViolationsOfTheEnginesRules) {
  spoil(3);
  run();
  ASSERT_GE(kept_.violations.size(), 3u);
  const Violation& first = kept_.violations.front();
  EXPECT_NE(first.time_ns, 0u);
  EXPECT_NE(first.folio, 0u);
  EXPECT_EQ(validation_->trust_rows()[1].ours, static_cast<int64_t>(kept_.violations.size()));
  EXPECT_THAT(log_, HasSubstr("swaptraild: finding: " + std::string(first.rule) + ": "));
}

TEST_F(ValidationTest, TenLinesASecondTheRestIsCountedAndAllAreInTheOutput) {
  spoil(1024);
  run();
  EXPECT_GE(kept_.violations.size(), 1024u);
  EXPECT_EQ(log_lines(), 11u);
  EXPECT_THAT(log_, HasSubstr("swaptraild: " + std::to_string(kept_.violations.size() - 10) +
                              " more findings\n"));
}

TEST_F(ValidationTest, EachSecondHasItsTen) {
  spoil(100);
  options_.clock_ns = [this] { return clock_ns_ += kSecond / 4; };
  run();
  EXPECT_EQ(log_lines(), kept_.violations.size()) << "four a second are never too many";
}

TEST_F(ValidationTest, ASampleComparesItsShareAndFindsNothingElse) {
  options_.sample = 16;
  run();
  EXPECT_EQ(kept_.lifecycles.size(), 1024u) << "all are told";
  EXPECT_TRUE(kept_.violations.empty());
  const uint64_t compared = validation_->counters().lifecycles;
  EXPECT_GT(compared, 1024u / 32);
  EXPECT_LT(compared, 1024u / 8);
}

TEST_F(ValidationTest, AnAreaThatWasNotThereIsAskedForOnce) {
  std::vector<recording::SwapArea> known;
  std::swap(known, contents_.areas);
  options_.areas = [this, known] {
    return areas_asked_++ == 0 ? std::vector<recording::SwapArea>() : known;
  };
  run();
  EXPECT_EQ(areas_asked_, 2);
  EXPECT_TRUE(kept_.violations.empty());
}

TEST_F(ValidationTest, WithoutItsHooksItIsRefusedByName) {
  for (recording::RecordedHook& hook : contents_.header.hooks)
    if (hook.hook == "cache_deleted") hook.state = "missing";
  const auto made = Validation::create(contents_.header, options_, kept_);
  ASSERT_FALSE(made.ok());
  EXPECT_THAT(std::string(made.status().message()), HasSubstr("cache_deleted"));
  contents_.header.mode = "tracepoint";
  EXPECT_FALSE(Validation::create(contents_.header, options_, kept_).ok());
}

uint32_t parsed(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "swaptraild");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStderr();
  const auto options = options::parse_options(static_cast<int>(argv.size()), argv.data());
  testing::internal::GetCapturedStderr();
  const options::Options* good = std::get_if<options::Options>(&options);
  return good != nullptr ? good->validate : 999;
}

TEST(ValidateFlag, IsOffSixteenOrANumber) {
  EXPECT_EQ(parsed({}), 0u);
  EXPECT_EQ(parsed({"--validate"}), 16u);
  EXPECT_EQ(parsed({"--validate=1"}), 1u);
  EXPECT_EQ(parsed({"--validate=4", "--print=jsonl"}), 4u);
  EXPECT_EQ(parsed({"--validate=0"}), 999u);
  EXPECT_EQ(parsed({"--validate=x"}), 999u);
}

}  // namespace
}  // namespace swaptrail::validate
