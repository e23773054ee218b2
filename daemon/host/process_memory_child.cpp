#include "daemon/host/process_memory_child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <iterator>

#include "daemon/host/system_calls.h"

namespace swaptrail::host::memory_child {
namespace {

constexpr int kAdvicePageOut = 21;  // MADV_PAGEOUT
constexpr off_t kMostMaps_bytes = off_t{8} << 20;

// Entries of /proc/PID/pagemap: 8 bytes for each page.
constexpr uint64_t kPresent = uint64_t{1} << 63, kSwap = uint64_t{1} << 62;
constexpr uint64_t kFileOrShared = uint64_t{1} << 61;
constexpr uint64_t kFrame = (uint64_t{1} << 55) - 1;
// Types from here on are not swap areas (include/linux/swap.h MAX_SWAPFILES, with everything on).
constexpr uint32_t kFirstSpecialType = 23;

int open_pagemap(uint32_t pid) {
  char path[32];
  std::snprintf(path, sizeof(path), "/proc/%u/pagemap", pid);
  return open(path, O_RDONLY | O_CLOEXEC);
}

// Why reading `pagemap` ended early: beyond user space, or at once if there is no memory.
int short_read(int pagemap) {
  uint64_t first;
  return pread(pagemap, &first, sizeof(first), 0) == sizeof(first) ? EFAULT : ENXIO;
}

bool read_frame_flags(uint64_t pfn, uint64_t& flags) {
  const int fd = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  errno = ENXIO;  // no error and no bytes: there is no such frame
  const ssize_t size = pread(fd, &flags, sizeof(flags), static_cast<off_t>(pfn * sizeof(flags)));
  const int error = errno;
  close(fd);
  errno = error;
  return size == sizeof(flags);
}

void page(const Request& request, Answer& answer) {
  const int pagemap = open_pagemap(request.pid);
  if (pagemap < 0) {
    answer.error = errno;
    return;
  }
  const off_t at = static_cast<off_t>(request.address / page_bytes() * sizeof(uint64_t));
  const ssize_t size = pread(pagemap, &answer.values[0], sizeof(uint64_t), at);
  if (size != sizeof(uint64_t)) answer.error = size < 0 ? errno : short_read(pagemap);
  close(pagemap);
  if (answer.error != 0) return;
  const PageEntry entry = decode(answer.values[0]);
  if (entry.pfn != 0) answer.values[2] = read_frame_flags(entry.pfn, answer.values[1]) ? 1 : 0;
}

void frame_flags(const Request& request, Answer& answer) {
  if (request.address > kFrame)
    answer.error = ENXIO;
  else if (!read_frame_flags(request.address, answer.values[0]))
    answer.error = errno;
}

void count(const Request& request, Answer& answer) {
  const int pagemap = open_pagemap(request.pid);
  if (pagemap < 0) {
    answer.error = errno;
    return;
  }
  uint64_t entries[4096];
  uint64_t at = request.address / page_bytes(), left = request.length_bytes / page_bytes();
  while (left > 0 && answer.error == 0) {
    const uint64_t wanted = std::min<uint64_t>(left, std::size(entries));
    const ssize_t size = pread(pagemap, entries, wanted * sizeof(entries[0]),
                               static_cast<off_t>(at * sizeof(entries[0])));
    if (size <= 0) answer.error = size < 0 ? errno : short_read(pagemap);
    const uint64_t read = size > 0 ? static_cast<uint64_t>(size) / sizeof(entries[0]) : 0;
    for (uint64_t i = 0; i < read; ++i) {
      const PageEntry::State state = decode(entries[i]).state;
      answer.values[state == PageEntry::State::kResident  ? 0
                    : state == PageEntry::State::kSwapped ? 1
                                                          : 2]++;
    }
    at += read;
    left -= read;
  }
  close(pagemap);
}

// Takes the next number at `at`, in `base`; moves past it and the `stop` that must follow.
bool take_number(const char*& at, const char* end, int base, char stop, uint64_t& value) {
  const auto [next, error] = std::from_chars(at, end, value, base);
  if (error != std::errc() || next == end || *next != stop) return false;
  at = next + 1;
  return true;
}

// One line of /proc/PID/maps.
struct MapsLine {
  uint64_t begin = 0, end = 0;
  uint64_t major = 0, minor = 0, inode = 0;
  bool shared = false;
  const char* path = nullptr;  // into the line
  size_t path_bytes = 0;
};

// False if `line`, without its newline, is not such a line.
bool parse_maps_line(const char* line, size_t bytes, MapsLine& out) {
  const char* at = line;
  const char* const end = line + bytes;
  uint64_t offset = 0;
  if (!take_number(at, end, 16, '-', out.begin) || !take_number(at, end, 16, ' ', out.end))
    return false;
  const char* const permissions = at;  // rwxs
  at = std::find(at, end, ' ');
  if (at == end || at - permissions != 4) return false;
  out.shared = permissions[3] == 's';
  if (!take_number(++at, end, 16, ' ', offset) || !take_number(at, end, 16, ':', out.major) ||
      !take_number(at, end, 16, ' ', out.minor))
    return false;
  const auto [next, error] = std::from_chars(at, end, out.inode, 10);
  if (error != std::errc()) return false;
  out.path = std::find_if(next, end, [](char one) { return one != ' '; });
  out.path_bytes = static_cast<size_t>(end - out.path);
  return true;
}

// Fills in the mapping that has the address, if it is of a file.
void put_file(const MapsLine& line, Answer& answer) {
  if (line.inode == 0) return;
  answer.values[0] = line.major;
  answer.values[1] = line.minor;
  answer.values[2] = line.inode;
  const size_t bytes = std::min(line.path_bytes, sizeof(answer.text) - 1);
  std::copy_n(line.path, bytes, answer.text);
}

// Visits the mappings of /proc/PID/maps, in the order of addresses, until `visit` returns false. It may be long: no more than
// kMostMaps_bytes are read. Returns 0, or the error of opening it.
template <typename Visit>
int for_each_mapping(uint32_t pid, const Visit& visit) {
  char path[32];
  std::snprintf(path, sizeof(path), "/proc/%u/maps", pid);
  const int maps = open(path, O_RDONLY | O_CLOEXEC);
  if (maps < 0) return errno;
  static char buffer[16384];  // a line has at most a path, which is escaped: 4 * PATH_MAX
  size_t held = 0;
  off_t at = 0;
  for (bool more = true; more && at < kMostMaps_bytes;) {
    const ssize_t size = pread(maps, buffer + held, sizeof(buffer) - held, at);
    if (size <= 0) break;
    at += size;
    held += static_cast<size_t>(size);
    const char* line = buffer;
    const char* const end = buffer + held;
    for (const char* newline; more && (newline = std::find(line, end, '\n')) != end;
         line = newline + 1) {
      MapsLine mapping;
      if (parse_maps_line(line, static_cast<size_t>(newline - line), mapping))
        more = visit(mapping);
    }
    held = static_cast<size_t>(end - line);
    if (held == sizeof(buffer)) held = 0;  // no line is that long
    std::copy_n(line, held, buffer);
  }
  close(maps);
  return 0;
}

void file(const Request& request, Answer& answer) {
  answer.error = for_each_mapping(request.pid, [&](const MapsLine& mapping) {
    if (request.address >= mapping.end) return true;
    if (request.address >= mapping.begin) put_file(mapping, answer);
    return false;
  });
}

// Reads a page table from one address on, in pieces, and keeps the swap entries.
class SwapReader {
 public:
  SwapReader(int pagemap, uint64_t address, SwappedAnswer& answer)
      : pagemap_(pagemap), next_(address / page_bytes()), answer_(answer) {}

  // False: there is no room for more, or enough was looked at.
  bool read(const MapsLine& mapping) {
    if (mapping.shared || mapping.begin > kLastUserAddress) return true;
    uint64_t at = std::max(next_, mapping.begin / page_bytes());
    const uint64_t end = mapping.end / page_bytes();
    while (at < end) {
      uint64_t entries[kAtOnce];
      const uint64_t wanted = std::min<uint64_t>(end - at, kAtOnce);
      if (looked_ >= kMostLooked || answer_.count + wanted > SwappedAnswer::kMostEntries) {
        answer_.next_address = at * page_bytes();
        return false;
      }
      const ssize_t size = pread(pagemap_, entries, wanted * sizeof(entries[0]),
                                 static_cast<off_t>(at * sizeof(entries[0])));
      if (size <= 0) return true;  // it has gone
      const uint64_t got = static_cast<uint64_t>(size) / sizeof(entries[0]);
      for (uint64_t i = 0; i < got; ++i) keep(at + i, decode(entries[i]));
      at += got;
      looked_ += got;
    }
    return true;
  }

 private:
  static constexpr uint64_t kMostLooked = uint64_t{1} << 19;
  static constexpr uint64_t kAtOnce = 512;  // of one page table
  static constexpr uint64_t kLastUserAddress = ~uint64_t{0} >> 1;

  void keep(uint64_t page, const PageEntry& entry) {
    if (entry.state == PageEntry::State::kSwapped)
      answer_.entries[answer_.count++] = {page, entry.swap_offset, entry.swap_type};
  }

  const int pagemap_;
  const uint64_t next_;
  SwappedAnswer& answer_;
  uint64_t looked_ = 0;
};

uint64_t used_cpu_ns() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<uint64_t>(used.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(used.tv_nsec);
}

SwappedAnswer& swapped(const Request& request) {
  static SwappedAnswer answer;
  answer.sequence = request.sequence;
  answer.next_address = answer.count = 0;
  answer.error = 0;
  const uint64_t began_ns = used_cpu_ns();
  const int pagemap = open_pagemap(request.pid);
  if (pagemap < 0) {
    answer.error = errno;
    return answer;
  }
  SwapReader reader(pagemap, request.address, answer);
  answer.error =
      for_each_mapping(request.pid, [&](const MapsLine& mapping) { return reader.read(mapping); });
  close(pagemap);
  answer.used_cpu_ns = used_cpu_ns() - began_ns;
  return answer;
}

void page_out(const Request& request, Answer& answer) {
  const long process = syscall(SYS_pidfd_open, request.pid, 0);
  if (process < 0) {
    // EINVAL: 0, a negative number, or a thread that leads no process.
    answer.error = errno == EINVAL ? ESRCH : errno;
    return;
  }
  const iovec range{reinterpret_cast<void*>(request.address),
                    std::min(request.length_bytes, ProcessMemory::kMostPageOut_bytes)};
  const long done = syscall(SYS_process_madvise, process, &range, 1, kAdvicePageOut, 0);
  // For the range, EINVAL can only mean pages that can't be reclaimed: the rest was checked.
  if (done <= 0) answer.error = done == 0 ? ENOMEM : errno == EINVAL ? EBUSY : errno;
  answer.values[0] = done > 0 ? static_cast<uint64_t>(done) : 0;
  close(static_cast<int>(process));
}

Answer answer_to(const Request& request, bool may_page_out) {
  Answer answer;
  answer.sequence = request.sequence;
  const uint64_t length = request.length_bytes;
  if (request.kind == Request::kCount || request.kind == Request::kPageOut) {
    if ((request.address | length) % page_bytes() != 0 || length == 0 ||
        length > ProcessMemory::kMaxRange_bytes)
      answer.error = EINVAL;
    else if (request.address + length < request.address)
      answer.error = EFAULT;
  }
  if (request.kind == Request::kPageOut && !may_page_out) answer.error = ECANCELED;
  if (answer.error != 0) return answer;
  switch (request.kind) {
    case Request::kPage:
      page(request, answer);
      return answer;
    case Request::kFrameFlags:
      frame_flags(request, answer);
      return answer;
    case Request::kCount:
      count(request, answer);
      return answer;
    case Request::kPageOut:
      page_out(request, answer);
      return answer;
    case Request::kFile:
      file(request, answer);
      return answer;
    case Request::kSwapped:  // has an answer of its own
      break;
  }
  _exit(1);  // not one of our requests
}

}  // namespace

uint64_t page_bytes() {
  static const uint64_t bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

PageEntry decode(uint64_t entry) {
  PageEntry page;
  page.shared_or_file = (entry & kFileOrShared) != 0;
  if (entry & kPresent) {
    page.state = PageEntry::State::kResident;
    page.pfn = entry & kFrame;
  } else if (entry & kSwap) {
    const uint32_t type = entry & 31;
    if (type >= kFirstSpecialType) {
      page.state = PageEntry::State::kSpecial;
      return page;
    }
    page.state = PageEntry::State::kSwapped;
    page.swap_type = type;
    page.swap_offset = (entry & kFrame) >> 5;
  }
  return page;
}

void serve(int requests, bool may_page_out, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);  // it ended before the line above
  page_bytes();
  const pid_t own = getpid();
  if (!allow_only({SYS_recvfrom, SYS_sendto, SYS_pread64, SYS_close, SYS_pidfd_open,
                   SYS_process_madvise, SYS_clock_gettime, SYS_exit_group})
           .ok())
    _exit(1);
  for (;;) {
    Request request;
    const ssize_t size = recv(requests, &request, sizeof(request), MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size != sizeof(request)) _exit(size == 0 ? 0 : 1);
    const auto sends = [&](auto answer) {
      answer->child = own;
      return send(requests, answer, sizeof(*answer), MSG_NOSIGNAL) == sizeof(*answer);
    };
    if (request.kind == Request::kSwapped) {
      if (!sends(&swapped(request))) _exit(1);
      continue;
    }
    Answer answer = answer_to(request, may_page_out);
    if (!sends(&answer)) _exit(1);
  }
}

}  // namespace swaptrail::host::memory_child
