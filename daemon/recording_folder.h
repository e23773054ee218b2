// The files that recorders keep in a folder: their names, their order in time, and which of them go.
//
// A name ends with a number that is one more than any before it in the folder: the order of the numbers is
// that of time, whatever the clock did, in all observations that were recorded there.
//
//   20260131T120000Z-00000042.swaptrail                   a part of a series
//   flight-20260131T120000Z-signal-00000007.swaptrail     of a flight recorder, and why it was written
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace swaptrail {

// One thread. Only files that have such a name, are no links, and begin as a recording does are looked at.
class RecordingFolder {
 public:
  enum class Kind : uint8_t { kSeries, kFlight };

  RecordingFolder(std::string path, Kind kind);

  // The path of the next file. `realtime_ns` and `reason` (kFlight) are for people.
  std::string next(uint64_t realtime_ns, std::string_view reason = {});

  // Removes the oldest files of this kind until all of them have at most `most_bytes`, but never `kept`
  // and what is younger. Returns how many went.
  uint64_t limit(uint64_t most_bytes, std::string_view kept) const;

 private:
  struct File {
    uint64_t number = 0;
    uint64_t bytes = 0;
    std::string path;
  };
  std::vector<File> files() const;  // of this kind, the oldest first

  std::string path_;
  Kind kind_;
  uint64_t next_number_ = 0;
};

}  // namespace swaptrail
