#include "trace/pass_events.h"

#include <cstdint>
#include <cstring>

namespace swaptrail {
namespace {

constexpr swaptrail_kind kKinds[SWAPTRAIL_PARTS] = {
    SWAPTRAIL_UNMAPPED_ONE, SWAPTRAIL_UNMAPPED,     SWAPTRAIL_WRITE_BEGIN,
    SWAPTRAIL_ZSWAP_STORED, SWAPTRAIL_WRITE_ISSUED, SWAPTRAIL_WRITE_COMPLETED,
    SWAPTRAIL_WRITE_END,    SWAPTRAIL_REMOVED,
};

// What all of them have in common.
swaptrail_event event_of(const swaptrail_pass& pass) {
  swaptrail_event event{};
  event.folio = pass.folio;
  event.entry = pass.entry;
  event.batch_ns = pass.batch_ns;
  event.tid = pass.tid;
  event.tgid = pass.tgid;
  event.lost = pass.lost;
  event.nr_pages = pass.nr_pages;
  event.cpu = pass.cpu;
  event.origin = pass.origin;
  return event;
}

void fill_in(const swaptrail_pass& pass, swaptrail_event& event) {
  switch (event.kind) {
    case SWAPTRAIL_UNMAPPED_ONE:
      event.result = 1;
      event.u.map.address = pass.address;
      event.u.map.value = pass.cgroup;
      event.u.map.owner = pass.owner;
      event.u.map.first_page = pass.first_page;
      event.u.map.ptes = pass.ptes;
      std::memcpy(event.u.map.comm, pass.comm, sizeof(pass.comm));
      break;
    case SWAPTRAIL_WRITE_BEGIN:
      event.u.page.cgroup = pass.cgroup;
      break;
    case SWAPTRAIL_WRITE_ISSUED:
      event.u.page.backend = SWAPTRAIL_BACKEND_DEVICE;
      break;
    case SWAPTRAIL_WRITE_COMPLETED:  // whoever reports a completion has no batch
      event.batch_ns = 0;
      event.origin = SWAPTRAIL_ORIGIN_NONE;
      break;
    case SWAPTRAIL_WRITE_END:
      event.u.page.backend = pass.backend;
      break;
    case SWAPTRAIL_REMOVED:
      event.result = 1;
      break;
    default:
      break;
  }
}

}  // namespace

PassParts pass_parts(const swaptrail_pass& pass) {
  PassParts parts = 1;
  for (size_t part = 0; part < SWAPTRAIL_PARTS; ++part)
    parts |= PassParts{pass.after_ns[part] != 0} << (1 + part);
  return parts;
}

size_t pass_events(const swaptrail_pass& pass, std::span<swaptrail_event, kMostPassEvents> events,
                   PassParts without) {
  const swaptrail_event common = event_of(pass);
  size_t count = 0;
  if ((without & 1) == 0) {
    swaptrail_event& allocated = events[count++] = common;
    allocated.kind = SWAPTRAIL_SLOT_ALLOCATED;
    allocated.time_ns = pass.begin_ns;
    allocated.state = pass.state;
    allocated.u.page.cgroup = pass.cgroup;
  }
  for (size_t part = 0; part < SWAPTRAIL_PARTS; ++part) {
    if (pass.after_ns[part] == 0 || (without >> (1 + part) & 1) != 0) continue;
    swaptrail_event& event = events[count++] = common;
    event.kind = static_cast<uint8_t>(kKinds[part]);
    event.time_ns = pass.begin_ns + pass.after_ns[part] - 1;
    event.state = pass.states[part];
    fill_in(pass, event);
  }
  return count;
}

}  // namespace swaptrail
