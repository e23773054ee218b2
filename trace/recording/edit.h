// Operations on whole recordings: check, repair, cut, merge.
//
// Pure: a source in, a sink out. Memory: a block or two of each source. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trace/recording/bytes.h"
#include "trace/recording/reader.h"
#include "trace/recording/writer.h"

namespace swaptrail::recording {

struct Inspection {
  uint64_t blocks = 0;  // read, hashed and decoded
  uint64_t events = 0;
  uint64_t losses = 0;  // loss notes
  uint64_t gaps = 0;
  bool finished = false;  // not finished and no damage: writing stopped between two records
  bool indexed = false;
  std::vector<Damage> damages;  // all, by place

  bool clean() const { return damages.empty() && finished; }
};

// Reads everything. Errors: those of RecordingReader::open and of the source; damage is no error.
absl::StatusOr<Inspection> verify_recording(const ByteSource& source);

// Copies every good record to a new recording with an index and an end. A Gap stands where blocks are
// missing; its counts are right in sum, and for each CPU as far as the sequences show. What is torn
// off at the end is only in the inspection, which is about the source. Errors: as verify, and of the
// sink.
absl::StatusOr<Inspection> repair_recording(const ByteSource& source, ByteSink& sink);

// Copies from_ns <= time < to_ns with all names and areas, but without readings (they are about the
// whole). If from_ns is later than the header's start_ns, it replaces it: then what began before is
// known to be incomplete. Errors: DataLoss (the source is damaged: repair it first),
// InvalidArgument (from_ns >= to_ns), of the sink. Returns the writer's counters.
absl::StatusOr<RecordingWriter::Counters> cut_recording(const ByteSource& source, ByteSink& sink,
                                                        uint64_t from_ns, uint64_t to_ns,
                                                        const RecordingWriter::Options& options);

// Joins parts of one observation: files of a rotation, flight recordings. Ordered by (time, CPU,
// sequence); an event that is in several parts is taken once. Where a CPU's sequence jumps from one
// part to the next, a Loss reports how many events are missing. Errors: InvalidArgument (no source,
// or sources of different boots or observations), DataLoss (a source is damaged), of the sink.
absl::StatusOr<RecordingWriter::Counters> merge_recordings(
    const std::vector<const ByteSource*>& sources, ByteSink& sink,
    const RecordingWriter::Options& options);

}  // namespace swaptrail::recording
