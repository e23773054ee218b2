// What a process can say of its own faults and waits, without swaptraild: getrusage, its own clock,
// the kernel's delay accounting (taskstats), smaps.
//
// An oracle file has a line for each process: `process PID KEY=VALUE ...`. All values count since the
// process called Meter::start, but for `swap_kib`, which is of that moment.
#pragma once

#include <linux/genetlink.h>
#include <linux/taskstats.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "pages.h"

namespace swaptrail_vm {

// An access that takes longer has waited for a device: those that tests delay take 5 ms.
constexpr uint64_t kWaitNs = 1'000'000;

struct Measures {
  uint64_t major = 0, minor = 0;         // getrusage
  uint64_t waits = 0, wait_ns = 0;       // accesses of more than kWaitNs, by our own clock
  uint64_t blkio_ns = 0, swapin_ns = 0;  // taskstats; 0 without kernel.task_delayacct
  uint64_t sigbus = 0;                   // accesses that ended in SIGBUS
  uint64_t swap_kib = 0;                 // in swap, by smaps_rollup
};

// ---- taskstats (Documentation/accounting/taskstats.rst) -------------------------------------------

struct NetlinkMessage {
  nlmsghdr n;
  genlmsghdr g;
  char data[8192];
};

// Sends one attribute and receives the answer. False if the kernel refuses.
inline bool netlink_exchange(int socket, uint16_t family, uint8_t command, uint16_t type,
                             const void* value, size_t length, NetlinkMessage& message) {
  message = {};
  auto* attribute = reinterpret_cast<nlattr*>(message.data);
  attribute->nla_type = type;
  attribute->nla_len = NLA_HDRLEN + length;
  memcpy(message.data + NLA_HDRLEN, value, length);
  message.n.nlmsg_type = family;
  message.n.nlmsg_flags = NLM_F_REQUEST;
  message.n.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN) + NLA_ALIGN(attribute->nla_len);
  message.g = {command, 1, 0};
  return send(socket, &message, message.n.nlmsg_len, 0) > 0 &&
         recv(socket, &message, sizeof message, 0) > 0 && message.n.nlmsg_type != NLMSG_ERROR;
}

inline char* find_attribute(char* at, char* end, int type) {
  while (at + NLA_HDRLEN <= end) {
    const auto* attribute = reinterpret_cast<nlattr*>(at);
    if ((attribute->nla_type & NLA_TYPE_MASK) == type) return at + NLA_HDRLEN;
    if (attribute->nla_len < NLA_HDRLEN) break;
    at += NLA_ALIGN(attribute->nla_len);
  }
  return nullptr;
}

// Of one thread; all zero if the kernel does not say. Older kernels send a shorter structure.
inline taskstats read_taskstats(uint32_t tid) {
  taskstats stats{};
  const int socket_fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
  NetlinkMessage m;
  if (netlink_exchange(socket_fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME,
                       TASKSTATS_GENL_NAME, sizeof TASKSTATS_GENL_NAME, m)) {
    const char* id =
        find_attribute(m.data, reinterpret_cast<char*>(&m) + m.n.nlmsg_len, CTRL_ATTR_FAMILY_ID);
    uint16_t family = 0;
    if (id) memcpy(&family, id, sizeof family);
    if (id && netlink_exchange(socket_fd, family, TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_PID, &tid,
                               sizeof tid, m)) {
      char* end = reinterpret_cast<char*>(&m) + m.n.nlmsg_len;
      char* all = find_attribute(m.data, end, TASKSTATS_TYPE_AGGR_PID);
      char* found = all ? find_attribute(all, end, TASKSTATS_TYPE_STATS) : nullptr;
      if (found) memcpy(&stats, found, std::min<size_t>(sizeof stats, end - found));
    }
  }
  close(socket_fd);
  return stats;
}

// ---- the meter ------------------------------------------------------------------------------------

// Of all page tables, by walking them: VmSwap is only near, from Linux 6.2 on (a counter per CPU).
// Without the heap, since reading it must not touch what it measures.
inline uint64_t read_swap_kib() {
  char text[4096] = {};
  const int fd = open("/proc/self/smaps_rollup", O_RDONLY);
  if (fd < 0 || read(fd, text, sizeof text - 1) <= 0) fail("can't read smaps_rollup");
  close(fd);
  const char* line = strstr(text, "\nSwap:");
  return line ? strtoull(line + 6, nullptr, 10) : 0;
}

class Meter {
 public:
  // From here on.
  void start() {
    waits_ = wait_ns_ = sigbus_ = 0;
    ended_blkio_ns_ = ended_swapin_ns_ = 0;
    base_ = {};
    base_ = read();
  }

  void add_access(uint64_t ns) {
    if (ns <= kWaitNs) return;
    ++waits_;
    wait_ns_ += ns;
  }
  void add_sigbus() { ++sigbus_; }
  // So many pages of shared memory will be written for the first time. Linux 5.10 counts each as a major fault,
  // though nothing is read: fault_dirty_shared_page (mm/memory.c) asks for a second pass, and mm_account_fault
  // calls what took two passes major.
  void add_first_writes(uint64_t pages) {
    if (first_write_is_major()) base_.major += pages + 1;  // that of the trial too
  }
  // Called by a thread that is not the first one, before it ends.
  void add_thread() {
    const taskstats stats = read_taskstats(syscall(SYS_gettid));
    ended_blkio_ns_ += stats.blkio_delay_total;
    ended_swapin_ns_ += stats.swapin_delay_total;
  }

  Measures read() const {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const taskstats stats = read_taskstats(getpid());
    Measures m;
    m.major = usage.ru_majflt - base_.major;
    m.minor = usage.ru_minflt - base_.minor;
    m.waits = waits_;
    m.wait_ns = wait_ns_;
    m.blkio_ns = stats.blkio_delay_total + ended_blkio_ns_ - base_.blkio_ns;
    m.swapin_ns = stats.swapin_delay_total + ended_swapin_ns_ - base_.swapin_ns;
    m.sigbus = sigbus_;
    m.swap_kib = read_swap_kib();
    return m;
  }

 private:
  static bool first_write_is_major() {
    void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) fail("no page of shared memory");
    rusage before{}, after{};
    getrusage(RUSAGE_SELF, &before);
    *static_cast<volatile char*>(page) = 1;
    getrusage(RUSAGE_SELF, &after);
    munmap(page, 4096);
    return after.ru_majflt != before.ru_majflt;
  }

  std::atomic<uint64_t> waits_{0}, wait_ns_{0}, sigbus_{0};
  std::atomic<uint64_t> ended_blkio_ns_{0}, ended_swapin_ns_{0};
  Measures base_;
};

inline Meter meter;  // of this process

inline void print_measures(FILE* out, pid_t pid, const Measures& m) {
  fprintf(out,
          "process %d major=%" PRIu64 " minor=%" PRIu64 " waits=%" PRIu64 " wait_ns=%" PRIu64
          " blkio_ns=%" PRIu64 " swapin_ns=%" PRIu64 " sigbus=%" PRIu64 " swap_kib=%" PRIu64 "\n",
          pid, m.major, m.minor, m.waits, m.wait_ns, m.blkio_ns, m.swapin_ns, m.sigbus, m.swap_kib);
}

// To be called before there are buffers: locks what the program itself consists of, so that only its
// buffers are swapped and only they fault.
inline void lock_program() {
  if (mlockall(MCL_CURRENT) != 0) fail("mlockall");
}

// Calls `look(from, to, writable)` for each mapping of this process (/proc/PID/maps).
template <typename Look>
void for_each_mapping(Look&& look) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t from = 0, to = 0;
    char writable = 0;
    if (sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %*c%c", &from, &to, &writable) == 3)
      look(from, to, writable == 'w');
  }
}

// A child of fork() inherits no locks. `buffers` stay as they are. Nothing is touched by this: what
// is copied on a later write is locked then.
inline void lock_forked_program(const std::vector<Buffer>& buffers) {
  for_each_mapping([&](uintptr_t from, uintptr_t to, bool writable) {
    const bool is_buffer = std::any_of(buffers.begin(), buffers.end(), [&](const Buffer& buffer) {
      const auto start = reinterpret_cast<uintptr_t>(buffer.start);
      return start < to && from < start + buffer.bytes();
    });
    if (!writable || is_buffer) return;
    if (mlock2(reinterpret_cast<void*>(from), to - from, MLOCK_ONFAULT) != 0) fail("mlock2");
  });
}

// Reads one byte and counts the wait.
inline void touch_page(const uint8_t* page) {
  const uint64_t begin = now_ns();
  *static_cast<const volatile uint8_t*>(page);
  meter.add_access(now_ns() - begin);
}

}  // namespace swaptrail_vm
