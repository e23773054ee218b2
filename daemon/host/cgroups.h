// Maps cgroup ids to paths, by searching the mounted hierarchy.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace swaptrail::host {

// A cgroup's id is the inode number of its directory (kernfs, 64 bit). Memory cgroups are searched
// for in cgroup2, or in v1's memory hierarchy if that is mounted. Any thread; nobody waits while
// another thread searches.
class Cgroups {
 public:
  static constexpr size_t kMaxKnown = 65536;  // living and gone; further cgroups stay numbers
  static constexpr uint64_t kRescanAfter_ns = 1'000'000'000;
  static constexpr uint64_t kRescanAnyway_ns = 30'000'000'000;

  // Finds the mount point from text like /proc/self/mountinfo; empty: there are no names.
  static std::string find_mount(std::string_view mountinfo);

  // `root`: the mount point of the hierarchy.
  explicit Cgroups(std::string root) : root_(std::move(root)) {}

  // Path below the mount point, "/" for the root; nullopt if it was never found. An unknown id
  // triggers another search, at most once in kRescanAfter_ns.
  std::optional<std::string> path_of(uint64_t id, uint64_t now_ns);
  // The same without a search: only a lock for a moment.
  std::optional<std::string> known_path(uint64_t id) const;

  // From text like /proc/PID/cgroup, the path of the memory cgroup; empty: there is none.
  static std::string path_in(std::string_view text);
  // The memory cgroup that a process is in now; 0 = not known, or it has ended.
  uint64_t of_process(uint32_t pid) const;

  // memory.swap.current of a cgroup that has none below, as far as is known; nullopt: it can't be read (cgroup v1), is not known, or has
  // some, whose use it would include. By a read of the file.
  std::optional<uint64_t> own_swap_bytes(uint64_t id) const;

  // The systemd unit of a cgroup path: the first part below slices, else the slice itself, unescaped (systemd.unit(5),
  // cg_path_get_unit). Empty: it belongs to none.
  static std::string unit_in(std::string_view path);
  // How much more memory a cgroup may take: the least that memory.max leaves, its own or that of one above. Nullopt: none has a limit,
  // or it is not known. By a read of two files for each level.
  struct Room {
    uint64_t bytes = 0;
    std::string path;  // of the one with the limit
  };
  std::optional<Room> room(uint64_t id) const;

  // Ids of the cgroup at `path` and of those below, gone ones included; none if it was never there.
  std::vector<uint64_t> at_or_below(std::string_view path, uint64_t now_ns);
  // Did it exist at the last search? True for one that was never found.
  bool lives(uint64_t id) const;

  // Searches the hierarchy.
  void refresh();
  // The same, if something may be new: cgroups came or went (cgroup.stat of cgroup2's root counts them), a
  // name was missing, or the last search was long ago. For a thread that calls it once a second, so that even
  // short-lived cgroups are known by name.
  void refresh_if_changed(uint64_t now_ns);

 private:
  struct Known {
    std::string path;
    uint64_t seen = 0;  // number of the last scan that found it
  };
  using Paths = absl::flat_hash_map<uint64_t, Known>;
  void refresh_if_due(uint64_t now_ns);
  Paths walk() const;

  const std::string root_;
  mutable std::mutex mutex_;  // of paths_ and scans_
  Paths paths_;
  uint64_t scans_ = 0;
  std::atomic<uint64_t> scanned_ns_{0};
  mutable std::atomic<bool> missed_{false};  // a cgroup was asked for that is not known
  std::string counts_;                       // cgroup.stat of the last refresh_if_changed()
  std::mutex scanning_;
};

}  // namespace swaptrail::host
