// What the processes of a simulated machine do: access patterns, and other actions.
//
// The generator is defined here exactly, so that a program in a real guest can make the same
// accesses:
//
//   state: one 64 bit number, at first the seed. A draw:
//     state += 0x9e3779b97f4a7c15; z = state;
//     z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9; z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
//     the draw is z ^ (z >> 31)                                   (splitmix64; modulo 2^64)
//   below(n), 0 < n < 2^32: ((draw >> 32) * n) >> 32
//   access i = 0, 1, ... of a memory of n pages:
//     sequential: page = i mod n
//     uniform:    page = below(n)
//     hotcold:    hot = max(1, n / 5); if below(100) < 80 or hot == n: page = below(hot),
//                 else page = hot + below(n - hot)
//     then, for every pattern: write if below(100) < write_percent, else read
//   Each below() makes one draw, in the order of the text. With `populate`, pages 0 .. n - 1 are
//   written once before access 0, in ascending order, without a draw.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace swaptrail::engine {

constexpr uint64_t splitmix64(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}
// 0 .. bound - 1; 0 < bound < 2^32. One draw.
constexpr uint64_t below(uint64_t& state, uint64_t bound) {
  return ((splitmix64(state) >> 32) * bound) >> 32;
}

enum class Pattern : uint8_t { kSequential, kUniform, kHotCold, kCount };
std::string_view pattern_name(Pattern pattern);  // "sequential", "uniform", "hotcold"
// Errors: InvalidArgument, which lists the existing ones.
absl::StatusOr<Pattern> pattern_named(std::string_view name);

struct Access {
  uint64_t page = 0;
  bool write = false;
};
// Access `index` of the pattern over `pages` pages; makes the draws described above.
Access next_access(Pattern pattern, uint64_t index, uint64_t pages, uint32_t write_percent,
                   uint64_t& state);

// One process with one thread. Its memory: pages 0 .. anon_pages - 1 are its own; after them comes
// the shared memory of the workload, if it maps it.
struct ProcessPlan {
  Pattern pattern = Pattern::kUniform;
  uint64_t seed = 1;
  uint64_t anon_pages = 0;
  uint64_t accesses = 0;        // besides those that populate
  uint32_t write_percent = 50;  // of the accesses
  uint32_t zero_percent = 0;    // of the writes fill the page with zeros
  uint32_t folio_order = 0;     // first touch takes folios of 2^order pages; at most 9
  bool populate = true;
  bool shared = false;  // maps the shared memory
};

enum class ActionKind : uint8_t {
  kFork,   // a child with a copy of the memory; it makes `nr_pages` accesses of its own, and exits
  kExit,   // its memory is freed
  kUnmap,  // munmap of pages first_page .. + nr_pages
  kPageout,  // madvise(MADV_PAGEOUT) of them
  kSwapoff,  // of area `area`, by this process
  kCount,
};

struct Action {
  ActionKind kind = ActionKind::kPageout;
  uint32_t process = 0;    // index into Workload::processes
  uint64_t at_access = 0;  // before this access of the process (0 = after populating)
  uint64_t first_page = 0;
  uint64_t nr_pages = 0;
  uint32_t area = 0;  // index into SimulationOptions::areas
};

struct Workload {
  std::vector<ProcessPlan> processes;
  std::vector<Action> actions;  // of one process: in order of at_access
  uint64_t shmem_pages = 0;     // one object, mapped by the processes that share
};

// One process over `pages` of its own.
Workload single_process(Pattern pattern, uint64_t pages, uint64_t accesses, uint32_t write_percent,
                        uint64_t seed);

// Processes, patterns and actions of all kinds, drawn from the seed. About `pages` pages and
// `accesses` accesses in total; `areas` is how many a swapoff may choose from (never the first;
// below 2: none).
struct MixtureSize {
  uint64_t pages = 512;
  uint64_t accesses = 4000;
  uint32_t areas = 1;
};
Workload mixture(const MixtureSize& size, uint64_t seed);

inline constexpr uint32_t kMaxFolioOrder = 9;
inline constexpr uint32_t kMaxProcesses = 256;            // including forked ones
inline constexpr uint64_t kMaxPages = uint64_t{1} << 28;  // of one process

// Errors: InvalidArgument, with the reason why it can't run.
absl::Status check_workload(const Workload& workload);

}  // namespace swaptrail::engine
