// Workloads that are drawn by lot. They are defined here exactly, so that another program can make the same.
//
// Draws are those of engine/machine/workload.h: splitmix64 from the seed, below(n), one draw each, in the order of the text.
// n is `pages`, i = 0, 1, ... the number of the access. The page of access i:
//
//   scan        i mod n
//   loop        i mod m, m = frames + max(1, frames / 16): a loop that is just over the memory
//   random      below(n)
//   hotcold     hot = max(1, n / 5); if below(100) < 80 or hot == n: below(hot), else hot + below(n - hot)
//   zipf        the page of rank r = 1 .. n has a share proportional to 1 / r:
//                 repeat: b = below(1 + floor(log2 n)); r = 2^b + below(2^b)
//                 until r <= n and then below(r) < 2^b
//               page = (r - 1) * s mod n, where s is the least number from floor(n * 2654435769 / 2^32) on, and from 1
//               on, that has no divisor with n but 1: so pages of near ranks lie far apart
//   phases      8 phases, phase k from access floor(k * accesses / 8) on; w = max(1, n / 4). Before the first access of a
//               phase: start = below(n). If below(100) < 95: (start + below(w)) mod n, else below(n)
//   forkshared  as hotcold, by several processes, see below
//
// Then, for every one of them: it is a write if below(100) < write_percent. All accesses are process 0's, but for
// forkshared:
//
//   First process 0 writes to pages 0 .. n - 1, in that order and without a draw. Before access floor(k * accesses / 8),
//   k = 1 .. 4, it forks process k; k = 5 .. 8 (8: after the last access): process k - 4 exits. Before the draws of the
//   page: access i is made by the below(number of processes that are there)-th of them, in order of their numbers from 0.
//
// Why zipf is right: each block of ranks 2^b .. 2^(b+1) - 1 is as likely as any other, each rank in it too, and r is taken
// with probability 2^b / r: together 1 / r, up to a factor that is the same for all. Some 1.5 rounds are needed, 3 at most
// on average. It takes whole numbers only, so that all machines draw the same; below(r) is off by r / 2^32 at most.
//
// Every access takes a bounded number of draws (zipf: on average), and memory is that of the object.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/workloads/workload_source.h"

namespace swaptrail::engine {

struct WorkloadParameters {
  uint64_t pages = 0;           // of a process: 1 .. kMostSyntheticPages; loop does not look at it
  uint64_t accesses = 0;        // 0 .. kMostSyntheticAccesses
  uint32_t write_percent = 50;  // 0 .. 100
  uint64_t seed = 1;
  uint64_t frames = 0;  // of the memory: loop only, 1 .. kMostSyntheticPages
};
inline constexpr uint64_t kMostSyntheticPages = uint64_t{1} << 28;
inline constexpr uint64_t kMostSyntheticAccesses = uint64_t{1} << 40;

// "scan", "loop", "zipf", "random", "hotcold", "phases", "forkshared".
std::span<const std::string_view> workload_names();
// Errors: InvalidArgument for a name that there is not, naming those there are, or for parameters out of range.
absl::StatusOr<std::unique_ptr<WorkloadSource>> make_workload(std::string_view name,
                                                              const WorkloadParameters& parameters);

}  // namespace swaptrail::engine
