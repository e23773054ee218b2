// The process that reads page tables for ProcessMemory: what it is asked, and what it does.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "daemon/process_memory.h"

namespace swaptrail::memory_child {

struct Request {
  enum Kind : uint32_t { kPage, kFrameFlags, kCount, kPageOut, kFile };
  uint64_t sequence = 0;
  Kind kind = kPage;
  uint32_t pid = 0;
  uint64_t address = 0;  // kFrameFlags: the frame's number
  uint64_t length_bytes = 0;
};

struct Answer {
  uint64_t sequence = 0;
  int64_t error = 0;  // as errno
  // kPage: the entry, flags, whether there are flags. kFrameFlags: flags. kCount: resident,
  // swapped, other. kPageOut: bytes. kFile: major, minor, inode; 0 = none.
  uint64_t values[3] = {};
  char text[256] = {};  // kFile: its path as /proc/PID/maps has it, cut off at the end
};

// Bytes of a page; the first call asks the C library.
uint64_t page_bytes();

// An entry of /proc/PID/pagemap, without flags.
PageEntry decode(uint64_t entry);

// Runs in the forked process, from its first instruction until `socket` is closed at the other end.
// It trusts no request: all checks are made here, none by who asks. `parent`: who forked it.
[[noreturn]] void serve(int socket, bool may_page_out, pid_t parent);

}  // namespace swaptrail::memory_child
