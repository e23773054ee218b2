#include "cli/offline/recorded_names.h"

#include <algorithm>

namespace swaptrail::offline {

RecordedNames::RecordedNames(const Observation& observation) {
  page_frames_base_ = observation.header().page_frames_base;
  page_struct_size_ = observation.header().reconstruction.page_struct_size;
  for (size_t part = 0; part < observation.parts(); ++part) {
    const recording::RecordingContents& contents = observation.contents(part);
    for (const recording::CgroupName& cgroup : contents.cgroups)
      cgroups_[cgroup.id].push_back(cgroup);
    for (const recording::SwapArea& area : contents.areas)
      if (area.bytes != 0) areas_[area.type].push_back(area);
  }
  for (auto& [type, areas] : areas_)
    std::stable_sort(areas.begin(), areas.end(),
                     [](const recording::SwapArea& a, const recording::SwapArea& b) {
                       return a.at_ns < b.at_ns;
                     });
  for (auto& [id, names] : cgroups_)
    std::stable_sort(names.begin(), names.end(),
                     [](const recording::CgroupName& a, const recording::CgroupName& b) {
                       return a.at_ns < b.at_ns;
                     });
}

// As the daemon's PageFrames::number_of.
std::optional<uint64_t> RecordedNames::pfn_of(uint64_t folio) const {
  if (page_frames_base_ == 0 || page_struct_size_ == 0 || folio == 0) return std::nullopt;
  const uint64_t offset = folio - page_frames_base_;
  if (offset % page_struct_size_ != 0) return std::nullopt;
  return offset / page_struct_size_;
}

std::optional<std::string_view> RecordedNames::cgroup_path(uint64_t id) const {
  const auto found = cgroups_.find(id);
  if (found == cgroups_.end()) return std::nullopt;
  const recording::CgroupName* known = nullptr;
  for (const recording::CgroupName& name : found->second)
    if (name.at_ns <= now_ns_) known = &name;
  if (known == nullptr) return std::nullopt;
  return known->path;
}

const recording::SwapArea* RecordedNames::area(uint32_t type) const {
  const auto found = areas_.find(type);
  if (found == areas_.end()) return nullptr;
  const recording::SwapArea* known = &found->second.front();
  for (const recording::SwapArea& area : found->second)
    if (area.at_ns <= now_ns_) known = &area;
  return known;
}

}  // namespace swaptrail::offline
