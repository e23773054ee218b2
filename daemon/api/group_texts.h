// Names for groups of counts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "daemon/api/convert.h"
#include "daemon/host/area_watch.h"
#include "trace/lifecycle.h"

namespace swaptrail::api {

// A process as "comm/pid"; "unknown" if neither is known.
std::string process_text(uint64_t pid, const Comm& comm);
// A cgroup by its path, or by its id if it was never found; "unknown" for 0.
std::string cgroup_text(Converter& converter, uint64_t id);

// Areas as values of a group: by path, whatever their type was; by type if the path is not known.
class AreaKeys {
 public:
  explicit AreaKeys(std::shared_ptr<const host::AreaTimeline> areas) : areas_(std::move(areas)) {}

  // Of entries of a type at a time (monotonic).
  uint64_t key_of(uint32_t type, uint64_t at_ns) const;
  // Of an area by its number, 0 = not known: then as above.
  uint64_t key_of(uint32_t number, uint32_t type, uint64_t at_ns) const;
  // Of one of these, or of store::kNoArea.
  std::string text_of(uint64_t key) const;

 private:
  uint64_t key_of(const host::AreaInstance& area) const;

  static constexpr uint64_t kTypes = 64;  // 6 bits of an entry
  std::shared_ptr<const host::AreaTimeline> areas_;
};

}  // namespace swaptrail::api
