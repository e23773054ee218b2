// Writes the ordered stream into recordings, on its way to the reconstructor.
//
// Two ways to keep it: a series of files with limits on size, age and sum (--record), or the last
// minutes in memory, written to files when something happens (--flight). Each file, or part, is a
// recording of its own with its own header, names and areas; `swaptrail merge` joins them.
//
// Pipeline thread only. A block is compressed and written by the call that fills it, once in about
// 16,384 events. A full disk pauses the recording, never the observation; the gap is reported in the
// recording once there is room again.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/log.h"
#include "daemon/host/area_history.h"
#include "daemon/record/flight_files.h"
#include "daemon/record/recording_folder.h"
#include "daemon/record/recording_status.h"
#include "trace/merger.h"
#include "trace/recording/contents.h"
#include "trace/recording/file.h"
#include "trace/recording/writer.h"
#include "trace/report/print.h"

namespace swaptrail::record {

struct RecorderOptions {
  std::string dir;                                 // as open_folder() requires; files are 0600
  bool flight = false;                             // keep in memory until trigger()
  uint64_t part_bytes = 64ULL << 20;               // a new part after this many bytes ...
  uint64_t part_age_ns = 3600ULL * 1'000'000'000;  // ... or this long
  uint64_t keep_ns = 0;  // flight: older parts are dropped, 0 = as long as there is room
  // For all parts in `dir`, or in memory (then 16 times as much in `dir`): the oldest are removed.
  uint64_t total_bytes = 1ULL << 30;
  uint64_t most_files = 10'000;  // in `dir`: the oldest are removed
};

class Recorder : public EventSink {
 public:
  // Opens the first part. `names` and `next` must outlive it. `header` is completed for each part.
  // Errors: of RecordingFolder::open and FileSink::create.
  static absl::StatusOr<std::unique_ptr<Recorder>> create(const RecorderOptions& options,
                                                          recording::RecordingHeader header,
                                                          std::vector<recording::SwapArea> areas,
                                                          const report::Names& names,
                                                          EventSink& next);

  void on_event(const swaptrail_event& event, uint64_t sequence) override;
  void on_loss(const Loss& loss) override;
  void on_time(uint64_t now_ns) override;

  // An area came, went, or its type is known only now. An area of unknown type is left out.
  void on_area(const host::AreaInstance& area);

  // A reading for the trust number; the first one is repeated in every part.
  void add(const recording::Reading& reading);

  // Call it from time to time: closes the open block each second, so that a crash loses no more;
  // begins a new part when one is due; tries again after a pause.
  void tick(uint64_t now_ns);

  // Flight: writes what is in memory to files "flight-..." in `dir` and continues. What could not
  // be written stays in memory, and no torn file is left behind. Errors: of the files.
  absl::StatusOr<FlightFiles> trigger(const std::string& reason, uint64_t now_ns);

  void finish(uint64_t end_ns);
  // `suppressed` is not known here.
  RecordingStatus status(uint64_t now_ns) const;

 private:
  struct Part {
    std::unique_ptr<recording::ByteSink> sink;
    std::unique_ptr<recording::RecordingWriter> writer;
    uint64_t begun_ns = 0;
    std::string name;  // in the folder; empty in flight mode
  };

  Recorder(const RecorderOptions& options, RecordingFolder folder,
           recording::RecordingHeader header, std::vector<recording::SwapArea> areas,
           const report::Names& names, EventSink& next);
  void limit_files(std::string_view kept, uint64_t bytes);
  bool follow_folder(uint64_t now_ns);
  absl::StatusOr<Part> open_part(uint64_t now_ns);
  void change_part(uint64_t now_ns);
  void close_part(uint64_t end_ns);
  void forget_old(uint64_t now_ns);
  void learn_cgroup(uint64_t id, uint64_t now_ns);
  void remember(const recording::SwapArea& area);
  void note(const absl::Status& status);
  uint64_t flight_bytes() const;

  RecorderOptions options_;
  RecordingFolder folder_;
  recording::RecordingHeader header_;
  std::vector<recording::SwapArea> areas_;  // what a new part has to record of them, by time
  const report::Names& names_;
  EventSink& next_;
  Part part_;
  struct Kept {
    std::string bytes;
    uint64_t begin_ns;
    uint64_t end_ns;
  };
  std::deque<Kept> kept_;  // flight: closed parts, oldest first
  absl::flat_hash_map<uint64_t, recording::CgroupName> cgroups_;
  uint64_t last_cgroup_ = 0;
  std::vector<recording::Reading> begin_;
  uint64_t flushed_ns_ = 0;
  RecordingStatus status_;
  uint64_t refused_ns_ = 0;      // when it last refused; 0 = never
  bool trigger_failed_ = false;  // the last one
  base::RepeatedTrouble stopped_, resumed_, moved_;
};

// The header of a recording made on this host, except what the session knows.
recording::RecordingHeader host_header();

}  // namespace swaptrail::record
