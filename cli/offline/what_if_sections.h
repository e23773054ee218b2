// The sections of `swaptrail what-if`: a table for each question, with what the answers rest on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/offline/estimate_table.h"
#include "cli/offline/what_if_questions.h"
#include "engine/whatif/priority_estimate.h"
#include "engine/whatif/readahead_estimate.h"
#include "engine/whatif/readahead_evidence.h"
#include "engine/whatif/refusing_pool.h"
#include "engine/whatif/victim_cache.h"
#include "trace/recording/contents.h"

namespace swaptrail::offline {

// Of the recording as a whole.
struct WhatIfSubject {
  uint64_t page_size = 4096;
  uint64_t pages_at_start = 0;  // in swap when the recording began, as far as it says so
  uint64_t loads = 0;           // faults on pages that lay in zswap: measured,
  uint64_t load_wait_ns = 0;    //   and how long they took together
  uint64_t faults = 0;          // on pages in swap that brought their page,
  uint64_t hits = 0;            //   and did not have to read it
  std::vector<std::string>
      not_seen;  // what no hook showed, a sentence each: it concerns every section
};

// `victims` has seen all pages, `pool` is of Options::pool. Both are finished.
EstimateSection memory_section(const WhatIfSubject& subject, const engine::VictimCache& victims,
                               const std::vector<AskedSize>& asked);
// `areas`: all that the recording knows. `readahead` was made for `asked`, in this order.
EstimateSection page_cluster_section(const WhatIfSubject& subject,
                                     const engine::VictimCache& victims,
                                     const engine::ReadaheadEstimate& readahead,
                                     const engine::ReadaheadEvidence& evidence,
                                     const std::vector<recording::SwapArea>& areas,
                                     const std::vector<uint32_t>& asked);
// `areas`: one of each type, in the order of those of the estimate; `priorities`: as asked, likewise.
EstimateSection priority_section(const WhatIfSubject& subject,
                                 const engine::PriorityEstimate& estimate,
                                 const std::vector<recording::SwapArea>& areas,
                                 const std::vector<int32_t>& priorities);
// `refusing`: one for each that is asked.
EstimateSection zswap_section(const WhatIfSubject& subject, const engine::VictimCache& pool,
                              const std::vector<engine::RefusingPool>& refusing,
                              const std::vector<AskedPool>& asked, uint64_t load_ns);

}  // namespace swaptrail::offline
