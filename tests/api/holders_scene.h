// Pages in swap, of processes and of a file, behind the services.
#pragma once

#include <cstring>

#include "tests/api/api_scene.h"
#include "trace/decode.h"

namespace swaptrail::api {

// A page that went out: of a process, or with tgid 0 of a file.
inline void send_out(ledger::Ledger& ledger, uint64_t entry, uint32_t tgid, uint64_t cgroup,
                     uint8_t backend) {
  swaptrail_event event{};
  event.entry = entry;
  event.nr_pages = 1;
  event.time_ns = 5'000'000'000;
  event.tid = event.tgid = 40;
  event.origin = SWAPTRAIL_ORIGIN_KSWAPD;
  event.state = SWAPTRAIL_STATE_SWAPBACKED | (tgid != 0 ? SWAPTRAIL_STATE_ANON : 0);
  event.kind = SWAPTRAIL_SLOT_ALLOCATED;
  event.u.page.cgroup = cgroup;
  ledger.on_event(event, 0);
  event.u = {};
  if (tgid != 0) {
    event.kind = SWAPTRAIL_UNMAPPED_ONE;
    event.result = 1;
    event.u.map.owner = tgid;
    event.u.map.value = cgroup;
    event.u.map.ptes = 1;
    std::memcpy(event.u.map.comm, "victim", 6);
  } else {
    event.kind = SWAPTRAIL_WRITE_BEGIN;
    event.u.page.inode = 99;
    event.u.page.device = 1;
    event.u.page.cgroup = cgroup;
  }
  ledger.on_event(event, 0);
  event.u = {};
  event.result = 0;
  event.kind = SWAPTRAIL_WRITE_END;
  event.u.page.backend = backend;
  ledger.on_event(event, 0);
  event.kind = SWAPTRAIL_REMOVED;
  event.result = 1;
  ledger.on_event(event, 0);
}

}  // namespace swaptrail::api
