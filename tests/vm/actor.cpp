// actor - a process that does to its memory what it is asked on stdin, one line at a time, and
// answers each with a line: `ok ...`. cases.sh lets several of them act in turn.
//
//   make NAME MIB [FLAG...]       private memory with known content. Flags: thp, mthp (huge pages
//                                 allowed), random (incompressible), mergeable (for KSM), shared
//   rewrite NAME                  new content
//   address NAME                  answers its address
//   touch NAME [KEY=VALUE...]     reads a byte of each page and, where there was no SIGBUS, checks
//                                 the content: from=0 count=all stride=1 threads=1 write=0
//   pageout | willneed | unmap NAME [from=0 count=all]       madvise, munmap
//   churn NAME MS [FILE]          MADV_PAGEOUT and touch, for so long, or until there is that file
//   readv | mem PID ADDRESS COUNT reads pages of another process: process_vm_readv, /proc/PID/mem
//   readfile FILE | mapfile FILE  reads each page by pread, or by a mapping
//   fillfile FILE MIB             writes it whole;  patchfile FILE: some bytes of each page
//   fork IN OUT                   a child goes on with these FIFOs
//   pin CPU | pid                 this thread's CPU; answers the tgid
//   oracle FILE                   as workload.cpp's, of all memory that was made
//   end
//
// With the first argument `unlocked` its stack and command line can be swapped out too.
// Each access is measured: see measure.h. Exit codes as in pages.h.
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <memory>
#include <sstream>
#include <thread>

#include "measure.h"
#include "pages.h"

namespace {

using namespace swaptrail_vm;

std::map<std::string, Buffer> buffers;
thread_local sigjmp_buf on_sigbus;

// The words of one request.
struct Words {
  std::vector<std::string> all;
  const std::string& at(size_t i) const {
    if (i >= all.size()) fail("a word is missing after " + all[0], kCannot + 1);
    return all[i];
  }
  size_t number(size_t i) const { return strtoull(at(i).c_str(), nullptr, 0); }
  bool has(const char* flag) const { return std::count(all.begin(), all.end(), flag) > 0; }
  // KEY=VALUE anywhere.
  size_t value(const std::string& key, size_t otherwise) const {
    for (const std::string& word : all)
      if (word.rfind(key + "=", 0) == 0) return strtoull(word.c_str() + key.size() + 1, nullptr, 0);
    return otherwise;
  }
};

Buffer& buffer_of(const Words& words) { return buffers.at(words.at(1)); }

std::string make(const Words& words) {
  const bool huge = words.has("thp") || words.has("mthp");
  Buffer buffer =
      make_buffer(words.number(2) * kMib, words.has("shared") ? MAP_SHARED : MAP_PRIVATE);
  buffer.random = words.has("random");
  advise(buffer, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE, "MADV_HUGEPAGE");
  if (words.has("mergeable")) advise(buffer, MADV_MERGEABLE, "MADV_MERGEABLE");
  write_round(buffer);
  buffers[words.at(1)] = buffer;
  return std::to_string(buffer.pages);
}

std::string rewrite(const Words& words) {
  write_round(buffer_of(words));
  return "";
}

std::string address(const Words& words) {
  std::ostringstream out;
  out << static_cast<void*>(buffer_of(words).start);
  return out.str();
}

struct Range {
  size_t from, count, stride;
};
Range range_of(const Words& words, const Buffer& buffer) {
  const size_t from = words.value("from", 0);
  return {from, words.value("count", buffer.pages - from), words.value("stride", 1)};
}

// False: SIGBUS.
bool touch_one(const Buffer& buffer, size_t page, bool write) {
  if (sigsetjmp(on_sigbus, 1) != 0) return false;
  touch_page(buffer.page(page));
  check_page(buffer, page);
  // The same value again, but the page is dirty.
  if (write) *static_cast<volatile uint8_t*>(buffer.page(page)) = *buffer.page(page);
  return true;
}

void touch_range(const Buffer& buffer, const Range& range, bool write) {
  for (size_t i = range.from; i < range.from + range.count; i += range.stride) {
    if (!touch_one(buffer, i, write)) meter.add_sigbus();
  }
}

std::string touch(const Words& words) {
  const Buffer& buffer = buffer_of(words);
  const Range range = range_of(words, buffer);
  std::vector<std::thread> others;
  for (size_t i = 1; i < words.value("threads", 1); ++i) {
    others.emplace_back([&] {
      touch_range(buffer, range, false);
      meter.add_thread();
    });
  }
  touch_range(buffer, range, words.value("write", 0));
  for (std::thread& other : others) other.join();
  return "";
}

std::string advise_range(const Words& words, int advice) {
  const Buffer& buffer = buffer_of(words);
  const Range range = range_of(words, buffer);
  if (madvise(buffer.page(range.from), range.count * kPage, advice) != 0) fail(words.at(0));
  return "";
}
std::string pageout(const Words& words) { return advise_range(words, kMadvPageout); }
std::string willneed(const Words& words) { return advise_range(words, MADV_WILLNEED); }

std::string unmap(const Words& words) {
  const Buffer& buffer = buffer_of(words);
  munmap(buffer.start, buffer.bytes());
  buffers.erase(words.at(1));
  return "";
}

std::string churn(const Words& words) {
  const Buffer& buffer = buffer_of(words);
  size_t rounds = 0;
  for (const uint64_t end = now_ns() + words.number(2) * 1'000'000; now_ns() < end; ++rounds) {
    if (words.all.size() > 3 && access(words.at(3).c_str(), F_OK) == 0) break;
    advise(buffer, kMadvPageout, "MADV_PAGEOUT");
    touch_range(buffer, {0, buffer.pages, 1}, true);
  }
  return std::to_string(rounds);
}

// ---- memory of others, and files -------------------------------------------------------------------

// Times each call; it must give a whole page.
template <typename Read>
std::string read_pages(size_t count, Read read_one) {
  static uint8_t page[kPage];
  size_t failed = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t begin = now_ns();
    if (read_one(i, page) != static_cast<ssize_t>(kPage)) ++failed;
    meter.add_access(now_ns() - begin);
  }
  return "failed " + std::to_string(failed);
}

std::string readv_of(const Words& words) {
  const pid_t pid = words.number(1);
  const uintptr_t from = words.number(2);
  return read_pages(words.number(3), [&](size_t i, uint8_t* page) {
    const iovec here{page, kPage}, there{reinterpret_cast<void*>(from + i * kPage), kPage};
    return process_vm_readv(pid, &here, 1, &there, 1, 0);
  });
}

std::string mem_of(const Words& words) {
  const int fd = open(("/proc/" + words.at(1) + "/mem").c_str(), O_RDONLY);
  if (fd < 0) fail("can't open mem");
  const std::string answer = read_pages(words.number(3), [&](size_t i, uint8_t* page) {
    return pread(fd, page, kPage, words.number(2) + i * kPage);
  });
  close(fd);
  return answer;
}

int open_file(const Words& words, int flags) {
  const int fd = open(words.at(1).c_str(), flags, 0600);
  if (fd < 0) fail("can't open " + words.at(1));
  return fd;
}
size_t file_pages(int fd) {
  struct stat stat {};
  if (fstat(fd, &stat) != 0) fail("fstat");
  return stat.st_size / kPage;
}

std::string read_file(const Words& words) {
  const int fd = open_file(words, O_RDONLY);
  size_t count = file_pages(fd);
  if (count == 0) count = 1;  // a file of /proc
  const std::string answer =
      read_pages(count, [&](size_t i, uint8_t* page) { return pread(fd, page, kPage, i * kPage); });
  close(fd);
  return answer;
}

std::string map_file(const Words& words) {
  const int fd = open_file(words, O_RDONLY);
  const size_t bytes = file_pages(fd) * kPage;
  void* start = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (start == MAP_FAILED) fail("mmap");
  madvise(start, bytes, MADV_RANDOM);
  for (size_t at = 0; at < bytes; at += kPage) touch_page(static_cast<uint8_t*>(start) + at);
  munmap(start, bytes);
  close(fd);
  return "";
}

std::string fill_file(const Words& words) {
  const int fd = open_file(words, O_WRONLY | O_CREAT);
  Buffer content;
  alignas(8) uint64_t page[kPage / sizeof(uint64_t)];
  for (size_t i = 0; i < words.number(2) * kMib / kPage; ++i) {
    make_content(content, i, 1, page);
    if (write(fd, page, kPage) != static_cast<ssize_t>(kPage)) fail("write");
  }
  close(fd);
  return "";
}

std::string patch_file(const Words& words) {
  const int fd = open_file(words, O_WRONLY);
  const size_t count = file_pages(fd);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t begin = now_ns();
    if (pwrite(fd, "patch", 5, i * kPage + 100) != 5) fail("pwrite");
    meter.add_access(now_ns() - begin);
  }
  close(fd);
  return "";
}

// ---- the process itself ----------------------------------------------------------------------------

std::string fork_child(const Words& words) {
  fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child > 0) return std::to_string(child);
  const int in = open(words.at(1).c_str(), O_RDONLY), out = open(words.at(2).c_str(), O_WRONLY);
  if (in < 0 || out < 0) fail("can't open the FIFOs");
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  std::vector<Buffer> all;
  for (const auto& [name, buffer] : buffers) all.push_back(buffer);
  lock_forked_program(all);
  meter.start();
  return "forked";
}

std::string pin(const Words& words) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(words.number(1), &cpus);
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) fail("sched_setaffinity");
  return "";
}

std::string pid(const Words&) { return std::to_string(getpid()); }

std::string oracle(const Words& words) {
  std::map<std::string, std::vector<uint64_t>> entries;
  uint64_t time_ns = 0;
  for (const auto& [name, buffer] : buffers)
    entries[name] = take_quiet_snapshot(buffer, {getpid()}, time_ns)[getpid()];
  FILE* out = fopen(words.at(1).c_str(), "w");
  if (!out) fail("can't write the oracle file");
  fprintf(out, "# time_ns %" PRIu64 "\n", time_ns ? time_ns : now_ns());
  for (const auto& [name, buffer] : buffers) print_entries(out, buffer, getpid(), entries[name]);
  fflush(out);
  print_measures(out, getpid(), meter.read());  // last: nothing is touched after it
  if (fclose(out) != 0) fail("can't write the oracle file");
  return "";
}

struct Request {
  const char* name;
  std::string (*run)(const Words&);
};
constexpr Request kRequests[] = {
    {"make", make},
    {"rewrite", rewrite},
    {"address", address},
    {"touch", touch},
    {"pageout", pageout},
    {"willneed", willneed},
    {"unmap", unmap},
    {"churn", churn},
    {"readv", readv_of},
    {"mem", mem_of},
    {"readfile", read_file},
    {"mapfile", map_file},
    {"fillfile", fill_file},
    {"patchfile", patch_file},
    {"fork", fork_child},
    {"pin", pin},
    {"pid", pid},
    {"oracle", oracle},
};

// The stack, which the command line is a part of, can be swapped from now on.
void unlock_arguments(const char* argument) {
  const uintptr_t page = reinterpret_cast<uintptr_t>(argument) & ~(kPage - 1);
  for_each_mapping([&](uintptr_t from, uintptr_t to, bool) {
    if (page < from || page >= to) return;
    if (munlock(reinterpret_cast<void*>(from), to - from) != 0) fail("munlock");
  });
}

// Byte by byte: a child must not inherit what was read ahead.
bool read_line(std::string& line) {
  char byte = 0;
  line.clear();
  while (read(STDIN_FILENO, &byte, 1) == 1) {
    if (byte == '\n') return true;
    line += byte;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_handler = [](int) { siglongjmp(on_sigbus, 1); };
  sigaction(SIGBUS, &action, nullptr);
  lock_program();
  if (argc > 1 && strcmp(argv[1], "unlocked") == 0) unlock_arguments(argv[1]);
  meter.start();
  std::string line;
  while (read_line(line) && line != "end") {
    std::istringstream in(line);
    Words words;
    for (std::string word; in >> word;) words.all.push_back(word);
    const auto* request = std::find_if(std::begin(kRequests), std::end(kRequests),
                                       [&](const Request& r) { return words.at(0) == r.name; });
    if (request == std::end(kRequests)) fail("no such request: " + line, kFailed);
    printf("ok %s\n", request->run(words).c_str());
    fflush(stdout);
  }
  return 0;
}
