// The summary of --detail=counters.
#pragma once

#include <string>
#include <vector>

#include "daemon/capture/event_source.h"
#include "trace/report/print.h"

namespace swaptrail::pipeline {

// Several lines: the totals by way, origin and backend, and the busiest cgroups.
void append_counted(const std::vector<capture::CountedRow>& counted, const report::Names& names,
                    std::string& out);

}  // namespace swaptrail::pipeline
