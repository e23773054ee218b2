// Sends text to a file descriptor without ever waiting for its reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace swaptrail::pipeline {

// Makes a write to `file_descriptor` fail with EAGAIN instead of waiting, if it is a pipe or a terminal. Other
// processes that share it are not affected. Does nothing if that is not possible.
void never_wait_for_reader(int file_descriptor);

// Keeps what the reader does not take yet, up to a limit. Beyond it, whole lines are left out and counted. One
// thread.
class Outlet {
 public:
  static constexpr size_t kMost_bytes = size_t{8} << 20;

  // Does not own `file_descriptor`.
  explicit Outlet(int file_descriptor);

  // `lines`: each with its newline. Keeps all of them, or none.
  void put(std::string_view lines);
  // Writes as much as the reader takes at once.
  void drain();
  // Waits for the reader, at most this long. What it has not taken by then is left out.
  void finish(absl::Duration patience);

  uint64_t lines_left_out() const { return lines_left_out_; }
  // A write failed for good: the reader is gone, or the disk is full. Nothing more is kept.
  bool broken() const { return broken_; }

 private:
  bool has_room(int timeout_ms) const;
  bool write_some();
  void give_up();

  const int file_descriptor_;
  const size_t most_at_once_;
  std::string pending_;
  size_t sent_ = 0;  // of pending_
  uint64_t lines_left_out_ = 0;
  bool broken_ = false;
};

}  // namespace swaptrail::pipeline
