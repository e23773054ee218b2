#include "daemon/output.h"

#include <unistd.h>

#include <cerrno>

#include "daemon/session.h"

namespace swaptrail {

std::optional<uint64_t> HostNames::pfn_of(uint64_t folio) const {
  return frames_ ? frames_->number_of(folio) : std::nullopt;
}

std::optional<std::string_view> HostNames::cgroup_path(uint64_t id) const {
  auto path = cgroups_.path_of(id, monotonic_ns());
  if (!path) return std::nullopt;
  last_path_ = *std::move(path);
  return last_path_;
}

bool Output::write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file_descriptor_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace swaptrail
