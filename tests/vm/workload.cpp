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
// in memory.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kMib = size_t{1} << 20;
constexpr size_t kHuge = 2 * kMib;
constexpr int kMadvPageout = 21;  // linux/mman.h, 5.4
constexpr int kMismatch = 1, kFailed = 2, kCannot = 75;

// pagemap entries (Documentation/admin-guide/mm/pagemap.rst).
constexpr uint64_t kSwapped = uint64_t{1} << 62;
// Entries of a higher type are migration entries and the like, not pages in a swap area.
constexpr uint64_t kMaxSwapfiles = 23;
uint64_t swap_type(uint64_t entry) { return entry & 0x1f; }
uint64_t swap_offset(uint64_t entry) { return entry >> 5 & ((uint64_t{1} << 50) - 1); }
bool in_swap(uint64_t entry) { return (entry & kSwapped) && swap_type(entry) < kMaxSwapfiles; }

[[noreturn]] void fail(const std::string& what, int code = kFailed) {
  fprintf(stderr, "workload: %s%s%s\n", what.c_str(), code == kFailed ? ": " : "",
          code == kFailed ? strerror(errno) : "");
  _exit(code);
}

struct Options {
  std::string scenario, cgroup, oracle;
  size_t mib = 48, limit = 0;
  size_t rounds = 1, again = 0;
};

// The pages, and what has been written to them.
struct Buffer {
  uint8_t* start = nullptr;
  size_t pages = 0;
  unsigned round = 0;  // of the last write; 0 = never written
  bool shared = false;
  bool half_zero = false;  // every other page is zero-filled
  uint8_t* page(size_t i) const { return start + i * kPage; }
  size_t bytes() const { return pages * kPage; }
};

// ---- content ----------------------------------------------------------------------------------

// The first half is random, the second repeats a random word: compressible by about a half, so
// that zswap takes it, but never zero-filled and never the same as in another page or round.
void make_content(const Buffer& buffer, size_t page, unsigned round, uint64_t* words) {
  constexpr size_t count = kPage / sizeof(uint64_t);
  if (buffer.half_zero && page % 2 == 0) {
    std::fill_n(words, count, 0);
    return;
  }
  uint64_t x = (page + 1) * 0x9e3779b97f4a7c15u ^ (round + 1) * 0xd1342543de82ef95u;
  for (size_t i = 0; i < count / 2; ++i) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    words[i] = x;
  }
  std::fill_n(words + count / 2, count / 2, x);
}

// Ends the program if a page is not as it was last written.
void check_page(const Buffer& buffer, size_t page) {
  alignas(8) uint64_t expected[kPage / sizeof(uint64_t)];
  make_content(buffer, page, buffer.round, expected);
  if (memcmp(buffer.page(page), expected, kPage) == 0) return;
  fail("page " + std::to_string(page) + " of round " + std::to_string(buffer.round) +
           " came back with other content",
       kMismatch);
}

void check_all(const Buffer& buffer) {
  for (size_t i = 0; i < buffer.pages; ++i) check_page(buffer, i);
}

// Checks each page, then writes it anew.
void write_round(Buffer& buffer) {
  const unsigned round = buffer.round + 1;
  for (size_t i = 0; i < buffer.pages; ++i) {
    if (buffer.round > 0) check_page(buffer, i);
    make_content(buffer, i, round, reinterpret_cast<uint64_t*>(buffer.page(i)));
  }
  buffer.round = round;
}

// ---- the kernel's files -------------------------------------------------------------------------

// False, with errno, if the kernel refuses.
bool write_file(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY);
  if (fd < 0) return false;
  const bool ok = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  close(fd);
  errno = error;
  return ok;
}

// The pagemap entries of the buffer in one process. Reading them faults nothing in.
std::vector<uint64_t> read_pagemap(const Buffer& buffer, pid_t pid) {
  std::vector<uint64_t> entries(buffer.pages);
  const int fd = open(("/proc/" + std::to_string(pid) + "/pagemap").c_str(), O_RDONLY);
  if (fd < 0) fail("can't open pagemap");
  const size_t bytes = entries.size() * sizeof(uint64_t);
  const off_t from = reinterpret_cast<uintptr_t>(buffer.start) / kPage * sizeof(uint64_t);
  for (size_t done = 0; done < bytes;) {
    const ssize_t got =
        pread(fd, reinterpret_cast<char*>(entries.data()) + done, bytes - done, from + done);
    if (got <= 0) fail("can't read pagemap");
    done += got;
  }
  close(fd);
  return entries;
}

// Of a shared buffer: which pages are not in memory. In the form of pagemap, without an entry.
std::vector<uint64_t> read_mincore(const Buffer& buffer) {
  std::vector<unsigned char> resident(buffer.pages);
  if (mincore(buffer.start, buffer.bytes(), resident.data()) != 0) fail("mincore");
  std::vector<uint64_t> entries(buffer.pages);
  std::transform(resident.begin(), resident.end(), entries.begin(),
                 [](unsigned char in_memory) { return in_memory & 1 ? 0 : kSwapped; });
  return entries;
}

std::vector<uint64_t> read_entries(const Buffer& buffer, pid_t pid) {
  return buffer.shared ? read_mincore(buffer) : read_pagemap(buffer, pid);
}

size_t swapped_pages(const Buffer& buffer) {
  const std::vector<uint64_t> entries = read_entries(buffer, getpid());
  return std::count_if(entries.begin(), entries.end(), in_swap);
}

uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * uint64_t{1000000000} + now.tv_nsec;
}

// A field of the buffer's mappings in smaps, in KiB.
size_t smaps_kib(const Buffer& buffer, const char* field) {
  FILE* smaps = fopen("/proc/self/smaps", "r");
  if (!smaps) fail("can't open smaps");
  std::array<char, 512> line{};
  bool inside = false;
  size_t sum = 0, kib = 0;
  const std::string format = std::string(field) + ": %zu kB";
  while (fgets(line.data(), line.size(), smaps)) {
    uintptr_t from = 0, to = 0;
    if (sscanf(line.data(), "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2) {
      const uintptr_t start = reinterpret_cast<uintptr_t>(buffer.start);
      inside = from < start + buffer.bytes() && to > start;
    } else if (inside && sscanf(line.data(), format.c_str(), &kib) == 1) {
      sum += kib;
    }
  }
  fclose(smaps);
  return sum;
}

// ---- the oracle -------------------------------------------------------------------------------

using Snapshot = std::map<pid_t, std::vector<uint64_t>>;

Snapshot take_snapshot(const Buffer& buffer, const std::vector<pid_t>& pids) {
  Snapshot all;
  for (const pid_t pid : pids) all[pid] = read_entries(buffer, pid);
  return all;
}

// What was true at `time_ns`: nothing changed between a reading before it and one after it.
Snapshot take_quiet_snapshot(const Buffer& buffer, const std::vector<pid_t>& pids,
                             uint64_t& time_ns) {
  for (int tries = 0; tries < 100; ++tries) {
    usleep(200'000);
    const Snapshot before = take_snapshot(buffer, pids);
    time_ns = now_ns();
    usleep(1000);
    if (before == take_snapshot(buffer, pids)) return before;
  }
  fail("the pages never came to rest", kCannot);
}

void write_oracle(const Options& options, const Buffer& buffer, const std::vector<pid_t>& pids,
                  int phase) {
  if (options.oracle.empty()) return;
  uint64_t time_ns = 0;
  const size_t swap_kib = smaps_kib(buffer, "Swap");
  const Snapshot snapshot = take_quiet_snapshot(buffer, pids, time_ns);
  FILE* out = fopen((options.oracle + "." + std::to_string(phase)).c_str(), "w");
  if (!out) fail("can't write the oracle file");
  fprintf(out, "# time_ns %" PRIu64 "\n# scenario %s\n# pages %zu\n# round %u\n# swap_kib %zu\n",
          time_ns, options.scenario.c_str(), buffer.pages, buffer.round, swap_kib);
  for (const auto& [pid, entries] : snapshot) {
    for (size_t i = 0; i < entries.size(); ++i) {
      if (!in_swap(entries[i])) continue;
      fprintf(out, "%d 0x%" PRIxPTR, pid, reinterpret_cast<uintptr_t>(buffer.page(i)));
      if (buffer.shared)
        fputs(" - -\n", out);
      else
        fprintf(out, " %" PRIu64 " %" PRIu64 "\n", swap_type(entries[i]), swap_offset(entries[i]));
    }
  }
  if (fclose(out) != 0) fail("can't write the oracle file");
}

// ---- memory, and ways to lose it -----------------------------------------------------------------

Buffer make_buffer(size_t bytes, int flags) {
  Buffer buffer;
  buffer.pages = bytes / kPage;
  // With room to align it to huge pages.
  void* raw = mmap(nullptr, bytes + kHuge, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) fail("mmap");
  const uintptr_t aligned = (reinterpret_cast<uintptr_t>(raw) + kHuge - 1) & ~(kHuge - 1);
  buffer.start = reinterpret_cast<uint8_t*>(aligned);
  buffer.shared = flags & MAP_SHARED;
  return buffer;
}

void advise(const Buffer& buffer, int advice, const char* name) {
  if (madvise(buffer.start, buffer.bytes(), advice) != 0) fail(name);
}

void set_cgroup(const Options& options, const char* file, const std::string& value) {
  if (options.cgroup.empty()) fail("this scenario needs --cgroup", kCannot);
  if (!write_file(options.cgroup + "/" + file, value)) fail(file);
}

// MADV_PAGEOUT skips what it can't isolate or lock just now: a few times.
void page_out(const Buffer& buffer) {
  for (int tries = 0; tries < 3; ++tries) {
    advise(buffer, kMadvPageout, "MADV_PAGEOUT");
    if (swapped_pages(buffer) == buffer.pages) return;
    usleep(50'000);
  }
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

// ---- the second process of `fork` -----------------------------------------------------------------

struct Child {
  pid_t pid = 0;
  int to = -1, from = -1;
};

// A child that maps all pages too: on a byte it checks them and answers, at the end of input it ends.
Child fork_child(const Buffer& buffer) {
  int to[2], from[2];
  if (pipe(to) != 0 || pipe(from) != 0) fail("pipe");
  fflush(nullptr);
  Child child{fork(), to[1], from[0]};
  if (child.pid < 0) fail("fork");
  if (child.pid > 0) {
    close(to[0]);
    close(from[1]);
    return child;
  }
  close(to[1]);
  close(from[0]);
  char step = 0;
  while (read(to[0], &step, 1) == 1) {
    check_all(buffer);
    if (write(from[1], &step, 1) != 1) _exit(kFailed);
  }
  _exit(0);
}

void check_in_child(const Child& child) {
  char step = 'c';
  if (child.pid == 0) return;
  if (write(child.to, &step, 1) != 1) fail("write to the child");
  if (read(child.from, &step, 1) != 1)
    fail("the child's pages came back with other content", kMismatch);
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
  Run run{options, make_buffer(options.mib * kMib, scenario.flags), {}};
  if (!options.cgroup.empty()) set_cgroup(options, "cgroup.procs", "0");
  // Also keeps the kernel from joining pages behind our back.
  if (options.scenario != "thp") madvise(run.buffer.start, run.buffer.bytes(), MADV_NOHUGEPAGE);

  scenario.run(run);
  std::vector<pid_t> pids{getpid()};
  if (run.child.pid) pids.push_back(run.child.pid);
  write_oracle(options, run.buffer, pids, 1);
  wait_for_step();

  for (size_t i = 0; i < options.again; ++i) write_round(run.buffer);
  check_all(run.buffer);
  check_in_child(run.child);
  write_oracle(options, run.buffer, pids, 2);
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
