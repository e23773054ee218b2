// Converts observations to the messages of the contract (proto/swaptrail/v1/lifecycle.proto).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "daemon/api/clock.h"
#include "daemon/api/host.h"
#include "daemon/api/values.h"
#include "daemon/host/cgroups.h"
#include "daemon/host/page_frames.h"
#include "daemon/store/record.h"
#include "swaptrail/v1/lifecycle.pb.h"
#include "swaptrail/v1/trace.pb.h"
#include "trace/latency.h"
#include "trace/lifecycle.h"

namespace swaptrail::api {

// For one call, or one round of the watchers: all its times use one reading of the clocks. One thread.
class Converter {
 public:
  // `host` must outlive it. `look`: unknown cgroups may be searched for in the hierarchy.
  Converter(const Host& host, const Moment& moment, bool look)
      : cgroups_(host.cgroups),
        frames_(host.full_access ? host.frames : std::nullopt),
        areas_(host.areas.timeline()),
        moment_(moment),
        look_(look) {}

  const Moment& moment() const { return moment_; }
  // All fill `out`, which is empty before.
  void put(const Lifecycle& lifecycle, v1::Lifecycle& out);
  void put(const store::StoredLifecycle& stored, v1::Lifecycle& out);
  void put(const Violation& violation, v1::Violation& out);
  void put_cgroup(uint64_t id, v1::Cgroup& out);
  void put(const Return& entry_return, v1::Return& out);
  static void put_process(uint32_t tgid, const Comm& comm, v1::Process& out);
  static void put_object(const SharedObject& object, v1::SharedObject& out);
  // An entry that was in use at that time (monotonic).
  void put_entry(uint64_t entry, uint32_t generation, uint64_t at_ns, v1::SwapEntry& out) const;

  // The device or file that entries of this type belonged to at that time; empty if not known.
  std::string area_path(uint32_t type, uint64_t at_ns) const;
  // Empty if it was never found.
  const std::string& cgroup_path(uint64_t id);

 private:
  void put(const Reclaimer& reclaimer, v1::Reclaimer& out);
  void put(const Stay& stay, v1::Stay& out) const;
  void put_notes(const store::NoteChain& chain, v1::Lifecycle& out);
  void put_times(const Lifecycle& lifecycle, v1::Lifecycle& out) const;
  static void put_mappings(const Lifecycle& lifecycle, v1::Lifecycle& out);
  std::optional<uint64_t> pfn_of(uint64_t folio) const;

  host::Cgroups& cgroups_;
  std::optional<host::PageFrames> frames_;
  std::shared_ptr<const host::AreaTimeline> areas_;
  Moment moment_;
  bool look_;
  absl::flat_hash_map<uint64_t, std::string> paths_;  // those needed so far
};

}  // namespace swaptrail::api
