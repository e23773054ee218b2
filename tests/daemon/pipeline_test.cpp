// The pipeline of the daemon over a kernel played by a test: whatever can't be read, the recording is readable
// and the summary is printed.
#include "daemon/pipeline/pipeline.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "daemon/options/options.h"
#include "tests/scene/cli_scene.h"
#include "tests/scene/made_areas.h"
#include "tests/scene/scripted_kernel.h"
#include "tests/scene/trace_scene.h"

namespace swaptrail::pipeline {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::SizeIs;

class PipelineTest : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    options_.print = report::PrintFormat::kJsonl;
    options_.record_dir = path("recording");
    out_ = open(path("out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    output_.emplace(options_.print, options_, names_, out_);
  }
  void TearDown() override {
    close(out_);
    CliTest::TearDown();
  }

  absl::StatusOr<std::unique_ptr<Pipeline>> create() {
    return Pipeline::create(kernel_.source(), options_,
                            {names_, *output_, areas_, {}, status_board_, requests_, [] {}});
  }
  // A page goes to a device.
  void swap_out(uint64_t index) {
    Scene scene;
    scene.now = base::monotonic_ns();
    scene.whole_sync(page_at(index));
    kernel_.happen(scene.events);
  }
  // From the begin to the end.
  absl::Status run() {
    auto pipeline = create();
    if (!pipeline.ok()) return pipeline.status();
    swap_out(1);
    std::atomic<bool> stop = true;
    return (*pipeline)->run(stop);
  }
  std::string recording() const {
    std::vector<std::string> parts;
    for (const auto& part : std::filesystem::directory_iterator(path("recording")))
      parts.push_back(part.path());
    EXPECT_THAT(parts, SizeIs(1));
    return parts.empty() ? "" : parts[0];
  }
  json summary() const {
    const std::string out = get("out");
    const size_t begin = out.rfind("{\"type\":\"summary\"");
    return begin == std::string::npos ? json() : json::parse(out.substr(begin));
  }

  options::Options options_;
  host::Cgroups cgroups_{""};
  host::CgroupWalker walker_{cgroups_};
  HostNames names_{std::nullopt, walker_};
  int out_ = -1;
  std::optional<Output> output_;
  MadeAreas made_areas_;
  host::AreaWatch areas_{made_areas_.sources()};
  StatusBoard status_board_;
  PipelineRequests requests_;
  ScriptedKernel kernel_;
};

TEST_F(PipelineTest, TellsAndRecordsWhatHappened) {
  ASSERT_TRUE(run().ok());
  const json document = summary();
  EXPECT_EQ(document["total"]["pages"], 1);
  for (const json& row : document["reconciliation"]) EXPECT_EQ(row["difference"], 0) << row;
  EXPECT_EQ(run_cli({"verify", recording()}).code, 0);
  EXPECT_TRUE(run_cli({"replay", "--print=jsonl", recording()}).out == get("out"));
}

// Each reading that is made at the end, by its number and what is read.
struct AtEnd {
  const char* name;
  const char* reading;
  int number;     // of those of its kind, from 1
  bool has_rows;  // the rows that compare totals with the kernel's are still there
};
constexpr AtEnd kAtEnd[] = {
    {"TotalsBeforeVmstat", "totals", 1, false}, {"Vmstat", "vmstat", 1, false},
    {"TotalsAfterVmstat", "totals", 2, false},  {"TotalsAfterSwaps", "totals", 3, false},
    {"TotalsOfDrops", "totals", 4, true},       {"LastTotals", "totals", 5, false},
};
class FailsAtEnd : public PipelineTest, public testing::WithParamInterface<AtEnd> {};

TEST_P(FailsAtEnd, RecordingAndSummaryAreFinished) {
  auto pipeline = create();
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  swap_out(1);
  int number = 0;
  kernel_.fail_with([&](const std::string& reading) {
    if (reading != GetParam().reading || ++number != GetParam().number) return absl::OkStatus();
    return absl::InternalError("it can't be read");
  });
  const std::atomic<bool> stop = true;
  const absl::Status status = (*pipeline)->run(stop);
  EXPECT_EQ(status, absl::InternalError("it can't be read"));
  EXPECT_GE(number, GetParam().number);

  EXPECT_EQ(summary()["total"]["pages"], 1);
  EXPECT_EQ(!summary()["reconciliation"].empty(), GetParam().has_rows) << summary();
  const Ran verified = run_cli({"verify", recording()});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  EXPECT_TRUE(run_cli({"replay", "--print=jsonl", recording()}).out == get("out"));
}

INSTANTIATE_TEST_SUITE_P(Pipeline, FailsAtEnd, testing::ValuesIn(kAtEnd),
                         [](const auto& tested) { return tested.param.name; });

// With --detail=counters: what the kernel counted is published and printed, and nothing else.
class CountersTest : public PipelineTest {
 protected:
  void SetUp() override {
    PipelineTest::SetUp();
    options_.counts_only = true;
    options_.record_dir.clear();
    options_.print = report::PrintFormat::kSummary;
    output_.emplace(options_.print, options_, names_, out_);
  }
  static capture::CountedRow row(swaptrail_way way, uint64_t cgroup, uint64_t pages) {
    capture::CountedRow made;
    made.key.way = static_cast<uint8_t>(way);
    made.key.cgroup = cgroup;
    if (way == SWAPTRAIL_WAY_OUT) {
      made.key.origin = SWAPTRAIL_ORIGIN_KSWAPD;
      made.key.backend = SWAPTRAIL_BACKEND_DEVICE;
    }
    made.counts.operations = made.counts.pages = pages;
    made.counts.wait_ns = 1000 * pages;
    made.counts.times[10] = pages;
    return made;
  }
};

TEST_F(CountersTest, AreInTheStatusAndInTheSummary) {
  std::vector<capture::CountedRow> rows{row(SWAPTRAIL_WAY_OUT, 7, 30), row(SWAPTRAIL_WAY_IN, 8, 20),
                                        row(SWAPTRAIL_WAY_OUT, 0, 3)};
  rows.back().beyond = true;
  kernel_.count_in_maps(rows);
  auto pipeline = create();
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  EXPECT_TRUE(status_board_.newest()->counts_only);
  ASSERT_THAT(status_board_.newest()->counted, SizeIs(3));
  EXPECT_EQ(status_board_.newest()->counted[0].counts.pages, 30u);
  for (const report::ReconcileRow& one : status_board_.newest()->reconciliation)
    EXPECT_NE(one.counter, "slots") << "its slots are not followed";
  const std::atomic<bool> stop = true;
  EXPECT_TRUE((*pipeline)->run(stop).ok());
  const std::string out = get("out");
  EXPECT_THAT(out, HasSubstr("33 pages out, 20 pages in\n"));
  EXPECT_THAT(out, HasSubstr("out  kswapd         device             30           30        0"));
  EXPECT_THAT(out, HasSubstr("cgroup 7\n"));
  EXPECT_THAT(out, HasSubstr("(all others)\n"));
  EXPECT_THAT(out, HasSubstr("pswpout"));
  EXPECT_THAT(out, testing::Not(HasSubstr("lifecycles")));
}

TEST_F(CountersTest, AnEarlierStatusStaysIfTheyCantBeRead) {
  kernel_.count_in_maps({row(SWAPTRAIL_WAY_OUT, 7, 30)});
  auto pipeline = create();
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  kernel_.fail_with([](const std::string& reading) {
    return reading == "counted" ? absl::InternalError("it can't be read") : absl::OkStatus();
  });
  const std::atomic<bool> stop = true;
  EXPECT_EQ((*pipeline)->run(stop), absl::InternalError("it can't be read"));
  EXPECT_THAT(status_board_.newest()->counted, SizeIs(1));
}

TEST_F(PipelineTest, NothingCanBeReadAtTheEnd) {
  auto pipeline = create();
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  swap_out(1);
  kernel_.fail_with([](const std::string&) { return absl::InternalError("it can't be read"); });
  const std::atomic<bool> stop = true;
  EXPECT_FALSE((*pipeline)->run(stop).ok());
  EXPECT_EQ(summary()["total"]["pages"], 1);
  EXPECT_EQ(run_cli({"verify", recording()}).code, 0);
}

TEST_F(PipelineTest, WhatFailsWhileItRunsIsReadAgain) {
  auto pipeline = create();
  ASSERT_TRUE(pipeline.ok()) << pipeline.status();
  const auto first = status_board_.newest();
  std::atomic<int> failures = 0;
  kernel_.fail_with([&](const std::string&) {
    ++failures;
    return absl::InternalError("it can't be read");
  });
  std::atomic<bool> stop = false;
  absl::Status status;
  std::thread running([&] { status = (*pipeline)->run(stop); });
  const auto wait_until = [](const auto& happened) {
    for (int tried = 0; tried < 3000 && !happened(); ++tried)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  };
  wait_until([&] { return failures >= 3; });
  EXPECT_EQ(status_board_.newest(), first) << "an old pipeline_status stays, and its time tells";
  kernel_.fail_with([](const std::string&) { return absl::OkStatus(); });
  swap_out(1);
  wait_until([&] { return status_board_.newest()->consumed > 0; });
  stop = true;
  running.join();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(summary()["total"]["pages"], 1);
  const json document = summary();
  for (const json& row : document["reconciliation"]) EXPECT_EQ(row["difference"], 0) << row;
  EXPECT_EQ(run_cli({"verify", recording()}).code, 0);
}

TEST_F(PipelineTest, AFirstReadingThatFailsIsToldAndNothingIsRecorded) {
  for (const char* reading : {"totals", "vmstat"}) {
    kernel_.fail_with([&](const std::string& asked) {
      return asked == reading ? absl::InternalError("it can't be read") : absl::OkStatus();
    });
    EXPECT_EQ(create().status(), absl::InternalError("it can't be read")) << reading;
  }
  EXPECT_FALSE(std::filesystem::exists(path("recording")));
}

TEST_F(PipelineTest, AFolderThatCannotBeWrittenIsTold) {
  options_.record_dir = put("file", "") + "/recording";
  EXPECT_FALSE(create().ok());
}

// Serving may fail after the recording was begun.
TEST_F(PipelineTest, OneThatNeverRanLeavesAReadableRecording) {
  ASSERT_TRUE(create().ok());
  const Ran verified = run_cli({"verify", recording()});
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  EXPECT_EQ(run_cli({"replay", recording()}).code, 0);
}

}  // namespace
}  // namespace swaptrail::pipeline
