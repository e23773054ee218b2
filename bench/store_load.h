// The benchmarks' load for a store: lifecycles as on a busy host, 500,000 a second.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "daemon/counters/counters.h"
#include "daemon/store/store.h"
#include "trace/decode.h"

namespace swaptrail::store {

constexpr uint64_t kRate = 500'000;  // lifecycles a second
constexpr uint64_t kStart = 1'000'000'000'000;

inline Comm comm_of(uint32_t tgid) {
  Comm comm{};
  const std::string text = "process-" + std::to_string(tgid);
  std::copy(text.begin(), text.end(), comm.begin());
  return comm;
}

// As on a host with 200 processes in 50 cgroups: all stages, one mapping, different batches at begin
// and end. Made before they are needed.
inline std::vector<Lifecycle> usual_lifecycles() {
  std::mt19937_64 random(1);
  std::vector<Lifecycle> out(1 << 16);
  for (Lifecycle& life : out) {
    life.folio = 0xffffea0000000000 + random() % (1 << 22) * 64;
    life.entry = make_entry(static_cast<uint32_t>(random() % 2), 1 + random() % (1 << 22));
    life.nr_pages = random() % 20 == 0 ? 16 : 1;
    for (size_t stage = 0; stage < kStageCount; ++stage) {
      life.stage_ns[stage] = kStart + stage * 10'000 + random() % 5000;
    }
    if (random() % 10'000 == 0) life.stage_ns[kStageCount - 1] += 50'000'000;  // the slow few
    life.first.tgid = life.first.tid = 60 + static_cast<uint32_t>(random() % 4);
    life.first.origin = random() % 4 == 0 ? SWAPTRAIL_ORIGIN_DIRECT : SWAPTRAIL_ORIGIN_KSWAPD;
    life.first.comm = comm_of(life.first.tgid);
    life.last = life.first;
    life.last.batch_ns = 1;
    Mapping& mapping = life.mappings[0];
    mapping.tgid = 5000 + static_cast<uint32_t>(random() % 200);
    mapping.comm = comm_of(mapping.tgid);
    life.cgroup = 1000 + mapping.tgid % 50;
    mapping.address = 0x7f0000000000 + random() % (1 << 24) * 4096;
    mapping.ptes = life.nr_pages;
    life.mapping_count = 1;
    life.backend = SWAPTRAIL_BACKEND_DEVICE;
    life.outcome = random() % 20 == 0 ? Outcome::kAborted : Outcome::kFreedDevice;
  }
  return out;
}

class Load {
 public:
  explicit Load(Store& store) : store_(store) {}
  // From now on they are counted too; null: they are not.
  void count_with(counters::Counters* counters) { counters_ = counters; }
  void one() {
    Lifecycle& life = ready_[id_ % ready_.size()];
    life.id = ++id_;
    life.closed_ns = kStart + id_ * 2000;
    store_.add(life);
    if (counters_ != nullptr) counters_->on_lifecycle(life);
    if (id_ % 4 != 0 || id_ < 50'000) return;
    Return back;  // a quarter comes back
    back.lifecycle_id = id_ - id_ * 7919 % 50'000;
    const Lifecycle& left = ready_[(back.lifecycle_id - 1) % ready_.size()];
    back.entry = left.entry;
    back.time_ns = life.closed_ns;
    back.tgid = left.mappings[0].tgid;
    back.comm = left.mappings[0].comm;
    back.reader_cgroup = left.cgroup;
    back.eviction = eviction_of(left);
    back.after_ns = 1'000'000 * (id_ % 3000);
    back.fault_ns = 80'000;
    store_.note_return(back);
    if (counters_ != nullptr) counters_->on_return(back);
  }
  void fill() {
    while (store_.status().evicted == 0) one();
    for (int more = 0; more < 1'000'000; ++more) one();
  }
  uint64_t id() const { return id_; }

 private:
  Store& store_;
  counters::Counters* counters_ = nullptr;
  std::vector<Lifecycle> ready_ = usual_lifecycles();
  uint64_t id_ = 0;
};

// Adds lifecycles at kRate until it is destroyed.
class Writer {
 public:
  explicit Writer(Load& load) : thread_([this, &load] { run(load); }) {}
  ~Writer() { stop(); }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  double late_ms() const { return std::chrono::duration<double, std::milli>(late_).count(); }

 private:
  void run(Load& load) {
    auto next = std::chrono::steady_clock::now();
    while (!stop_) {
      for (uint64_t left = kRate / 1000; left > 0; --left) load.one();
      next += std::chrono::milliseconds(1);
      late_ = std::max(late_, std::chrono::steady_clock::now() - next);
      std::this_thread::sleep_until(next);
    }
  }
  std::atomic<bool> stop_{false};
  std::chrono::steady_clock::duration late_{};
  std::thread thread_;
};

}  // namespace swaptrail::store
