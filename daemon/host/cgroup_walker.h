// Searches the cgroup hierarchy on behalf of a thread that must not wait long.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "daemon/host/cgroups.h"

namespace swaptrail::host {

// A walk takes as long as there are cgroups: 0.2 to 0.3 s for 10,000 of them. So another thread does it.
class CgroupWalker {
 public:
  // The longest that path_of() waits, and only once in Cgroups::kRescanAfter_ns. On most hosts a walk is
  // over by then, so that the first page of a new cgroup is printed with its name.
  static constexpr std::chrono::milliseconds kPatience{2};

  // `cgroups` must outlive it.
  explicit CgroupWalker(Cgroups& cgroups) : cgroups_(cgroups) {}

  // Starts the thread, with the privileges of the caller. Before that nothing new is found.
  void start();

  // As Cgroups::path_of(), but the other thread does the walk: nullopt also while it runs. One thread.
  std::optional<std::string> path_of(uint64_t id, uint64_t now_ns);

 private:
  void walk_when_asked(const std::stop_token& stop);

  Cgroups& cgroups_;
  uint64_t asked_ns_ = 0;
  std::mutex mutex_;  // of what follows
  std::condition_variable_any changed_;
  bool asked_ = false;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace swaptrail::host
