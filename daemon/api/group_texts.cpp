#include "daemon/api/group_texts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/store/stats.h"
#include "trace/utf8.h"

namespace swaptrail::api {

std::string process_text(uint64_t pid, const Comm& comm) {
  if (pid == 0 && comm_text(comm).empty()) return "unknown";
  return absl::StrCat(utf8(comm_text(comm)), "/", pid);
}

std::string cgroup_text(Converter& converter, uint64_t id) {
  if (id == 0) return "unknown";
  const std::string& path = converter.cgroup_path(id);
  return path.empty() ? absl::StrCat("id ", id) : path;
}

uint64_t AreaKeys::key_of(const host::AreaInstance& area) const {
  const auto first = std::ranges::find_if(areas_->instances, [&](const host::AreaInstance& one) {
    return one.seen.area.path == area.seen.area.path;
  });
  return kTypes + first->number;
}

uint64_t AreaKeys::key_of(uint32_t type, uint64_t at_ns) const {
  const host::AreaInstance* area = areas_->find(type, at_ns);
  return area == nullptr ? type : key_of(*area);
}

uint64_t AreaKeys::key_of(uint32_t number, uint32_t type, uint64_t at_ns) const {
  const auto found = std::ranges::find(areas_->instances, number, &host::AreaInstance::number);
  return found == areas_->instances.end() ? key_of(type, at_ns) : key_of(*found);
}

std::string AreaKeys::text_of(uint64_t key) const {
  if (key == store::kNoArea) return "none";
  if (key < kTypes) return absl::StrCat("area ", key);
  const auto found = std::ranges::find(areas_->instances, static_cast<uint32_t>(key - kTypes),
                                       &host::AreaInstance::number);
  return found == areas_->instances.end() ? "unknown" : utf8(found->seen.area.path);
}

}  // namespace swaptrail::api
