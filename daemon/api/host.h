// The parts of swaptraild that a query may look at.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "daemon/counters/counters.h"
#include "daemon/host/area_watch.h"
#include "daemon/host/cgroups.h"
#include "daemon/host/page_frames.h"
#include "daemon/inventory/inventory.h"
#include "daemon/pipeline/requests.h"
#include "daemon/pipeline/status.h"
#include "daemon/probe/attach_plan.h"
#include "daemon/store/store.h"

namespace swaptrail::api {

// The references outlive the server. Any thread may use all of it.
struct Host {
  const store::Store& store;
  const counters::Counters& counters;
  const pipeline::StatusBoard& status_board;
  pipeline::PipelineRequests& requests;
  host::Cgroups& cgroups;
  const probe::AttachPlan& plan;
  const host::AreaWatch& areas;
  const inventory::Inventory* inventory = nullptr;  // may be null: there is none
  std::optional<host::PageFrames> frames;           // absent: no page frame numbers
  bool pageout_enabled = false;
  // Answers may have page frame numbers, and say whether pages that were never observed are mapped. Both
  // would help an attack on another process (rowhammer, guessing addresses). Only for root and the
  // control group.
  bool full_access = true;
  std::function<uint64_t()> watchers = nullptr;  // of all services; null: there is one only
};

}  // namespace swaptrail::api
