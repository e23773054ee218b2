// The frame of a recording: preamble, record heads, limits. docs/RECORDING.md is the specification.
//
// All numbers are little-endian. Every length is checked against its limit before it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace swaptrail::recording {

inline constexpr char kRecordingMagic[8] = {'S', 'W', 'T', 'R', 'A', 'I', 'L', '\n'};
inline constexpr uint16_t kRecordingMajor = 1;  // a reader refuses a newer one
inline constexpr uint16_t kRecordingMinor = 2;  // a newer one adds fields at the ends of payloads

inline constexpr size_t kPreambleBytes = 24;
inline constexpr size_t kRecordHeadBytes = 40;  // the fixed part
inline constexpr size_t kBlockHeadBytes = 56;   // before the CPUs
inline constexpr size_t kCpuRangeBytes = 32;
inline constexpr size_t kEndHeadBytes = 24;
inline constexpr size_t kIndexEntryBytes = 48;

// Limits. A file that exceeds one is refused.
inline constexpr uint32_t kMaxBlockEvents = 1 << 18;
inline constexpr uint32_t kMaxBlockCpus = 4096;
inline constexpr uint32_t kMaxHeadBytes = kBlockHeadBytes + kMaxBlockCpus * kCpuRangeBytes;
inline constexpr uint32_t kMaxPayloadBytes = 64 << 20;
inline constexpr uint32_t kMaxNotePayloadBytes = 4 << 20;  // of a record that is no block or index
inline constexpr uint32_t kMaxBlockRawBytes = 128 << 20;   // of all columns, uncompressed
inline constexpr uint32_t kMaxRecords = 1 << 20;           // in an index, hence in a recording
inline constexpr uint64_t kMaxKeptBytes = 256 << 20;  // of all records except blocks, in memory
inline constexpr uint32_t kMaxTextBytes = 64 << 10;
inline constexpr uint32_t kMaxRecordedCpu = 65535;

enum class RecordKind : uint16_t {
  kHeader = 1,  // first, once
  kBlock = 2,
  kArea = 3,
  kCgroup = 4,
  kProcess = 5,
  kReading = 6,
  kGap = 7,
  kIndex = 8,  // of all records before it
  kEnd = 9,    // last
};

// The fixed part of a record.
struct RecordHead {
  uint16_t kind = 0;  // RecordKind, or one that this version does not know
  uint32_t head_bytes = 0;
  uint32_t payload_bytes = 0;
  uint64_t head_hash = 0;  // xxh64 of the head that follows
  uint64_t payload_hash = 0;

  bool is(RecordKind other) const { return kind == static_cast<uint16_t>(other); }
  uint64_t total_bytes() const { return kRecordHeadBytes + uint64_t{head_bytes} + payload_bytes; }
};

// What one CPU has in a block.
struct CpuRange {
  uint32_t cpu = 0;
  uint32_t events = 0;
  uint64_t first_sequence = 0;  // the lowest and the highest; 0 if there are no events
  uint64_t last_sequence = 0;
  uint64_t lost = 0;  // events that the losses in this block report
};

// What is known of a block without reading its payload.
struct BlockHead {
  uint64_t first_event = 0;  // number of events in the recording before it
  uint32_t events = 0;
  uint32_t losses = 0;    // loss notes, not lost events
  uint64_t first_ns = 0;  // the earliest and the latest of its events, and ends of its losses
  uint64_t last_ns = 0;
  uint64_t lost = 0;           // events lost
  uint64_t raw_bytes = 0;      // of the columns before compression
  std::vector<CpuRange> cpus;  // by first appearance
};

// One record of a recording: where it is and, for a block, what is in it.
struct RecordPlace {
  uint64_t offset = 0;
  uint32_t bytes = 0;  // with its head
  uint32_t kind = 0;
  uint32_t events = 0;
  uint32_t losses = 0;
  uint64_t first_event = 0;
  uint64_t first_ns = 0;
  uint64_t last_ns = 0;

  bool is(RecordKind other) const { return kind == static_cast<uint32_t>(other); }
};

struct EndHead {
  uint64_t end_ns = 0;        // the observation ended, CLOCK_MONOTONIC
  uint64_t index_offset = 0;  // 0 = there is no index
  uint64_t events = 0;
};

uint64_t xxhash64(std::string_view bytes);

// The first kPreambleBytes of a file. parse: InvalidArgument (not a recording), DataLoss,
// FailedPrecondition (a newer major version, with a polite text).
std::string make_preamble();
absl::Status check_preamble(std::string_view bytes);

// Makes a whole record out of its parts; `out` is overwritten and keeps its capacity.
void make_record(uint16_t kind, std::string_view head, std::string_view payload, std::string& out);

// `bytes` begins with the fixed part of a record. Nothing if it is damaged or exceeds a limit.
std::optional<RecordHead> parse_record_head(std::string_view bytes);

// The rest of a record's head. Errors: DataLoss without a place; the caller knows the place.
void put_block_head(const BlockHead& head, std::string& out);
absl::StatusOr<BlockHead> parse_block_head(std::string_view bytes);
void put_end_head(const EndHead& head, std::string& out);
absl::StatusOr<EndHead> parse_end_head(std::string_view bytes);
void put_index(const std::vector<RecordPlace>& places, std::string& out);
absl::StatusOr<std::vector<RecordPlace>> parse_index(std::string_view payload);

}  // namespace swaptrail::recording
