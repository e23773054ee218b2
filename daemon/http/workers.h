// A few threads that make answers, and the queue in front of them. Both are bounded, in total and for
// each client: no client gets more than half of either.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/base/client_address.h"
#include "daemon/http/fair_queue.h"
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

  // The connection whose request finds no room in the queue, if any: this one, or one of the client
  // that has most there.
  std::optional<uint64_t> ask(uint64_t connection, const base::ClientAddress& from,
                              std::string head);
  std::vector<Result> take();

 private:
  struct Question {
    uint64_t connection = 0;
    std::string head;
  };
  using Asked = std::pair<base::ClientAddress, Question>;
  void work();
  std::optional<Asked> next();

  Router& router_;
  const size_t most_of_one_;  // threads
  const std::function<void()> ready_;
  std::mutex mutex_;
  std::condition_variable asked_;
  FairQueue<Question> waiting_;
  std::map<base::ClientAddress, size_t> busy_;  // threads, by the client that they work for
  std::vector<Result> done_;
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

// For threads of the daemon that must not see its signals: blocks all of them.
void block_signals();

}  // namespace swaptrail::http
