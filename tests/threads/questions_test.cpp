// PipelineRequests to the pipeline thread: answered there, or given up, but never run afterwards.
#include "daemon/pipeline/requests.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/scene/trace_scene.h"

namespace swaptrail::pipeline {
namespace {

class View : public PipelineView {
 public:
  std::shared_ptr<const SlotHolders> holders() override { return nullptr; }
  std::shared_ptr<const std::vector<ledger::HolderAges>> ages() override { return nullptr; }
  std::shared_ptr<const ReadaheadNow> readahead() override { return nullptr; }
  ledger::Ledger* ledger() override { return nullptr; }
  uint64_t passed_on_until() const override { return 0; }
  const lifecycles::Reconstructor& reconstructor() const override { return reconstructor_; }
  absl::StatusOr<record::FlightFiles> write_flight(const std::string&) override {
    return absl::FailedPreconditionError("none");
  }

 private:
  Kept kept_;
  lifecycles::Reconstructor reconstructor_{lifecycles::ReconstructorOptions{}, kept_};
};

absl::Time soon() { return absl::Now() + absl::Milliseconds(20); }
absl::Time later() { return absl::Now() + absl::Seconds(60); }

TEST(PipelineRequests, AreAnsweredOnTheThreadThatAnswers) {
  PipelineRequests requests;
  View view;
  std::atomic<bool> stop{false};
  std::thread::id answered;
  std::thread pipeline([&] {
    while (!stop) requests.answer(view);
  });
  const std::thread::id expected = pipeline.get_id();
  EXPECT_TRUE(
      requests.ask([&](PipelineView&) { answered = std::this_thread::get_id(); }, later()).ok());
  stop = true;
  pipeline.join();
  EXPECT_EQ(answered, expected);
}

TEST(PipelineRequests, ThatWereGivenUpAreNotRun) {
  PipelineRequests requests;
  View view;
  bool ran = false;
  EXPECT_TRUE(absl::IsDeadlineExceeded(requests.ask([&](PipelineView&) { ran = true; }, soon())));
  requests.answer(view);
  EXPECT_FALSE(ran);
}

TEST(PipelineRequests, AreWaitedForOnceTheyRun) {
  PipelineRequests requests;
  View view;
  std::atomic<bool> stop{false};
  std::thread pipeline([&] {
    while (!stop) requests.answer(view);
  });
  bool done = false;
  const absl::Status status = requests.ask(
      [&](PipelineView&) {
        absl::SleepFor(absl::Milliseconds(100));  // beyond the deadline
        done = true;
      },
      absl::Now() + absl::Milliseconds(50));
  EXPECT_EQ(status.ok(), done);
  stop = true;
  pipeline.join();
}

TEST(PipelineRequests, AreBounded) {
  PipelineRequests requests;
  std::atomic<size_t> refused{0}, late{0};
  std::vector<std::thread> askers;
  for (size_t index = 0; index < PipelineRequests::kMostWaiting + 5; ++index)
    askers.emplace_back([&] {
      const absl::Status status =
          requests.ask([](PipelineView&) {}, absl::Now() + absl::Seconds(3));
      if (absl::IsResourceExhausted(status)) ++refused;
      if (absl::IsDeadlineExceeded(status)) ++late;
    });
  for (std::thread& asker : askers) asker.join();
  EXPECT_EQ(refused, 5u);
  EXPECT_EQ(late, PipelineRequests::kMostWaiting);
}

TEST(PipelineRequests, EndWithThePipeline) {
  PipelineRequests requests;
  absl::Status waiting;
  std::thread asker([&] { waiting = requests.ask([](PipelineView&) {}, later()); });
  absl::SleepFor(absl::Milliseconds(20));
  requests.close();
  asker.join();
  EXPECT_TRUE(absl::IsUnavailable(waiting));
  EXPECT_TRUE(absl::IsUnavailable(requests.ask([](PipelineView&) {}, later())));
}

}  // namespace
}  // namespace swaptrail::pipeline
