#include "daemon/api/watchers.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "daemon/api/convert.h"
#include "daemon/api/follower.h"
#include "daemon/api/rpc_status.h"

namespace swaptrail::api {
namespace {

// A stream that ends at its begin.
class Refused : public Watchers::Reactor {
 public:
  explicit Refused(grpc::Status status) { Finish(std::move(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

// Only the thread of the watchers starts a write or ends the stream. Callbacks on gRPC's threads only
// set flags and wake that thread.
class Watchers::Watcher : public Reactor {
 public:
  Watcher(Watchers& all, grpc::CallbackServerContext* context, const store::Filter& filter,
          uint64_t from)
      : all_(all), context_(context), follower_(filter, {}, from) {}

  // gRPC owns it from here until OnDone.
  void begin(std::shared_ptr<Watcher> self) {
    self_ = std::move(self);
    StartSendInitialMetadata();
  }
  void OnWriteDone(bool ok) override {
    if (!ok) gone_.store(true);
    writing_.store(false, std::memory_order_release);
    if (!ok || full_.load()) all_.wake();
  }
  void OnCancel() override {
    gone_.store(true);
    all_.wake();
  }
  void OnDone() override;

  // The members below belong to the watchers' thread.
  bool writing() const { return writing_.load(std::memory_order_acquire); }
  bool gone() const { return gone_.load(); }
  // Makes the next message, if there is anything to report. True: there is nothing, but more to
  // look at.
  bool fill(const store::Snapshot& snapshot, Converter& converter) {
    response_.Clear();
    uint64_t missed = 0;
    const bool more = follower_.read(snapshot, converter, *response_.mutable_lifecycles(), missed);
    response_.set_missed(missed);
    full_.store(more);
    behind_ = more;
    filled_ = !response_.lifecycles().empty() || missed != 0;
    return more && !filled_;
  }
  void send() {
    if (!std::exchange(filled_, false)) return;
    writing_.store(true, std::memory_order_release);
    StartWrite(&response_);
  }
  // Is there anything that it was not sent? Then the next round looks, even if nothing is new.
  bool behind() const { return behind_; }
  void lag() { behind_ = true; }
  void end(const grpc::Status& status) { Finish(status); }
  grpc::Status why_gone() const {
    const grpc::Status why = ended(*context_);
    return why.ok() ? grpc::Status(grpc::StatusCode::CANCELLED, "the caller has gone") : why;
  }
  void cancel() {
    if (!std::exchange(cancelled_, true)) context_->TryCancel();
  }

 private:
  Watchers& all_;
  grpc::CallbackServerContext* context_;
  Follower follower_;
  v1::WatchLifecyclesResponse response_;  // on its way while writing_
  std::atomic<bool> writing_{false}, gone_{false}, full_{false};
  bool behind_ = true, filled_ = false, cancelled_ = false;
  std::shared_ptr<Watcher> self_;
};

void Watchers::Watcher::OnDone() {
  const std::shared_ptr<Watcher> self = std::move(self_);
  const std::lock_guard lock(all_.mutex_);
  all_.streams_.fetch_sub(1);
  all_.changed_.notify_all();
}

Watchers::Watchers(const Host& host, Clock& clock)
    : host_(host), clock_(clock), thread_([this] { run(); }) {}

Watchers::~Watchers() {
  close();
  thread_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return streams_.load() == 0; });
}

Watchers::Reactor* Watchers::open(grpc::CallbackServerContext* context,
                                  const absl::StatusOr<store::Filter>& filter) {
  if (!filter.ok()) return new Refused(to_rpc(filter.status()));
  const std::lock_guard lock(mutex_);
  if (closing_) {
    return new Refused({grpc::StatusCode::UNAVAILABLE, "swaptraild is ending"});
  }
  if (streams_.load() >= kMost) {
    return new Refused({grpc::StatusCode::RESOURCE_EXHAUSTED,
                        "64 callers watch lifecycles already: wait until one has ended"});
  }
  auto watcher = std::make_shared<Watcher>(*this, context, *filter, seen_by_store() + 1);
  streams_.fetch_add(1);
  watcher->begin(watcher);
  Reactor* reactor = watcher.get();
  opened_.push_back(std::move(watcher));
  changed_.notify_all();
  return reactor;
}

void Watchers::close() {
  const std::lock_guard lock(mutex_);
  closing_ = true;
  changed_.notify_all();
}

void Watchers::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

// Sequences go from 1 without gaps.
uint64_t Watchers::seen_by_store() const {
  const store::StoreStatus status = host_.store.status();
  return status.lifecycles + status.evicted;
}

void Watchers::run() {
  std::vector<std::shared_ptr<Watcher>> watchers;
  bool at_once = false;
  while (true) {
    bool closing = false;
    {
      std::unique_lock lock(mutex_);
      const auto called = [&] { return woken_ || closing_ || !opened_.empty(); };
      if (watchers.empty()) {
        changed_.wait(lock, called);
      } else if (!at_once) {
        changed_.wait_for(lock, std::chrono::nanoseconds(kRound_ns),
                          [&] { return woken_ || !opened_.empty(); });
      }
      woken_ = false;
      closing = closing_;
      std::ranges::move(opened_, std::back_inserter(watchers));
      opened_.clear();
    }
    end_those_done(watchers, closing);
    if (closing && watchers.empty()) return;
    at_once = !closing && round(watchers);
  }
}

void Watchers::end_those_done(std::vector<std::shared_ptr<Watcher>>& watchers, bool closing) {
  std::erase_if(watchers, [&](const std::shared_ptr<Watcher>& watcher) {
    if (!watcher->gone() && !closing) return false;
    if (watcher->writing()) {  // its end comes through OnWriteDone
      if (closing) watcher->cancel();
      return false;
    }
    watcher->end(watcher->gone()
                     ? watcher->why_gone()
                     : grpc::Status(grpc::StatusCode::UNAVAILABLE, "swaptraild is ending"));
    return true;
  });
}

// True: a watcher that can be written to has more to read.
bool Watchers::round(std::vector<std::shared_ptr<Watcher>>& watchers) {
  const uint64_t now_there = seen_by_store();
  const auto waits = [](const std::shared_ptr<Watcher>& watcher) {
    return !watcher->writing() && watcher->behind();
  };
  if (now_there == seen_ && std::ranges::none_of(watchers, waits)) return false;
  seen_ = now_there;
  return write_news(watchers);
}

// gRPC serialises and sends on this thread: only after the snapshot is given back.
bool Watchers::write_news(std::vector<std::shared_ptr<Watcher>>& watchers) {
  const bool more = fill_messages(watchers);
  for (const std::shared_ptr<Watcher>& watcher : watchers) watcher->send();
  return more;
}

bool Watchers::fill_messages(std::vector<std::shared_ptr<Watcher>>& watchers) {
  Converter converter(host_, clock_.now(), false);
  const store::Snapshot snapshot = host_.store.snapshot();
  bool more = false;
  for (const std::shared_ptr<Watcher>& watcher : watchers) {
    if (watcher->gone()) continue;
    if (watcher->writing()) {
      watcher->lag();
      continue;
    }
    if (watcher->fill(snapshot, converter)) more = true;
  }
  return more;
}

}  // namespace swaptrail::api
