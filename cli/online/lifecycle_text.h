// Prints a lifecycle of the contract for people: on one line, or as a block with its stages.
#pragma once

#include <string>

#include "cli/online/output.h"
#include "cli/online/table.h"
#include "swaptrail/v1/lifecycle.pb.h"

namespace swaptrail::online {

// All are printable; "-" if not known.
std::string process_text(const v1::Process& process);  // "workload/233"
std::string cgroup_text(const v1::Cgroup& cgroup);     // its path, or "cgroup 4711"
std::string entry_text(const v1::SwapEntry& entry);    // "0:131984"
std::string owner_text(const v1::Lifecycle& lifecycle);
std::string outcome_text(const v1::Lifecycle& lifecycle);   // "aborted (no_slot)"
std::string returned_text(const v1::Lifecycle& lifecycle);  // empty: it did not come back

// The columns of a line, with widths that nearly always fit, so that lines can be printed one by
// one.
Table lifecycle_columns();
std::string lifecycle_line(const Table& columns, const v1::Lifecycle& lifecycle);

// Several lines: which process, which page, each stage with the time since the previous one, how it
// ended.
std::string lifecycle_block(const v1::Lifecycle& lifecycle, const Style& style);

}  // namespace swaptrail::online
