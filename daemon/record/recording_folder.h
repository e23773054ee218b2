// The files that recorders keep in a folder: their names, their order in time, and which of them are
// removed.
//
// A name ends with a number that is one more than any before it in the folder: the order of the numbers is
// the order in time, whatever the clock did, over all observations that were recorded there.
//
//   20260131T120000Z-00000042.swaptrail                   a part of a series
//   flight-20260131T120000Z-signal-00000007.swaptrail     of a flight recorder, and why it was written
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/descriptor.h"
#include "trace/recording/file.h"

namespace swaptrail::record {

// One thread. Considers only files that have such a name, are this user's, are no links, and begin as a
// recording does. The folder is held open: files are made and removed in it even if it is moved away.
class RecordingFolder {
 public:
  enum class Kind : uint8_t { kSeries, kFlight };
  struct Limits {
    uint64_t bytes = 0;
    uint64_t files = 0;
  };

  // Makes the folder if it is missing. Removes what an interrupted write left behind. Errors: of
  // open_folder().
  static absl::StatusOr<RecordingFolder> open(std::string path, Kind kind);

  // The name of the next file. `realtime_ns` and `reason` (kFlight) are for people.
  std::string next_name(uint64_t realtime_ns, std::string_view reason = {});
  std::string path_of(std::string_view name) const;

  // A file that is filled step by step. Errors: of FileSink::create.
  absl::StatusOr<std::unique_ptr<recording::FileSink>> create(const std::string& name);
  // A file that appears with all of its bytes, already on the disk, or not at all. Errors: of FileSink.
  absl::Status write(const std::string& name, std::string_view bytes);
  void remove(const std::string& name);

  // Removes the oldest files of this kind until all of them are within the limits, but never `kept` or
  // younger ones. Returns how many were removed.
  uint64_t limit(const Limits& limits, std::string_view kept);

  // Whether its path still leads to it.
  bool is_in_place() const;
  // Opens the folder that is now at its path. Errors: of open(); then nothing changes.
  absl::Status open_again();

 private:
  struct File {
    uint64_t number = 0;
    uint64_t bytes = 0;
    std::string name;
  };
  RecordingFolder(base::Descriptor folder, std::string path, Kind kind);
  void look();                       // what is there
  void note_made(std::string name);  // a file of ours
  uint64_t bytes_of(const File& file) const;

  base::Descriptor folder_;
  std::string path_;
  Kind kind_;
  std::vector<File> files_;  // of this kind, the oldest first
  uint64_t next_number_ = 0;
};

}  // namespace swaptrail::record
