// `swaptrail simulate --generation`: a workload under several generations of Linux, side by side.
#pragma once

#include <cstdint>
#include <string>

#include "trace/report/printer.h"

namespace swaptrail::compare {

struct CompareOptions {
  std::string generations = "all";  // or names with commas between them: engine::generation_names()
  std::string workload =
      "hotcold";  // engine::workload_names(), or a file: a trace of lackey's, also .zst, or a recording
  uint64_t mib = 16;            // that a synthetic workload touches
  uint64_t limit_mib = 0;       // of memory; 0: half of what the workload touches
  uint64_t accesses = 0;        // of a synthetic workload; 0: 16 for each page
  uint32_t write_percent = 50;  // of a synthetic workload's accesses
  uint64_t seed = 1;
  uint32_t page_cluster = 3;
  report::PrintFormat print = report::PrintFormat::kText;
  std::string report;  // a file for HTML; empty: none
  bool force = false;  // replace what is there
};

// Prints to standard output. Returns the exit code; wrong contents are kFound.
int compare(const CompareOptions& options);

}  // namespace swaptrail::compare
