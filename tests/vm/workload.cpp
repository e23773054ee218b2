// workload - pages with known content, what the kernel's pagemap says of them, and a proof that
// they come back unharmed. The program whose pages swaptraild is tested on.
//
//   workload SCENARIO [options] <STEPS
//
//   --mib N       how much memory, 48 by default
//   --limit N     memory.max, or what is to stay in memory, in MiB
//   --rounds R    how often each page is checked and written anew under the limit, 1 by default
//   --again R     the same in the second phase, 0 (only check) by default
//   --cgroup DIR  a cgroup of version 2 to move into, for its limits
//   --oracle F    writes F.1 after the first phase and F.2 after the second
//
// Phase 1 lets pages be reclaimed. Then it prints `ready`, and waits for a line (or the end) on
// stdin. Phase 2 reads every page back; `ready` and the wait again. Exit code 1: a page had not
// the content that was written. 75: this kernel can't do it. 2: anything else.
//
// An oracle file is a header of `# key value` lines and a line for each page that is swapped out
// at the moment `time_ns` (CLOCK_MONOTONIC): tgid, virtual address, swap type, swap offset. A shmem
// page has no entry in a page table: its line says `- -`, and it is one that mincore does not find
// in memory. Then a line for each process with its faults and waits up to here: see measure.h.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "measure.h"
#include "pages.h"

namespace {

using namespace swaptrail_vm;

struct Options {
  std::string scenario, cgroup, oracle;
  size_t mib = 48, limit = 0;
  size_t rounds = 1, again = 0;
};

// ---- the second process of `fork` -----------------------------------------------------------------

struct Child {
  pid_t pid = 0;
  int to = -1, from = -1;
  bool answered = false;
  Measures measures{};  // its last answer
};

// A child that maps all pages too: on a byte it checks them and answers with its measures, at the end of input it
// ends. Returns once the child is locked and counts: what is reclaimed before would be faults that it does not count.
Child fork_child(const Buffer& buffer) {
  int to[2], from[2];
  if (pipe(to) != 0 || pipe(from) != 0) fail("pipe");
  fflush(nullptr);
  Child child{fork(), to[1], from[0]};
  if (child.pid < 0) fail("fork");
  if (child.pid > 0) {
    close(to[0]);
    close(from[1]);
    char started = 0;
    if (read(child.from, &started, 1) != 1) fail("the child did not start");
    return child;
  }
  close(to[1]);
  close(from[0]);
  lock_forked_program({buffer});
  meter.start();
  char step = 's';
  if (write(from[1], &step, 1) != 1) _exit(kFailed);
  while (read(to[0], &step, 1) == 1) {
    check_all(buffer);
    const Measures measures = meter.read();
    if (write(from[1], &measures, sizeof measures) != sizeof measures) _exit(kFailed);
  }
  _exit(0);
}

void check_in_child(Child& child) {
  char step = 'c';
  if (child.pid == 0) return;
  if (write(child.to, &step, 1) != 1) fail("write to the child");
  if (read(child.from, &child.measures, sizeof child.measures) != sizeof child.measures)
    fail("the child's pages came back with other content", kMismatch);
  child.answered = true;
}

// ---- the oracle -------------------------------------------------------------------------------

void write_oracle(const Options& options, const Buffer& buffer, const Child& child, int phase) {
  if (options.oracle.empty()) return;
  std::vector<pid_t> pids{getpid()};
  if (child.pid) pids.push_back(child.pid);
  uint64_t time_ns = 0;
  const size_t swap_kib = smaps_kib(buffer, "Swap");
  const Snapshot snapshot = take_quiet_snapshot(buffer, pids, time_ns);
  FILE* out = fopen((options.oracle + "." + std::to_string(phase)).c_str(), "w");
  if (!out) fail("can't write the oracle file");
  fprintf(out, "# time_ns %" PRIu64 "\n# scenario %s\n# pages %zu\n# round %u\n# swap_kib %zu\n",
          time_ns, options.scenario.c_str(), buffer.pages, buffer.round, swap_kib);
  for (const auto& [pid, entries] : snapshot) print_entries(out, buffer, pid, entries);
  if (child.answered) print_measures(out, child.pid, child.measures);
  fflush(out);
  print_measures(out, getpid(), meter.read());  // last: nothing is touched after it
  if (fclose(out) != 0) fail("can't write the oracle file");
}

// ---- memory, and ways to lose it -----------------------------------------------------------------

void set_cgroup(const Options& options, const char* file, const std::string& value) {
  if (options.cgroup.empty()) fail("this scenario needs --cgroup", kCannot);
  if (!write_file(options.cgroup + "/" + file, value)) fail(file);
}

// Lowers memory.high for a moment: the kernel reclaims down to it inside the write, and kills nobody.
void squeeze(const Options& options, size_t limit) {
  set_cgroup(options, "memory.high", std::to_string(limit));
  set_cgroup(options, "memory.high", "max");
}

// Asks for at least half of the buffer, in steps: EAGAIN means that less was found, for now.
void reclaim_half(const Options& options, const Buffer& buffer,
                  const std::function<void()>& reclaim_some) {
  for (int tries = 0; tries < 40 && swapped_pages(buffer) < buffer.pages / 2; ++tries) {
    reclaim_some();
    usleep(50'000);
  }
  if (swapped_pages(buffer) < buffer.pages / 4)
    fail(options.scenario + ": hardly reclaimed", kCannot);
}

void proactive_reclaim(const Options& options, const Buffer& buffer) {
  const std::string file = options.cgroup + "/memory.reclaim";
  if (access(file.c_str(), W_OK) != 0) fail("this kernel has no memory.reclaim", kCannot);
  reclaim_half(options, buffer, [&] {
    if (!write_file(file, std::to_string(buffer.bytes() / 8)) && errno != EAGAIN) fail(file);
  });
}

// ---- scenarios ----------------------------------------------------------------------------------

struct Run {
  Options options;
  Buffer buffer;
  Child child;
};

// Touched over and over under memory.max.
void scenario_limit(Run& run) {
  if (run.options.limit > 0) {
    set_cgroup(run.options, "memory.max", std::to_string(run.options.limit * kMib));
  }
  for (size_t i = 0; i < run.options.rounds; ++i) write_round(run.buffer);
}

void scenario_zero(Run& run) {
  run.buffer.half_zero = true;
  scenario_limit(run);
}

void scenario_pageout(Run& run) {
  write_round(run.buffer);
  page_out(run.buffer);
}

void scenario_thp(Run& run) {
  advise(run.buffer, MADV_HUGEPAGE, "MADV_HUGEPAGE");
  write_round(run.buffer);
  const size_t kib = smaps_kib(run.buffer, "AnonHugePages");
  if (kib * 1024 < run.buffer.bytes() / 2) fail("no huge pages to be had", kCannot);
  page_out(run.buffer);
}

void scenario_fork(Run& run) {
  write_round(run.buffer);
  run.child = fork_child(run.buffer);
  // MADV_PAGEOUT leaves pages that several processes map alone.
  reclaim_half(run.options, run.buffer, [&] { squeeze(run.options, run.buffer.bytes() / 4); });
}

void scenario_reclaim(Run& run) {
  write_round(run.buffer);
  proactive_reclaim(run.options, run.buffer);
}

// Out, back by reading only, out again: the copy in the swap area is still good.
void scenario_clean(Run& run) {
  scenario_pageout(run);
  squeeze(run.options, kMib);  // the second pass frees what has been written
  usleep(300'000);
  check_all(run.buffer);
  page_out(run.buffer);
}

struct Scenario {
  const char* name;
  void (*run)(Run&);
  int flags;
};
constexpr Scenario kScenarios[] = {
    {"anon", scenario_limit, MAP_PRIVATE},      {"full", scenario_limit, MAP_PRIVATE},
    {"shmem", scenario_limit, MAP_SHARED},      {"zero", scenario_zero, MAP_PRIVATE},
    {"pageout", scenario_pageout, MAP_PRIVATE}, {"thp", scenario_thp, MAP_PRIVATE},
    {"fork", scenario_fork, MAP_PRIVATE},       {"reclaim", scenario_reclaim, MAP_PRIVATE},
    {"clean", scenario_clean, MAP_PRIVATE},
};

// Prints `ready` and waits for a line.
void wait_for_step() {
  puts("ready");
  fflush(stdout);
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') continue;
}

int run_scenario(const Scenario& scenario, const Options& options) {
  lock_program();
  Run run{options, make_buffer(options.mib * kMib, scenario.flags), {}};
  if (!options.cgroup.empty()) set_cgroup(options, "cgroup.procs", "0");
  // Also keeps the kernel from joining pages behind our back.
  if (options.scenario != "thp") madvise(run.buffer.start, run.buffer.bytes(), MADV_NOHUGEPAGE);

  meter.start();
  if (scenario.flags == MAP_SHARED) meter.add_first_writes(run.buffer.pages);
  scenario.run(run);
  write_oracle(options, run.buffer, run.child, 1);
  wait_for_step();

  for (size_t i = 0; i < options.again; ++i) write_round(run.buffer);
  check_all(run.buffer);
  check_in_child(run.child);
  write_oracle(options, run.buffer, run.child, 2);
  wait_for_step();
  if (run.child.pid) {
    close(run.child.to);
    waitpid(run.child.pid, nullptr, 0);
  }
  return 0;
}

size_t number(const char* text) {
  char* end = nullptr;
  const unsigned long value = strtoul(text, &end, 10);
  if (end == text || *end) fail(std::string("not a number: ") + text, kFailed);
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (argc > 1) options.scenario = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--mib")
      options.mib = number(value);
    else if (name == "--limit")
      options.limit = number(value);
    else if (name == "--rounds")
      options.rounds = number(value);
    else if (name == "--again")
      options.again = number(value);
    else if (name == "--cgroup")
      options.cgroup = value;
    else if (name == "--oracle")
      options.oracle = value;
    else
      fail("unknown option " + name);
  }
  for (const Scenario& scenario : kScenarios) {
    if (options.scenario == scenario.name) return run_scenario(scenario, options);
  }
  fprintf(stderr, "usage: workload SCENARIO [options]; see the top of workload.cpp\n");
  return kFailed;
}
