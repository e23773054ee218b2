#include "daemon/http/workers.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace swaptrail::http {

void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

Workers::Workers(Router& router, size_t threads, size_t most_waiting, std::function<void()> ready)
    : router_(router), most_waiting_(most_waiting), ready_(std::move(ready)) {
  for (size_t count = 0; count < threads; ++count) threads_.emplace_back([this] { work(); });
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  asked_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Workers::ask(uint64_t connection, std::string head) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() == most_waiting_) return false;
    waiting_.push_back({connection, std::move(head)});
  }
  asked_.notify_one();
  return true;
}

std::vector<Workers::Result> Workers::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(done_, {});
}

void Workers::work() {
  block_signals();
  std::unique_lock lock(mutex_);
  while (true) {
    asked_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
    if (ended_) return;
    const Question question = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    Answer answer = router_.answer(question.head);
    lock.lock();
    done_.push_back({question.connection, std::move(answer)});
    ready_();
  }
}

}  // namespace swaptrail::http
