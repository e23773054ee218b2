// The process that reads page tables for ProcessMemory: its requests and what it does.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "daemon/host/process_memory.h"

namespace swaptrail::host::memory_child {

struct Request {
  enum Kind : uint32_t { kPage, kFrameFlags, kCount, kPageOut, kFile, kSwapped };
  uint64_t sequence = 0;
  Kind kind = kPage;
  uint32_t pid = 0;
  uint64_t address = 0;  // kFrameFlags: the frame's number
  uint64_t length_bytes = 0;
};

// Sent by the starter in place of an answer: the process that had the request has ended.
inline constexpr uint64_t kEndedSequence = 0;

struct Answer {
  uint64_t sequence = 0;
  pid_t child = 0;    // the process that answers
  int64_t error = 0;  // as errno
  // kPage: the entry, flags, whether there are flags. kFrameFlags: flags. kCount: resident,
  // swapped, other. kPageOut: bytes. kFile: major, minor, inode; 0 = none.
  uint64_t values[3] = {};
  char text[256] = {};  // kFile: its path as /proc/PID/maps has it, cut off at the end
};

// To kSwapped, in place of an Answer. `page` of an entry: address / page_bytes().
struct SwappedAnswer {
  static constexpr size_t kMostEntries = 2048;
  uint64_t sequence = 0;
  pid_t child = 0;
  int64_t error = 0;
  uint64_t next_address = 0;  // 0: that was all
  uint64_t used_cpu_ns = 0;
  uint64_t count = 0;
  SwapEntry entries[kMostEntries];
};

// Bytes of a page; the first call asks the C library.
uint64_t page_bytes();

// An entry of /proc/PID/pagemap, without flags.
PageEntry decode(uint64_t entry);

// The process that start() of ProcessMemory forks. Runs until the other end of `control` is closed: keeps a
// process that answers on `requests`, and starts another, at most one a second, when it has ended or a byte
// on `control` says that it does not answer. It accepts no other input, so it can keep the capabilities that
// those processes need. `parent`: the process that forked it.
[[noreturn]] void start_children(int requests, int control, bool may_page_out, pid_t parent);

// Runs in such a process. It trusts no request: it makes all checks itself, and relies on none of
// the caller's.
[[noreturn]] void serve(int requests, bool may_page_out, pid_t parent);

}  // namespace swaptrail::host::memory_child
