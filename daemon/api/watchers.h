// The callers of WatchLifecycles, all served by one thread.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/api/clock.h"
#include "daemon/api/host.h"
#include "daemon/store/filter.h"
#include "swaptrail/v1/trace.grpc.pb.h"

namespace swaptrail::api {

// Every kRound_ns, if there is something new and somebody to send it to, the thread takes one snapshot, makes
// the next message of each watcher whose last one has gone out, gives the snapshot back, and sends. A watcher
// that does not read holds one message and a place in the store, nothing else: the pipeline never waits for
// it, and what the store drops meanwhile it has missed.
class Watchers {
 public:
  static constexpr size_t kMost = 64;
  static constexpr long kRound_ns = 20'000'000;
  using Reactor = grpc::ServerWriteReactor<v1::WatchLifecyclesResponse>;

  // `host` and `clock` must outlive it.
  Watchers(const Host& host, Clock& clock);
  // As close(). Waits until the last stream has ended.
  ~Watchers();
  Watchers(const Watchers&) = delete;
  Watchers& operator=(const Watchers&) = delete;

  // Any thread. From this call on, each lifecycle that closes is reported or counted as missed. The
  // stream ends at once with the filter's error if it is one, with ResourceExhausted if there are
  // kMost already, and with Unavailable after close().
  Reactor* open(grpc::CallbackServerContext* context, const absl::StatusOr<store::Filter>& filter);
  // Ends all streams with Unavailable, and takes no more.
  void close();
  size_t count() const { return streams_.load(std::memory_order_relaxed); }

 private:
  class Watcher;
  void run();
  bool round(std::vector<std::shared_ptr<Watcher>>& watchers);
  void end_those_done(std::vector<std::shared_ptr<Watcher>>& watchers, bool closing);
  bool write_news(std::vector<std::shared_ptr<Watcher>>& watchers);
  bool fill_messages(std::vector<std::shared_ptr<Watcher>>& watchers);
  uint64_t seen_by_store() const;
  void wake();

  const Host& host_;
  Clock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<Watcher>> opened_;  // since the last round
  bool closing_ = false;
  bool woken_ = false;
  std::atomic<size_t> streams_{0};  // not over yet
  uint64_t seen_ = 0;               // lifecycles that the store had seen at the last round
  std::thread thread_;
};

}  // namespace swaptrail::api
