// The model's own account of one swap-out attempt, to be compared with the lifecycle of trace/.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "bpf/event.h"
#include "engine/lockstep/rules.h"
#include "engine/steps/shrink.h"
#include "trace/lifecycle.h"

namespace swaptrail::engine {

// From the first step that a hook sees until the folio is freed or given up. Times in ns, 0 = none.
struct Account {
  uint64_t folio = 0;
  uint64_t entry = 0;
  uint64_t begin_ns = 0;        // its first event; 0 = there is none
  uint64_t first_batch_ns = 0;  // of the batch that it began in
  uint64_t last_batch_ns = 0;
  uint64_t left_ns = 0;  // left the swap cache, and not by reclaim
  std::array<uint64_t, kStageCount> stage_ns{};
  std::array<Mapping, kMaxMappings> mapped{};  // the first of them
  uint32_t mappings = 0;                       // all of them
  uint32_t passes = 0;
  uint32_t nr_pages = 1;
  uint8_t backend = SWAPTRAIL_BACKEND_NONE;
  PassEnd end;  // of the last pass
  bool shmem = false;
  bool removing = false;   // reclaim came to remove it: nothing mapped it
  bool unmapped = false;   // completely, in one of its passes
  bool refaulted = false;  // somebody got it back before it was freed
  bool split = false;
  bool write_failed = false;  // the last write
  bool piece = false;         // of a folio that was split: its mappings are those of the whole
  bool dropped = false;       // read in and never mapped: it was in swap all the time
  bool unsure = false;        // a loss may hide a part, or a finding was reported already

  bool began() const { return begin_ns != 0; }
  bool written() const { return stage_ns[static_cast<size_t>(Stage::kWriteBegin)] != 0; }
  // Notes a step that a hook saw. A new write invalidates what an older one left.
  void note(swaptrail_kind kind, const swaptrail_event& event);
};

// Whether the folio stays on its way after its last pass, so that a later pass continues with it.
bool goes_on(const Account& account);

// Compares the two: the rule for their first difference, or Rule::kCount. `text` has both values.
Rule compare(const Account& account, const Lifecycle& lifecycle, std::string& text);

}  // namespace swaptrail::engine
