// The accesses of a real program, as valgrind tells them:
//
//   valgrind --tool=lackey --trace-mem=yes --log-file=trace.lackey PROGRAM
//
// A line is an access: "I  04015ec0,3" fetches an instruction, " L 1ffefffe98,8" loads, " S 1ffefffe98,8" stores and
// " M 0421c7b4,4" modifies that many bytes at a hexadecimal address. Lines that begin with "==", "--" or "**" are valgrind's
// own. All other lines are errors: the program's own output does not belong in it (--log-file keeps it out).
//
// What becomes of them:
//  - Loads and stores are steps of process 0, in pages of 4 KiB with the addresses that the program had. They are sparse.
//  - To modify is to write: the processor asks for a page that can be written before it reads.
//  - An access that goes over the end of a page touches two.
//  - An access to the page of the step before is *folded*: it is no step of its own, unless it is the first to write.
//  - Instructions are left out: code lies in files, and does not go to swap. What a program reads of its own files by mmap
//    can't be told from its memory, and is a step.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "engine/workloads/byte_stream.h"
#include "engine/workloads/workload_source.h"

namespace swaptrail::engine {

// Since the last rewind().
struct LackeyCounters {
  uint64_t lines = 0;
  uint64_t instructions = 0;
  uint64_t loads = 0;
  uint64_t stores = 0;
  uint64_t modifies = 0;
  uint64_t crossings = 0;  // of these: touch two pages
  uint64_t folded = 0;     // touches that are no step of their own
  uint64_t steps = 0;
  uint64_t other_lines = 0;  // valgrind's own
};

// Memory: one buffer, whatever the length of the trace.
class LackeyTrace : public WorkloadSource {
 public:
  static constexpr size_t kLongestLine = 65536;
  static constexpr uint64_t kLargestAccess = 4096;  // bytes: XSAVE's are the largest, below 3 KiB

  // The stream must outlive it.
  explicit LackeyTrace(ByteStream& bytes) : bytes_(bytes) {}

  bool next(WorkloadStep& step) override;
  void rewind() override;
  uint64_t expected_steps() const override { return known_steps_; }

  // Why next() said false: OK at the end of the trace. InvalidArgument: a line that is none of lackey's, with its number,
  // or there is no access at all. DataLoss: it ends in the middle of a line. And the errors of the stream. After rewind()
  // it is OK, unless the stream can't.
  const absl::Status& status() const { return status_; }
  const LackeyCounters& counters() const { return counters_; }

 private:
  struct Touch {
    uint64_t page = 0;
    bool write = false;
  };

  bool next_touch(Touch& touch);
  bool next_line(std::string_view& line);
  bool fill();
  bool take_line(std::string_view line, Touch& touch);
  bool take_data(char kind, uint64_t address, uint64_t size, Touch& touch);
  bool refuse(std::string_view line, std::string_view why);

  ByteStream& bytes_;
  std::array<char, kLongestLine> buffer_;
  size_t begin_ = 0;  // what is in the buffer and was not read yet
  size_t end_ = 0;
  std::optional<Touch> second_;   // page of an access that touches two
  std::optional<Touch> pending_;  // the step that the next touches are folded into
  uint64_t known_steps_ = 0;
  absl::Status status_;
  LackeyCounters counters_;
};

}  // namespace swaptrail::engine
