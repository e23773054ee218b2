// The recordings given to a command: opened, put in order, read as one stream.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/base/progress.h"
#include "cli/offline/time_range.h"
#include "trace/merger.h"
#include "trace/recording/file.h"
#include "trace/recording/reader.h"

namespace swaptrail::offline {

// A file that reports how much of it was read.
class WatchedFile : public recording::ByteSource {
 public:
  // `progress` must outlive it, and will expect the file `passes` times. Errors: those of
  // FileSource::open.
  static absl::StatusOr<std::unique_ptr<WatchedFile>> open(const std::string& path,
                                                           cli::Progress& progress, int passes = 1);

  uint64_t size() const override { return file_->size(); }
  absl::Status read_at(uint64_t offset, char* out, size_t count) const override;
  const std::string& path() const { return path_; }

 private:
  WatchedFile(std::string path, std::unique_ptr<recording::FileSource> file,
              cli::Progress& progress)
      : path_(std::move(path)), file_(std::move(file)), progress_(progress) {}

  std::string path_;
  std::unique_ptr<recording::FileSource> file_;
  cli::Progress& progress_;
};

// One observation: a recording, or the parts of one that --record wrote as several files. One
// thread.
class Observation {
 public:
  // Files in any order; the parts are sorted. Errors, with the path: of WatchedFile and
  // RecordingReader; InvalidArgument if they are not different parts of one observation.
  static absl::StatusOr<Observation> open(const std::vector<std::string>& paths,
                                          cli::Progress& progress);

  const recording::RecordingHeader& header() const { return parts_.front().reader->header(); }
  size_t parts() const { return parts_.size(); }
  const recording::RecordingContents& contents(size_t part) const {
    return parts_[part].reader->contents();
  }
  std::vector<recording::Reading> readings() const;
  uint64_t end_ns() const { return parts_.back().reader->contents().end_ns; }

  // The stream. What is missing between two parts is reported as a loss of each CPU. Errors: DataLoss
  // with path and place at the first damage, after everything before it.
  absl::Status for_each(EventSink& sink, const TimeRange& range);

 private:
  struct Part {
    std::unique_ptr<WatchedFile> file;
    std::unique_ptr<recording::RecordingReader> reader;
  };

  Observation() = default;
  absl::Status order_parts();

  std::vector<Part> parts_;
};

// Reports on stderr what a recording of an older version does not contain; nothing if it has
// everything.
void complain_of_lacks(const recording::RecordingHeader& header);

}  // namespace swaptrail::offline
