#include "daemon/host/cgroup_walker.h"

namespace swaptrail::host {

void CgroupWalker::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { walk_when_asked(stop); });
}

std::optional<std::string> CgroupWalker::path_of(uint64_t id, uint64_t now_ns) {
  if (auto known = cgroups_.known_path(id)) return known;
  if (id == 0 || !thread_.joinable()) return std::nullopt;
  if (asked_ns_ != 0 && now_ns - asked_ns_ <= Cgroups::kRescanAfter_ns) return std::nullopt;
  asked_ns_ = now_ns;
  std::unique_lock lock(mutex_);
  asked_ = true;
  changed_.notify_all();
  changed_.wait_for(lock, kPatience, [this] { return !asked_; });
  lock.unlock();
  return cgroups_.known_path(id);
}

void CgroupWalker::walk_when_asked(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return asked_; })) {
    lock.unlock();
    cgroups_.refresh();
    lock.lock();
    asked_ = false;
    changed_.notify_all();
  }
}

}  // namespace swaptrail::host
