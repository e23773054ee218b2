#include "daemon/questions.h"

#include <chrono>
#include <utility>

namespace swaptrail {

struct Questions::Asked {
  enum class State : uint8_t { kWaiting, kRunning, kDone, kGivenUp };
  Question question;
  State state = State::kWaiting;
};

absl::Status Questions::ask(Question question, absl::Time deadline) {
  const auto asked = std::make_shared<Asked>();
  asked->question = std::move(question);
  std::unique_lock lock(mutex_);
  if (!open_) return absl::UnavailableError("the observation has ended");
  if (asked_.size() >= kMostWaiting)
    return absl::ResourceExhaustedError("too many questions wait for the pipeline; try again");
  asked_.push_back(asked);
  waiting_.store(asked_.size(), std::memory_order_release);
  answered_.wait_until(lock, absl::ToChronoTime(deadline),
                       [&] { return asked->state == Asked::State::kDone || !open_; });
  // one that runs now refers to what is on this stack
  answered_.wait(lock, [&] { return asked->state != Asked::State::kRunning; });
  if (asked->state == Asked::State::kDone) return absl::OkStatus();
  asked->state = Asked::State::kGivenUp;
  if (!open_) return absl::UnavailableError("the observation has ended");
  return absl::DeadlineExceededError("the pipeline did not answer in time");
}

void Questions::answer(PipelineView& view) {
  if (waiting_.load(std::memory_order_acquire) == 0) return;
  std::unique_lock lock(mutex_);
  while (!asked_.empty()) {
    const std::shared_ptr<Asked> next = std::move(asked_.front());
    asked_.pop_front();
    if (next->state == Asked::State::kGivenUp) continue;
    next->state = Asked::State::kRunning;
    lock.unlock();
    next->question(view);
    lock.lock();
    next->state = Asked::State::kDone;
    answered_.notify_all();
  }
  waiting_.store(0, std::memory_order_release);
}

void Questions::close() {
  const std::lock_guard lock(mutex_);
  open_ = false;
  asked_.clear();
  waiting_.store(0, std::memory_order_release);
  answered_.notify_all();
}

}  // namespace swaptrail
