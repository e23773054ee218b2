// A workload in a file: the trace of a program, or a recording.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/workloads/workload_source.h"

namespace swaptrail::compare {

class WorkloadFile : public engine::WorkloadSource {
 public:
  // Why next() said false: OK at the end of the workload. Errors, with the path: of engine::LackeyTrace and TraceBytes, or
  // of RecordingReader::next_block.
  virtual absl::Status status() const = 0;
  // What became of what is in the file, and what was left out, up to where next() is: one line.
  virtual std::string account() const = 0;
};

// A recording if it begins like one, else a trace by valgrind's lackey, which may be compressed by zstd. Memory is bounded,
// whatever is in the file. Of a recording in several parts: this part only.
// Errors, with the path: of FileSource::open and RecordingReader::open; FailedPrecondition for a recording that shows no
// pages (mode tracepoint).
absl::StatusOr<std::unique_ptr<WorkloadFile>> open_workload_file(const std::string& path);

}  // namespace swaptrail::compare
