// Cgroup ids to paths, by looking through the mounted hierarchy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace swaptrail {

// A cgroup's id is the inode number of its directory (kernfs, 64 bit). Memory cgroups are looked
// for in cgroup2, or in v1's memory hierarchy where that is what is mounted. One thread.
class Cgroups {
 public:
  static constexpr size_t kMaxKnown = 65536;  // further cgroups stay numbers
  static constexpr uint64_t kRescanAfter_ns = 1'000'000'000;

  // Finds the mount point from text like /proc/self/mountinfo; an empty one: no names.
  static std::string find_mount(std::string_view mountinfo);

  // `root`: the mount point of the hierarchy.
  explicit Cgroups(std::string root) : root_(std::move(root)) {}

  // Path below the mount point, "/" for the root; nullopt if it is gone or not found. An unknown id
  // makes it look through the hierarchy again, but at most once in kRescanAfter_ns.
  std::optional<std::string_view> path_of(uint64_t id, uint64_t now_ns);

 private:
  void scan();

  std::string root_;
  absl::flat_hash_map<uint64_t, std::string> paths_;
  uint64_t scanned_ns_ = 0;
};

}  // namespace swaptrail
