// `swaptrail simulate`: runs the engine's machine under a workload, and reports it as if it had
// been observed.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "engine/machine/simulation.h"
#include "trace/recording/contents.h"
#include "trace/report/printer.h"

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::offline {

struct SimulateOptions {
  std::string kernel = "6.12";      // engine::observable_set_names()
  std::string pattern = "hotcold";  // engine::pattern_named(), or "mixed"
  std::string device = "ssd";
  uint32_t devices = 1;
  uint64_t mib = 16;       // of the workload
  uint64_t limit_mib = 0;  // how much may stay in memory; 0: half of it
  uint64_t accesses = 0;   // 0: four for each page
  uint64_t seed = 1;
  uint32_t cpus = 2;
  uint32_t page_cluster = 3;
  report::PrintFormat print = report::PrintFormat::kText;
  bool validate = false;
  std::string record;  // a file; empty: none
  bool force = false;  // replace an existing file
};

// The simulation to run. Errors: InvalidArgument, which lists the existing choices.
absl::StatusOr<engine::SimulationOptions> simulation_options(const SimulateOptions& options);

// The header and areas for a recording of the simulated machine. Its hooks are those of a kernel
// with these features.
recording::RecordingHeader simulated_header(const SimulateOptions& options);
recording::SwapArea simulated_area(const engine::SimulatedArea& area);

// Prints to standard output. Returns the exit code; findings, violations, wrong contents: kFound.
int simulate(const SimulateOptions& options);

// Adds the subcommand. `code` gets the exit code and must outlive `app`.
void add_simulate(CLI::App& app, int& code);

}  // namespace swaptrail::offline
