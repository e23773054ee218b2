#include "daemon/pipeline/requests.h"

#include <chrono>
#include <utility>

namespace swaptrail::pipeline {

struct PipelineRequests::Waiting {
  enum class State : uint8_t { kWaiting, kRunning, kDone, kGivenUp };
  Request request;
  State state = State::kWaiting;
};

absl::Status PipelineRequests::ask(Request request, absl::Time deadline) {
  const auto asked = std::make_shared<Waiting>();
  asked->request = std::move(request);
  std::unique_lock lock(mutex_);
  if (!open_) return absl::UnavailableError("the observation has ended");
  if (asked_.size() >= kMostWaiting)
    return absl::ResourceExhaustedError("too many requests wait for the pipeline; try again");
  asked_.push_back(asked);
  waiting_.store(asked_.size(), std::memory_order_release);
  answered_.wait_until(lock, absl::ToChronoTime(deadline),
                       [&] { return asked->state == Waiting::State::kDone || !open_; });
  // a running request refers to this stack
  answered_.wait(lock, [&] { return asked->state != Waiting::State::kRunning; });
  if (asked->state == Waiting::State::kDone) return absl::OkStatus();
  asked->state = Waiting::State::kGivenUp;
  if (!open_) return absl::UnavailableError("the observation has ended");
  return absl::DeadlineExceededError("the pipeline did not answer in time");
}

void PipelineRequests::answer(PipelineView& view) {
  if (waiting_.load(std::memory_order_acquire) == 0) return;
  std::unique_lock lock(mutex_);
  while (!asked_.empty()) {
    const std::shared_ptr<Waiting> next = std::move(asked_.front());
    asked_.pop_front();
    if (next->state == Waiting::State::kGivenUp) continue;
    next->state = Waiting::State::kRunning;
    lock.unlock();
    next->request(view);
    lock.lock();
    next->state = Waiting::State::kDone;
    answered_.notify_all();
  }
  waiting_.store(0, std::memory_order_release);
}

void PipelineRequests::close() {
  const std::lock_guard lock(mutex_);
  open_ = false;
  asked_.clear();
  waiting_.store(0, std::memory_order_release);
  answered_.notify_all();
}

}  // namespace swaptrail::pipeline
