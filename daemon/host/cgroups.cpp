#include "daemon/host/cgroups.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/files.h"
#include "trace/report/printer.h"
#include "trace/text.h"

namespace swaptrail::host {
namespace {

uint64_t inode_of(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

// proc(5): id parent major:minor root MOUNT-POINT options [fields] - TYPE source SUPER-OPTIONS
std::string Cgroups::find_mount(std::string_view mountinfo) {
  std::string second;
  for (absl::string_view line : absl::StrSplit(absl_view(mountinfo), '\n')) {
    // once: what is mounted may be called "-" as well
    const std::vector<absl::string_view> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (halves.size() != 2) continue;
    const std::vector<absl::string_view> mount = absl::StrSplit(halves[0], ' ');
    const std::vector<absl::string_view> type = absl::StrSplit(halves[1], ' ');
    if (mount.size() < 5 || type.size() < 3) continue;
    const std::vector<absl::string_view> options = absl::StrSplit(type[2], ',');
    const bool memory = std::find(options.begin(), options.end(), "memory") != options.end();
    // if v1's memory controller is mounted, it has the memory cgroups; cgroup2 has none then
    if (type[0] == "cgroup" && memory) return base::unmangled(mount[4]);
    if (type[0] == "cgroup2") second = base::unmangled(mount[4]);
  }
  return second;
}

// cgroups(7): hierarchy-ID:controller-list:cgroup-path; cgroup2 has the number 0 and an empty list.
std::string Cgroups::path_in(std::string_view text) {
  std::string second;
  for (absl::string_view line : absl::StrSplit(absl_view(text), '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::vector<absl::string_view> controllers = absl::StrSplit(parts[1], ',');
    if (std::find(controllers.begin(), controllers.end(), "memory") != controllers.end())
      return std::string(parts[2]);
    if (parts[0] == "0" && parts[1].empty()) second = std::string(parts[2]);
  }
  return second;
}

uint64_t Cgroups::of_process(uint32_t pid) const {
  if (root_.empty()) return 0;
  const auto text = base::read_file(absl::StrCat("/proc/", pid, "/cgroup"));
  if (!text.ok()) return 0;
  const std::string path = path_in(*text);
  return path.empty() ? 0 : inode_of(root_ + path);
}

std::optional<uint64_t> Cgroups::own_swap_bytes(uint64_t id) const {
  const auto path = known_path(id);
  if (!path) return std::nullopt;
  const std::string folder = root_ + (*path == "/" ? "" : *path);
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error))
    if (at->is_directory(error)) return std::nullopt;
  const auto text = base::read_file(folder + "/memory.swap.current");
  uint64_t bytes = 0;
  if (error || !text.ok() || !absl::SimpleAtoi(*text, &bytes)) return std::nullopt;
  return bytes;
}

std::string Cgroups::unit_in(std::string_view path) {
  std::string slice;
  for (absl::string_view part : absl::StrSplit(absl_view(path), '/', absl::SkipEmpty())) {
    if (absl::StartsWith(part, "_"))
      part.remove_prefix(1);  // systemd's escape for names of the kernel
    if (absl::EndsWith(part, ".slice")) {
      slice = std::string(part);
      continue;
    }
    for (const char* kind : {".service", ".scope", ".socket", ".mount", ".swap"})
      if (absl::EndsWith(part, kind)) return std::string(part);
    break;
  }
  return slice;
}

std::optional<Cgroups::Room> Cgroups::room(uint64_t id) const {
  auto path = known_path(id);
  if (!path) return std::nullopt;
  std::optional<Room> least;
  for (; path->size() > 1; path->resize(std::max<size_t>(path->rfind('/'), 1))) {
    const auto limit = base::read_file(absl::StrCat(root_, *path, "/memory.max"));
    const auto current = base::read_file(absl::StrCat(root_, *path, "/memory.current"));
    uint64_t most = 0, used = 0;  // "max": no limit
    const bool limited = limit.ok() && current.ok() && absl::SimpleAtoi(*limit, &most) &&
                         absl::SimpleAtoi(*current, &used);
    const uint64_t bytes = most - std::min(most, used);
    if (limited && (!least || bytes < least->bytes)) least = Room{bytes, *path};
  }
  return least;
}

std::optional<std::string> Cgroups::known_path(uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = paths_.find(id);
  if (found != paths_.end()) return found->second.path;
  missed_.store(true, std::memory_order_relaxed);
  return std::nullopt;
}

std::optional<std::string> Cgroups::path_of(uint64_t id, uint64_t now_ns) {
  if (id == 0 || root_.empty()) return std::nullopt;
  if (auto known = known_path(id)) return known;
  refresh_if_due(now_ns);
  return known_path(id);
}

std::vector<uint64_t> Cgroups::at_or_below(std::string_view path, uint64_t now_ns) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  refresh_if_due(now_ns);
  std::vector<uint64_t> ids;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, known] : paths_)
    if (report::is_inside(known.path, path)) ids.push_back(id);
  return ids;
}

bool Cgroups::lives(uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = paths_.find(id);
  return found == paths_.end() || found->second.seen == scans_;
}

void Cgroups::refresh_if_due(uint64_t now_ns) {
  if (root_.empty()) return;
  uint64_t before = scanned_ns_.load(std::memory_order_relaxed);
  if (before != 0 && now_ns - before <= kRescanAfter_ns) return;
  // if several threads find it due, one looks
  if (scanned_ns_.compare_exchange_strong(before, now_ns, std::memory_order_relaxed)) refresh();
}

// If one comes as another goes, the numbers stay the same: a name that is not found then is a miss.
void Cgroups::refresh_if_changed(uint64_t now_ns) {
  std::string counts = base::read_file(root_ + "/cgroup.stat").value_or("");
  const uint64_t before = scanned_ns_.load(std::memory_order_relaxed);
  const bool old = before == 0 || now_ns - before > kRescanAnyway_ns;
  const bool missed = missed_.load(std::memory_order_relaxed);
  if (!old && !missed && !counts.empty() && counts == counts_) return;
  counts_ = std::move(counts);
  scanned_ns_.store(now_ns, std::memory_order_relaxed);
  refresh();
}

void Cgroups::refresh() {
  const std::lock_guard one_at_a_time(scanning_);
  missed_.store(false, std::memory_order_relaxed);  // this look answers the misses so far
  Paths found = walk();
  const std::lock_guard lock(mutex_);
  ++scans_;
  // known names stay as long as there is room: pages outlive their cgroup
  if (paths_.size() + found.size() > kMaxKnown)
    absl::erase_if(paths_, [&](const auto& one) { return !found.contains(one.first); });
  for (auto& [id, known] : found) paths_.insert_or_assign(id, Known{std::move(known.path), scans_});
}

Cgroups::Paths Cgroups::walk() const {
  namespace fs = std::filesystem;
  Paths found;
  if (root_.empty()) return found;
  if (uint64_t id = inode_of(root_)) found[id].path.assign(1, '/');
  // A cgroup that disappears meanwhile takes nothing else with it.
  std::vector<std::string> folders{root_};
  while (!folders.empty()) {
    const std::string folder = std::move(folders.back());
    folders.pop_back();
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      std::error_code gone;
      if (!entry->is_directory(gone) || entry->is_symlink(gone)) continue;
      if (found.size() >= kMaxKnown) return found;
      std::string path = entry->path().string();
      if (uint64_t id = inode_of(path)) found[id].path = path.substr(root_.size());
      folders.push_back(std::move(path));
    }
  }
  return found;
}

}  // namespace swaptrail::host
