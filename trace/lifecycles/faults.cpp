#include "trace/lifecycles/faults.h"

#include <algorithm>
#include <cstring>

namespace swaptrail::lifecycles {
namespace {

// What passes and runs of shmem_swapin_folio have in common.
Fault timed(const swaptrail_event& event) {
  Fault fault;
  fault.entry = event.entry;
  fault.end_ns = event.time_ns;
  fault.begin_ns = event.time_ns - std::min<uint64_t>(event.time_ns, event.u.map.value);
  fault.last_begin_ns = fault.begin_ns;
  fault.cgroup = event.reader_cgroup;
  fault.tid = event.tid;
  fault.tgid = event.tgid;
  fault.result = event.result;
  fault.state = event.state;
  fault.passes = 1;
  std::memcpy(fault.comm.data(), event.u.map.comm, SWAPTRAIL_COMM_LEN);
  return fault;
}

}  // namespace

bool Fault::major() const {
  const auto bits = static_cast<uint32_t>(result);
  if (shmem)
    return (state & SWAPTRAIL_STATE_IN_FAULT) && result > 0 && (bits & SWAPTRAIL_FAULT_MAJOR);
  if (ended())
    return (bits & SWAPTRAIL_FAULT_MAJOR) || (state & SWAPTRAIL_STATE_TRIED) || any_major;
  // A pass that was not seen ends it. A pass without the VMA's lock is followed by one with
  // FAULT_FLAG_TRIED.
  return any_major || !(state & SWAPTRAIL_STATE_VMA_LOCK);
}

// Where entries are not counted (event ABI 1, Linux 5.10) a pass that is done has filled one.
Fault fault_of(const swaptrail_event& pass, bool counted) {
  const auto bits = static_cast<uint32_t>(pass.result);
  Fault fault = timed(pass);
  fault.address = pass.u.map.address;
  fault.owner_tgid = pass.u.map.owner;
  fault.any_major = bits & SWAPTRAIL_FAULT_MAJOR;
  if (counted && pass.u.map.ptes != SWAPTRAIL_NOT_COUNTED) {
    fault.filled = pass.u.map.ptes;
    fault.first_page = pass.u.map.first_page < fault.filled ? pass.u.map.first_page : 0;
  } else {
    fault.filled = bits & SWAPTRAIL_FAULT_NOT_DONE ? 0 : 1;
  }
  return fault;
}

Fault shmem_fault_of(const swaptrail_event& event) {
  Fault fault = timed(event);
  fault.shmem = true;
  if (event.result < 0) return fault;
  fault.filled = event.u.map.ptes;
  fault.first_page = event.u.map.first_page < fault.filled ? event.u.map.first_page : 0;
  return fault;
}

bool FaultTable::continues(const Fault& open, const Fault& pass) const {
  if (pass.address != open.address) return false;
  if (!with_flags_) return pass.begin_ns < open.end_ns + kGraceNs;
  if (pass.state & SWAPTRAIL_STATE_VMA_LOCK) return false;
  return (pass.state & SWAPTRAIL_STATE_TRIED) || (open.state & SWAPTRAIL_STATE_VMA_LOCK);
}

void FaultTable::join(const Fault& pass, Fault& open) {
  const uint64_t begin_ns = open.begin_ns;
  const auto passes = static_cast<uint16_t>(std::min(open.passes + 1, 0xffff));
  const bool any_major = open.any_major || pass.any_major;
  open = pass;
  open.begin_ns = std::min(begin_ns, pass.begin_ns);
  open.passes = passes;
  open.any_major = any_major;
}

Fault FaultTable::take(uint32_t index) {
  const Fault fault = faults_.at(index).fault;
  waiting_.remove(faults_, index);
  by_thread_.erase(fault.tid);
  faults_.release(index);
  return fault;
}

}  // namespace swaptrail::lifecycles
