// pattern - makes the accesses of an access pattern under a memory limit, and tells as JSON what the
// kernel counted meanwhile. What `swaptrail simulate` is compared with: see freerun.sh.
//
//   pattern sequential|uniform|hotcold [options]
//
//   --mib N            private memory, 48 by default, without huge pages
//   --limit N          memory.max in MiB, 14 by default; swap is not limited
//   --accesses N       after each page was written once, in ascending order; 60000 by default
//   --write-percent N  of the accesses are writes, 50 by default
//   --seed N           1 by default
//   --repeat-percent N of each page repeat one word, so that it compresses; 0 by default
//   --page-cluster N   sets vm.page-cluster, 0 by default
//   --cgroup DIR       a cgroup of version 2 to move into; without it there is no limit
//
// The accesses are those that engine/machine/workload.h describes, made here from that description alone. A
// write fills the page with content that no other page and no earlier write has; a read, and the
// last look at a page before it is written again, compares all of it. Then exit code 1: a page had
// other content. 2: anything else. The program stays on one CPU, as the engine's process does.
//
// Output: {"pattern": .., the options, "anon_limit_pages": what of memory.max was there for the
// pages, "vmstat": growth of counters, "populated" and "end": memory.stat at these two moments}.
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kMib = size_t{1} << 20;
constexpr size_t kWords = kPage / sizeof(uint64_t);
constexpr int kMismatch = 1, kFailed = 2;

// Of /proc/vmstat and of memory.stat; those that a kernel lacks are left out.
constexpr const char* kVmstat[] = {"pswpout",
                                   "pswpin",
                                   "swpout_zero",
                                   "swpin_zero",
                                   "zswpout",
                                   "zswpin",
                                   "zswpwb",
                                   "pgmajfault",
                                   "pgfault",
                                   "pgscan_direct",
                                   "pgsteal_direct",
                                   "pgrotated",
                                   "pgactivate",
                                   "pgdeactivate",
                                   "pgrefill",
                                   "pgreuse",
                                   "swap_ra",
                                   "swap_ra_hit",
                                   "pgscan_kswapd",
                                   "pgscan_khugepaged",
                                   "nr_vmscan_write",
                                   "nr_vmscan_immediate_reclaim",
                                   "workingset_refault_anon",
                                   "workingset_activate_anon",
                                   "workingset_restore_anon"};
constexpr const char* kMemoryStat[] = {
    "anon",    "file",          "kernel",      "kernel_stack", "pagetables", "percpu",     "slab",
    "sock",    "shmem",         "swapcached",  "pswpin",       "pswpout",    "pgmajfault", "pgscan",
    "pgsteal", "inactive_anon", "active_anon", "zswap",        "zswapped"};

[[noreturn]] void fail(const std::string& what) {
  fprintf(stderr, "pattern: %s: %s\n", what.c_str(), strerror(errno));
  _exit(kFailed);
}

struct Options {
  std::string pattern, cgroup;
  uint64_t mib = 48, limit = 14, accesses = 60000, write_percent = 50, seed = 1, page_cluster = 0;
  uint64_t repeat_percent = 0;
};

// ---- the accesses --------------------------------------------------------------------------------

class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(seed) {}
  uint64_t below(uint64_t bound) { return (next() >> 32) * bound >> 32; }

 private:
  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t mixed = state_;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return mixed ^ mixed >> 31;
  }
  uint64_t state_;
};

size_t sequential(Draws&, uint64_t access, size_t pages) { return access % pages; }
size_t uniform(Draws& draws, uint64_t, size_t pages) { return draws.below(pages); }
size_t hotcold(Draws& draws, uint64_t, size_t pages) {
  const size_t hot = pages < 5 ? 1 : pages / 5;
  const bool to_hot = draws.below(100) < 80;
  if (to_hot || hot == pages) return draws.below(hot);
  return hot + draws.below(pages - hot);
}

using Choice = size_t (*)(Draws& draws, uint64_t access, size_t pages);
struct Pattern {
  const char* name;
  Choice choose;
};
constexpr Pattern kPatterns[] = {
    {"sequential", sequential}, {"uniform", uniform}, {"hotcold", hotcold}};

// ---- the pages -------------------------------------------------------------------------------------

// Their content follows from the page and from how often it was written: random words that zram can't
// make much smaller, and never zero-filled.
class Memory {
 public:
  Memory(size_t pages, uint64_t repeat_percent)
      : drawn_(kWords - kWords * repeat_percent / 100), versions_(pages) {
    void* start =
        mmap(nullptr, pages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) fail("mmap");
    if (madvise(start, pages * kPage, MADV_NOHUGEPAGE) != 0 && errno != EINVAL) fail("madvise");
    words_ = static_cast<uint64_t*>(start);
  }

  void write(size_t page) {
    if (versions_[page] > 0) read(page);
    uint64_t word = first_word(page, ++versions_[page]);
    for (size_t i = 0; i < kWords; ++i) words_[page * kWords + i] = word = word_at(i, word);
  }

  void read(size_t page) const {
    uint64_t word = first_word(page, versions_[page]);
    uint64_t differences = 0;
    for (size_t i = 0; i < kWords; ++i) {
      word = word_at(i, word);
      differences |= words_[page * kWords + i] ^ word;
    }
    if (differences == 0) return;
    fprintf(stderr, "pattern: page %zu of version %u came back with other content\n", page,
            versions_[page]);
    _exit(kMismatch);
  }

 private:
  static uint64_t first_word(size_t page, uint32_t version) {
    return (page + 1) * 0x9e3779b97f4a7c15u ^ version * 0xd1342543de82ef95u;
  }
  static uint64_t next_word(uint64_t word) {
    word ^= word << 13;
    word ^= word >> 7;
    return word ^ word << 17;
  }
  uint64_t word_at(size_t i, uint64_t before) const {
    return i < drawn_ ? next_word(before) : before;
  }
  const size_t drawn_;  // words of a page; the rest repeat the last of them
  uint64_t* words_ = nullptr;
  std::vector<uint32_t> versions_;
};

// ---- the kernel's files ----------------------------------------------------------------------------

void write_file(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY);
  if (fd < 0 || write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    fail(path);
  }
  close(fd);
}

// A file of lines `name value`. All memory for it is there before the limit is.
class Counters {
 public:
  explicit Counters(std::string path) : path_(std::move(path)) { text_.fill(' '); }

  void read() {
    size_ = 0;
    const int fd = open(path_.c_str(), O_RDONLY);
    if (fd < 0) fail(path_);
    ssize_t got = 0;
    while ((got = ::read(fd, text_.data() + size_, text_.size() - 1 - size_)) > 0) size_ += got;
    close(fd);
    text_[size_] = '\0';
  }

  // False: there is no such line.
  bool find(const char* name, uint64_t& value) const {
    const size_t length = strlen(name);
    for (const char* line = text_.data(); line && *line; line = strchr(line, '\n')) {
      if (*line == '\n' && *++line == '\0') break;
      if (strncmp(line, name, length) != 0 || line[length] != ' ') continue;
      value = strtoull(line + length, nullptr, 10);
      return true;
    }
    return false;
  }
  uint64_t get(const char* name) const {
    uint64_t value = 0;
    find(name, value);
    return value;
  }

 private:
  std::string path_;
  std::array<char, 1 << 16> text_;
  size_t size_ = 0;
};

// ---- what is reported ----------------------------------------------------------------------------------

// Beside the pages, mapped or only in the swap cache, page tables and the like are charged to the
// cgroup, which are never swapped. (`file` is without the swap cache: mm/swap_state.c counts that as
// NR_FILE_PAGES of the node only.)
uint64_t anon_limit(const Options& options, const Counters& stat) {
  const uint64_t other = stat.get("kernel") + stat.get("sock") + stat.get("file");
  return (options.limit * kMib - other) / kPage;
}

void print_stat(const char* name, const Counters& stat) {
  printf(", \"%s\": {", name);
  const char* comma = "";
  uint64_t value = 0;
  for (const char* field : kMemoryStat) {
    if (!stat.find(field, value)) continue;
    printf("%s\"%s\": %" PRIu64, comma, field, value);
    comma = ", ";
  }
  printf("}");
}

void print_growth(const Counters& before, const Counters& after) {
  printf(", \"vmstat\": {");
  const char* comma = "";
  uint64_t value = 0;
  for (const char* field : kVmstat) {
    if (!after.find(field, value)) continue;
    printf("%s\"%s\": %" PRIu64, comma, field, value - before.get(field));
    comma = ", ";
  }
  printf("}");
}

void print_options(const Options& options) {
  printf("{\"pattern\": \"%s\", \"mib\": %" PRIu64 ", \"limit\": %" PRIu64
         ", \"accesses\": %" PRIu64 ", \"write_percent\": %" PRIu64 ", \"seed\": %" PRIu64
         ", \"page_cluster\": %" PRIu64,
         options.pattern.c_str(), options.mib, options.limit, options.accesses,
         options.write_percent, options.seed, options.page_cluster);
}

// ---- the run -----------------------------------------------------------------------------------------

void stay_on_this_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(sched_getcpu(), &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) fail("sched_setaffinity");
}

void move_under_limit(const Options& options) {
  if (options.cgroup.empty()) return;
  write_file(options.cgroup + "/memory.max", std::to_string(options.limit * kMib));
  write_file(options.cgroup + "/memory.swap.max", "max");
  write_file(options.cgroup + "/cgroup.procs", "0");
}

void run(const Options& options, Choice choose) {
  const size_t pages = options.mib * kMib / kPage;
  Memory memory(pages, options.repeat_percent);
  const std::string cgroup = options.cgroup.empty() ? "/sys/fs/cgroup" : options.cgroup;
  static Counters before("/proc/vmstat"), after("/proc/vmstat");
  static Counters populated(cgroup + "/memory.stat"), end(cgroup + "/memory.stat");
  write_file("/proc/sys/vm/page-cluster", std::to_string(options.page_cluster));
  stay_on_this_cpu();
  move_under_limit(options);

  before.read();
  for (size_t page = 0; page < pages; ++page) memory.write(page);
  populated.read();
  Draws draws(options.seed);
  for (uint64_t access = 0; access < options.accesses; ++access) {
    const size_t page = choose(draws, access, pages);
    draws.below(100) < options.write_percent ? memory.write(page) : memory.read(page);
  }
  after.read();
  end.read();

  print_options(options);
  printf(", \"anon_limit_pages\": %" PRIu64, anon_limit(options, end));
  print_growth(before, after);
  print_stat("populated", populated);
  print_stat("end", end);
  puts("}");
}

bool set_number(Options& options, const std::string& name, const char* value) {
  struct Number {
    const char* name;
    uint64_t Options::*field;
  };
  constexpr Number kNumbers[] = {{"--mib", &Options::mib},
                                 {"--limit", &Options::limit},
                                 {"--accesses", &Options::accesses},
                                 {"--write-percent", &Options::write_percent},
                                 {"--seed", &Options::seed},
                                 {"--page-cluster", &Options::page_cluster},
                                 {"--repeat-percent", &Options::repeat_percent}};
  for (const Number& number : kNumbers) {
    if (name != number.name) continue;
    char* end = nullptr;
    options.*number.field = strtoull(value, &end, 10);
    return end != value && *end == '\0' && options.repeat_percent <= 100;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  bool good = argc % 2 == 0;
  if (argc > 1) options.pattern = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--cgroup") == 0) {
      options.cgroup = argv[i + 1];
    } else {
      good = good && set_number(options, argv[i], argv[i + 1]);
    }
  }
  for (const Pattern& pattern : kPatterns) {
    if (!good || options.pattern != pattern.name) continue;
    run(options, pattern.choose);
    return 0;
  }
  fprintf(stderr,
          "usage: pattern sequential|uniform|hotcold [options]; see the top of pattern.cpp\n");
  return kFailed;
}
