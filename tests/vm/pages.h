// Pages with known content, and what the kernel says of them: shared by workload.cpp and actor.cpp.
//
// Every failure ends the program: exit code 1 if a page had not the content that was written, 75 if
// this kernel can't do it, 2 for anything else.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
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
#include <map>
#include <string>
#include <vector>

namespace swaptrail_vm {

constexpr size_t kPage = 4096;
constexpr size_t kMib = size_t{1} << 20;
constexpr size_t kHuge = 2 * kMib;
constexpr int kMadvPageout = 21;  // linux/mman.h, 5.4
constexpr int kMismatch = 1, kFailed = 2, kCannot = 75;

// pagemap entries (Documentation/admin-guide/mm/pagemap.rst).
constexpr uint64_t kSwapped = uint64_t{1} << 62;
// Entries of a higher type are migration entries and the like, not pages in a swap area.
constexpr uint64_t kMaxSwapfiles = 23;
inline uint64_t swap_type(uint64_t entry) { return entry & 0x1f; }
inline uint64_t swap_offset(uint64_t entry) { return entry >> 5 & ((uint64_t{1} << 50) - 1); }
inline bool in_swap(uint64_t entry) {
  return (entry & kSwapped) && swap_type(entry) < kMaxSwapfiles;
}

[[noreturn]] inline void fail(const std::string& what, int code = kFailed) {
  fprintf(stderr, "%s: %s%s%s\n", program_invocation_short_name, what.c_str(),
          code == kFailed ? ": " : "", code == kFailed ? strerror(errno) : "");
  _exit(code);
}

// The pages, and what has been written to them.
struct Buffer {
  uint8_t* start = nullptr;
  size_t pages = 0;
  unsigned round = 0;  // of the last write; 0 = never written
  bool shared = false;
  bool half_zero = false;  // every other page is zero-filled
  bool random = false;     // incompressible
  uint8_t* page(size_t i) const { return start + i * kPage; }
  size_t bytes() const { return pages * kPage; }
};

// ---- content ----------------------------------------------------------------------------------

// The first half is random, the second repeats a random word: compressible by about a half, so
// that zswap takes it, but never zero-filled and never the same as in another page or round.
inline void make_content(const Buffer& buffer, size_t page, unsigned round, uint64_t* words) {
  constexpr size_t count = kPage / sizeof(uint64_t);
  if (buffer.half_zero && page % 2 == 0) {
    std::fill_n(words, count, 0);
    return;
  }
  uint64_t x = (page + 1) * 0x9e3779b97f4a7c15u ^ (round + 1) * 0xd1342543de82ef95u;
  for (size_t i = 0; i < (buffer.random ? count : count / 2); ++i) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    words[i] = x;
  }
  if (!buffer.random) std::fill_n(words + count / 2, count / 2, x);
}

// Reads one byte of a page and counts the wait: measure.h.
inline void touch_page(const uint8_t* page);

// Ends the program if a page is not as it was last written.
inline void check_page(const Buffer& buffer, size_t page) {
  touch_page(buffer.page(page));
  alignas(8) uint64_t expected[kPage / sizeof(uint64_t)];
  make_content(buffer, page, buffer.round, expected);
  if (memcmp(buffer.page(page), expected, kPage) == 0) return;
  fail("page " + std::to_string(page) + " of round " + std::to_string(buffer.round) +
           " came back with other content",
       kMismatch);
}

inline void check_all(const Buffer& buffer) {
  for (size_t i = 0; i < buffer.pages; ++i) check_page(buffer, i);
}

// Checks each page, then writes it anew.
inline void write_round(Buffer& buffer) {
  const unsigned round = buffer.round + 1;
  for (size_t i = 0; i < buffer.pages; ++i) {
    if (buffer.round > 0) check_page(buffer, i);
    make_content(buffer, i, round, reinterpret_cast<uint64_t*>(buffer.page(i)));
  }
  buffer.round = round;
}

// ---- the kernel's files -------------------------------------------------------------------------

// False, with errno, if the kernel refuses.
inline bool write_file(const std::string& path, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY);
  if (fd < 0) return false;
  const bool ok = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  close(fd);
  errno = error;
  return ok;
}

// The pagemap entries of the buffer in one process. Reading them faults nothing in.
inline std::vector<uint64_t> read_pagemap(const Buffer& buffer, pid_t pid) {
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
inline std::vector<uint64_t> read_mincore(const Buffer& buffer) {
  std::vector<unsigned char> resident(buffer.pages);
  if (mincore(buffer.start, buffer.bytes(), resident.data()) != 0) fail("mincore");
  std::vector<uint64_t> entries(buffer.pages);
  std::transform(resident.begin(), resident.end(), entries.begin(),
                 [](unsigned char in_memory) { return in_memory & 1 ? 0 : kSwapped; });
  return entries;
}

inline std::vector<uint64_t> read_entries(const Buffer& buffer, pid_t pid) {
  return buffer.shared ? read_mincore(buffer) : read_pagemap(buffer, pid);
}

inline size_t swapped_pages(const Buffer& buffer) {
  const std::vector<uint64_t> entries = read_entries(buffer, getpid());
  return std::count_if(entries.begin(), entries.end(), in_swap);
}

inline uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * uint64_t{1000000000} + now.tv_nsec;
}

// A field of the buffer's mappings in smaps, in KiB.
inline size_t smaps_kib(const Buffer& buffer, const char* field) {
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

// ---- the state of all pages, at a moment -------------------------------------------------------

using Snapshot = std::map<pid_t, std::vector<uint64_t>>;

inline Snapshot take_snapshot(const Buffer& buffer, const std::vector<pid_t>& pids) {
  Snapshot all;
  for (const pid_t pid : pids) all[pid] = read_entries(buffer, pid);
  return all;
}

// What was true at `time_ns`: nothing changed between a reading before it and one after it.
inline Snapshot take_quiet_snapshot(const Buffer& buffer, const std::vector<pid_t>& pids,
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

// The lines of an oracle file.
inline void print_entries(FILE* out, const Buffer& buffer, pid_t pid,
                          const std::vector<uint64_t>& entries) {
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!in_swap(entries[i])) continue;
    fprintf(out, "%d 0x%" PRIxPTR, pid, reinterpret_cast<uintptr_t>(buffer.page(i)));
    if (buffer.shared)
      fputs(" - -\n", out);
    else
      fprintf(out, " %" PRIu64 " %" PRIu64 "\n", swap_type(entries[i]), swap_offset(entries[i]));
  }
}

// ---- memory, and a way to lose it ---------------------------------------------------------------

inline Buffer make_buffer(size_t bytes, int flags) {
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

inline void advise(const Buffer& buffer, int advice, const char* name) {
  if (madvise(buffer.start, buffer.bytes(), advice) != 0) fail(name);
}

// MADV_PAGEOUT skips what it can't isolate or lock just now: a few times.
inline void page_out(const Buffer& buffer) {
  for (int tries = 0; tries < 3; ++tries) {
    advise(buffer, kMadvPageout, "MADV_PAGEOUT");
    if (swapped_pages(buffer) == buffer.pages) return;
    usleep(50'000);
  }
}

}  // namespace swaptrail_vm
