// Reads a recording back: the same events, sequences and losses in the same order.
//
// Reads every complete block. Damaged or torn data is reported with its place and size, and never
// guessed. Memory: the limits of format.h, whatever the bytes. One thread.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trace/merger.h"
#include "trace/recording/block_decoder.h"
#include "trace/recording/bytes.h"
#include "trace/recording/contents.h"
#include "trace/recording/format.h"

namespace swaptrail::recording {

inline constexpr uint64_t kNoEnd = std::numeric_limits<uint64_t>::max();

// from_ns <= time < to_ns. kNoEnd as to_ns is later than every time.
constexpr bool is_between(uint64_t time_ns, uint64_t from_ns, uint64_t to_ns) {
  return time_ns >= from_ns && (time_ns < to_ns || to_ns == kNoEnd);
}

// Bytes that cannot be read.
struct Damage {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  bool torn = false;          // up to the end of the file: writing stopped inside a record
  bool breaks_stream = true;  // events or gaps may have been there; else only a note, index or end
  std::string what;

  absl::Status status() const;  // DataLoss with all of this in its text
};

// What is known without reading the blocks.
struct RecordingContents {
  RecordingHeader header;
  std::vector<SwapArea> areas;  // these in the order in which they were written
  std::vector<CgroupName> cgroups;
  std::vector<ProcessName> processes;
  std::vector<Reading> readings;
  std::vector<Gap> gaps;
  std::vector<Damage> damages;  // found so far, by place; verify() finds all
  bool finished = false;        // it has its end record: writing did not stop in the middle
  bool indexed = false;         // the index was there and good; else it was rebuilt
  uint64_t end_ns = 0;    // end of the observation; if not finished, the time of the last event
  uint64_t first_ns = 0;  // of the first and the last event
  uint64_t last_ns = 0;
  uint64_t events = 0;
  uint64_t losses = 0;  // loss notes in the stream
  uint64_t blocks = 0;
  uint64_t block_bytes = 0;  // of the file
  uint64_t file_bytes = 0;
  uint64_t unknown_records = 0;  // of kinds that this version does not know: skipped
  uint64_t unknown_bytes = 0;
};

// One block of the stream; or one gap, and nothing else.
struct RecordedBlock {
  std::optional<Gap> gap;
  BlockHead head;
  std::vector<RecordedEvent> events;
  std::vector<RecordedLoss> losses;
};

class RecordingReader {
 public:
  // The source must outlive the reader. Reads the header, the index and the notes; without a good
  // index, the heads of all records. Errors: InvalidArgument (not a recording), FailedPrecondition
  // (a newer major version, another event ABI), DataLoss (its header), ResourceExhausted (too many
  // records or notes), and those of the source. Other damage is no error here: see contents().
  static absl::StatusOr<std::unique_ptr<RecordingReader>> open(const ByteSource& source);

  const RecordingContents& contents() const { return contents_; }
  const RecordingHeader& header() const { return contents_.header; }

  // The next block or gap with something in from_ns <= time < to_ns; false at the end. At damage:
  // DataLoss with its offset; the next call continues behind it. `block` is reused.
  absl::StatusOr<bool> next_block(RecordedBlock& block, uint64_t from_ns = 0,
                                  uint64_t to_ns = kNoEnd);
  void rewind();
  // The place of the block or gap that next_block() gave last, and the damage that it reported
  // last.
  const RecordPlace& place_of_block() const { return places_[next_place_ - 1]; }
  const Damage& last_damage() const { return last_damage_; }

  // The stream from the beginning, for from_ns <= time < to_ns (the time of a loss is its `to_ns`; a
  // gap is reported as one loss for each CPU). Errors: DataLoss at the first damage, after everything
  // before it was reported; or at the end, if there is damage elsewhere.
  absl::Status for_each(EventSink& sink, uint64_t from_ns = 0, uint64_t to_ns = kNoEnd);

  // All records in order, and the bytes of one, for copying. The views live until the next call.
  const std::vector<RecordPlace>& places() const { return places_; }
  struct RawRecord {
    RecordHead fixed;
    std::string_view head;
    std::string_view payload;
  };
  // Errors: DataLoss if it is damaged.
  absl::StatusOr<RawRecord> read_record(const RecordPlace& place);

 private:
  explicit RecordingReader(const ByteSource& source) : source_(source) {}

  absl::Status read(uint64_t offset, uint64_t count, std::string& out) const;
  absl::Status open_header();
  absl::StatusOr<bool> use_index();
  absl::Status scan();
  absl::StatusOr<uint64_t> scan_record(uint64_t offset);
  absl::StatusOr<uint64_t> find_record(uint64_t offset);
  absl::Status scan_block_head(const RecordHead& head, RecordPlace& place);
  absl::Status read_notes();
  absl::Status keep_note(const RawRecord& record);
  absl::Status note_end(const RecordPlace& place, const RawRecord& record);
  void sum_up();
  void add_damage(Damage damage);
  absl::Status decode_block(const RecordPlace& place, RecordedBlock& block);
  absl::Status check_order(const RecordPlace& place);
  const Damage* damage_before(uint64_t offset);
  absl::Status damaged(uint64_t offset, uint64_t bytes, std::string what);

  const ByteSource& source_;
  RecordingContents contents_;
  std::vector<RecordPlace> places_;
  std::vector<uint64_t> gap_offsets_;  // of contents_.gaps
  std::string record_;                 // the one read last
  BlockDecoder decoder_;
  // The state of next_block().
  size_t next_place_ = 0;
  size_t next_gap_ = 0;
  size_t next_damage_ = 0;
  Damage last_damage_;
  bool order_known_ = false;  // whether next_event_ is what the next block must begin with
  uint64_t next_event_ = 0;
};

}  // namespace swaptrail::recording
