// A few threads that make answers, and the queue in front of them. Both are bounded.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/http/router.h"

namespace swaptrail::http {

class Workers {
 public:
  struct Result {
    uint64_t connection = 0;
    Answer answer;
  };
  // `ready` is called by a worker whenever there is something to take.
  Workers(Router& router, size_t threads, size_t most_waiting, std::function<void()> ready);
  ~Workers();

  // False: the queue is full.
  bool ask(uint64_t connection, std::string head);
  std::vector<Result> take();

 private:
  struct Question {
    uint64_t connection = 0;
    std::string head;
  };
  void work();

  Router& router_;
  const size_t most_waiting_;
  const std::function<void()> ready_;
  std::mutex mutex_;
  std::condition_variable asked_;
  std::deque<Question> waiting_;
  std::vector<Result> done_;
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

// For threads of the daemon that are not to see its signals: blocks all of them.
void block_signals();

}  // namespace swaptrail::http
