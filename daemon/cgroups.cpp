#include "daemon/cgroups.h"

#include <sys/stat.h>

#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace swaptrail {
namespace {

uint64_t inode_of(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

// proc(5): id parent major:minor root MOUNT-POINT options [fields] - TYPE source SUPER-OPTIONS
std::string Cgroups::find_mount(std::string_view mountinfo) {
  std::string second;
  for (absl::string_view line :
       absl::StrSplit(absl::string_view(mountinfo.data(), mountinfo.size()), '\n')) {
    const std::vector<absl::string_view> halves = absl::StrSplit(line, " - ");
    if (halves.size() != 2) continue;
    const std::vector<absl::string_view> mount = absl::StrSplit(halves[0], ' ');
    const std::vector<absl::string_view> type = absl::StrSplit(halves[1], ' ');
    if (mount.size() < 5 || type.size() < 3) continue;
    const std::vector<absl::string_view> options = absl::StrSplit(type[2], ',');
    const bool memory = std::find(options.begin(), options.end(), "memory") != options.end();
    // v1's memory controller, if mounted, is where memory cgroups are; cgroup2 has none then
    if (type[0] == "cgroup" && memory) return std::string(mount[4]);
    if (type[0] == "cgroup2") second = std::string(mount[4]);
  }
  return second;
}

std::optional<std::string_view> Cgroups::path_of(uint64_t id, uint64_t now_ns) {
  if (id == 0 || root_.empty()) return std::nullopt;
  auto found = paths_.find(id);
  if (found == paths_.end() && (scanned_ns_ == 0 || now_ns - scanned_ns_ > kRescanAfter_ns)) {
    scan();
    scanned_ns_ = now_ns;
    found = paths_.find(id);
  }
  if (found == paths_.end()) return std::nullopt;
  return found->second;
}

void Cgroups::scan() {
  namespace fs = std::filesystem;
  std::error_code error;
  // what was known stays: pages outlive their cgroup
  if (uint64_t id = inode_of(root_)) paths_.insert_or_assign(id, std::string(1, '/'));
  fs::recursive_directory_iterator walk(root_, fs::directory_options::skip_permission_denied,
                                        error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    if (!walk->is_directory(error) || paths_.size() >= kMaxKnown) continue;
    const std::string path = walk->path().string();
    if (uint64_t id = inode_of(path)) paths_[id] = path.substr(root_.size());
  }
}

}  // namespace swaptrail
