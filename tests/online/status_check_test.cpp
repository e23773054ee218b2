// `status --check` of a daemon in trouble: its own pipeline, store and services, over a kernel played by a test.
// tests/system/check_test.py has the cases that a real kernel can be brought to.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "daemon/pipeline/pipeline.h"
#include "daemon/store/store_sink.h"
#include "tests/online/daemon_scene.h"
#include "tests/scene/trace_scene.h"

namespace swaptrail::online {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class StatusCheckTest : public OnlineTest {
 protected:
  StatusCheckTest() : OnlineTest(false) {}
  ~StatusCheckTest() override { stop(); }

  void start() {
    scene.plan = kernel_->plan();
    auto made = pipeline::Pipeline::create(
        kernel_->source(), daemon_options_,
        {names_, output_, scene.area_watch, {&sink_}, scene.status_board, scene.requests, [] {}});
    ASSERT_TRUE(made.ok()) << made.status();
    pipeline_ = *std::move(made);
    running_ = std::thread([this] { ended_ = pipeline_->run(stop_); });
  }
  void stop() {
    stop_ = true;
    if (running_.joinable()) running_.join();
  }
  // A story of the kernel, until it shows in the status.
  void happen(const std::function<void(swaptrail::Scene&)>& tell) {
    swaptrail::Scene story;
    story.now = base::monotonic_ns();
    tell(story);
    kernel_->happen(story.events);
  }
  void wait_for_status() {
    const uint64_t now = base::monotonic_ns();
    for (int tried = 0; tried < 3000 && scene.status_board.newest()->at_ns <= now; ++tried)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }

  pipeline::PipelineOptions daemon_options_;
  std::optional<ScriptedKernel> kernel_{std::in_place};
  host::CgroupWalker walker_{scene.cgroups};
  pipeline::HostNames names_{std::nullopt, walker_};
  pipeline::Output output_{report::PrintFormat::kSummary, report::PrintFilter(), names_,
                           open("/dev/null", O_WRONLY | O_CLOEXEC)};
  store::StoreSink sink_{*scene.store};
  std::unique_ptr<pipeline::Pipeline> pipeline_;
  std::atomic<bool> stop_{false};
  std::thread running_;
  absl::Status ended_;
};

void swap_out(swaptrail::Scene& story) { story.whole_sync(page_at(1)); }

// How each condition comes about, and what is said of it.
struct Trouble {
  const char* name;
  std::function<void(ScriptedKernel&)> make;
  const char* said;
};

const Trouble kTroubles[] = {
    {"RingFull", [](ScriptedKernel& kernel) { kernel.drop(SWAPTRAIL_DROP_RING_FULL, 3); },
     "3 records lost: the ring was full"},
    {"NoRing", [](ScriptedKernel& kernel) { kernel.drop(SWAPTRAIL_DROP_NO_RING, 2); },
     "2 records lost: their CPU was new"},
    {"ContextFull", [](ScriptedKernel& kernel) { kernel.find_context_full(4); },
     "4 batches or faults not followed: the table was full"},
    {"SkippedRuns", [](ScriptedKernel& kernel) { kernel.skip_runs(5); },
     "5 runs left out by the kernel"},
    {"Pswpout", [](ScriptedKernel& kernel) { kernel.count_alone("pswpout", 7); },
     "total pswpout differs by -7"},
    {"Pswpin", [](ScriptedKernel& kernel) { kernel.count_alone("pswpin", 7); },
     "total pswpin differs by -7"},
    {"Zswpout", [](ScriptedKernel& kernel) { kernel.count_alone("zswpout", 7); },
     "total zswpout differs by -7"},
    {"Zswpin", [](ScriptedKernel& kernel) { kernel.count_alone("zswpin", 7); },
     "total zswpin differs by -7"},
    {"SwpoutZero", [](ScriptedKernel& kernel) { kernel.count_alone("swpout_zero", 7); },
     "total swpout_zero differs by -7"},
    {"Slots", [](ScriptedKernel& kernel) { kernel.use_slots_alone(7000); },
     "total slots differs by -7000"},
    {"Violation",
     [](ScriptedKernel& kernel) {
       swaptrail::Scene story;
       story.now = base::monotonic_ns();
       story.begin();
       story.slot(page_at(2));
       story.unmap(page_at(2));
       story.write_async(page_at(2));
       story.removed(page_at(2), 1, kWriteback);
       story.end();
       kernel.happen(story.events);
     },
     "1 violations"},
};

class EachTrouble : public StatusCheckTest, public testing::WithParamInterface<Trouble> {};

TEST_P(EachTrouble, IsFound) {
  start();
  happen(swap_out);
  wait_for_status();
  const Ended well = asked({"status", "--check"});
  EXPECT_EQ(well.code, 0) << well.err;
  EXPECT_EQ(well.err, "");
  GetParam().make(*kernel_);
  wait_for_status();
  wait_for_status();
  const Ended ended = asked({"status", "--check"});
  EXPECT_EQ(ended.code, 1) << ended.out;
  EXPECT_EQ(ended.err, "swaptrail: " + std::string(GetParam().said) + "\n");
  EXPECT_EQ(asked({"status"}).code, 0);
  stop();
  EXPECT_TRUE(ended_.ok()) << ended_;
}

INSTANTIATE_TEST_SUITE_P(StatusCheck, EachTrouble, testing::ValuesIn(kTroubles),
                         [](const auto& tested) { return tested.param.name; });

TEST_F(StatusCheckTest, EachHookThatIsMissing) {
  kernel_.emplace(plan_for("5.10"));
  start();
  const Ended ended = asked({"status", "--check"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(ended.err, "swaptrail: hook entries_dropped is missing\n");
}

TEST_F(StatusCheckTest, EachFindingOfTheModel) {
  daemon_options_.validate = 1;
  start();
  happen([](swaptrail::Scene& story) {
    story.begin();
    story.slot(page_at(1));
    story.unmap(page_at(1));
    story.removed(page_at(1));  // it was never written
    story.end();
  });
  wait_for_status();
  wait_for_status();
  const Ended ended = asked({"status", "--check"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.err, testing::ContainsRegex("swaptrail: [1-9][0-9]* findings\n"));
}

// Each of the daemon's rows, unchanged except for its difference: no kernel can cause one in `freed`, and none
// can set the allowances at will.
TEST_F(StatusCheckTest, EachRowDiffersByMoreThanItsAllowance) {
  start();
  happen(swap_out);
  wait_for_status();
  v1::GetStatusResponse answer;
  ASSERT_TRUE(
      api::call(*scene.trace, &v1::TraceService::Stub::GetStatus, v1::GetStatusRequest(), answer)
          .ok());
  EXPECT_GE(answer.reconciliation_size(), 7);
  for (int index = 0; index < answer.reconciliation_size(); ++index) {
    const std::string& counter = answer.reconciliation(index).counter();
    EXPECT_NE(answer.reconciliation(index).note(), "") << "a note excuses nothing";
    for (const auto& row : std::map<int, int>{{3, 0}, {-3, 0}, {4, 1}, {-4, 1}}) {
      daemon.queries.GetStatus.change = [&](v1::GetStatusResponse& status) {
        status.mutable_reconciliation(index)->set_difference(row.first);
        status.mutable_reconciliation(index)->set_allowance(3);
      };
      // records may be in the rings
      EXPECT_EQ(asked({"status", "--check"}).code, counter == "emitted" ? 0 : row.second)
          << counter;
    }
  }
}

// What else the pipeline answers.
TEST_F(StatusCheckTest, AreasHaveTheSlotsThatItKnows) {
  start();
  happen(swap_out);
  wait_for_status();
  const json areas = json::parse(asked({"areas", "-o", "json"}).out)["areas"];
  ASSERT_EQ(areas.size(), 2);
  EXPECT_EQ(areas[1]["path"], "/dev/two");
  EXPECT_EQ(areas[1]["slots"]["used"], "1");
  EXPECT_EQ(areas[1]["slots"]["away"], "1");
  EXPECT_EQ(areas[1]["slots"]["unexplained"], "0");
}

TEST_F(StatusCheckTest, FlightIsARecording) {
  daemon_options_.flight_dir = directory_ + "/flight";
  start();
  happen(swap_out);
  wait_for_status();
  const json answer = json::parse(asked({"flight", "--reason=slow", "-o", "json"}).out);
  ASSERT_EQ(answer["paths"].size(), 1) << answer;
  const std::string path = answer["paths"][0];
  EXPECT_THAT(path, HasSubstr("slow"));
  EXPECT_EQ(run({"verify", path}).code, 0);
  EXPECT_THAT(run({"replay", path}).out, HasSubstr("1 lifecycles of 1 pages"));
}

}  // namespace
}  // namespace swaptrail::online
