#include "daemon/http/workers.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <utility>

namespace swaptrail::http {

namespace {

size_t half_of(size_t all) { return std::max<size_t>(all / 2, 1); }

}  // namespace

void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

Workers::Workers(Router& router, size_t threads, size_t most_waiting, std::function<void()> ready)
    : router_(router),
      most_of_one_(half_of(threads)),
      ready_(std::move(ready)),
      waiting_(half_of(most_waiting), most_waiting) {
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

std::optional<uint64_t> Workers::ask(uint64_t connection, const base::ClientAddress& from,
                                     std::string head) {
  std::optional<Question> gone;
  {
    const std::lock_guard lock(mutex_);
    gone = waiting_.push(from, {connection, std::move(head)});
  }
  asked_.notify_one();
  if (!gone) return std::nullopt;
  return gone->connection;
}

std::vector<Workers::Result> Workers::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(done_, {});
}

// Under the lock. None: only clients that already have all the threads they may have are waiting.
std::optional<Workers::Asked> Workers::next() {
  auto asked = waiting_.pop([this](const base::ClientAddress& from) {
    const auto found = busy_.find(from);
    return found == busy_.end() || found->second < most_of_one_;
  });
  if (asked) ++busy_[asked->first];
  return asked;
}

void Workers::work() {
  block_signals();
  std::unique_lock lock(mutex_);
  while (true) {
    std::optional<Asked> asked;
    asked_.wait(lock, [&] { return ended_ || (asked = next()); });
    if (!asked) return;
    const auto& [from, question] = *asked;
    lock.unlock();
    Answer answer = router_.answer(question.head, from);
    lock.lock();
    done_.push_back({question.connection, std::move(answer)});
    const auto busy = busy_.find(from);
    if (--busy->second == 0) busy_.erase(busy);
    ready_();
  }
}

}  // namespace swaptrail::http
