#include "trace/recording/format.h"

#include <xxhash.h>

#include "absl/strings/str_cat.h"
#include "trace/recording/fields.h"

namespace swaptrail::recording {
namespace {

constexpr uint32_t kRecordMagic = 0x52545753;  // "SWTR"
constexpr size_t kHashBytes = 8;

// Fields in the order of the file, for a FieldWriter or a FieldReader.
template <typename Fields>
void block_fields(Fields& fields, auto& head) {
  fields(head.first_event, head.events, head.losses, head.first_ns, head.last_ns, head.lost,
         head.raw_bytes);
}
template <typename Fields>
void range_fields(Fields& fields, auto& range) {
  fields(range.cpu, range.events, range.first_sequence, range.last_sequence, range.lost);
}
template <typename Fields>
void end_fields(Fields& fields, auto& head) {
  fields(head.end_ns, head.index_offset, head.events);
}
template <typename Fields>
void place_fields(Fields& fields, auto& place) {
  fields(place.offset, place.bytes, place.kind, place.events, place.losses, place.first_event,
         place.first_ns, place.last_ns);
}

}  // namespace

uint64_t xxhash64(std::string_view bytes) {
  return XXH64(bytes.empty() ? "" : bytes.data(), bytes.size(), 0);
}

std::string make_preamble() {
  std::string out(kRecordingMagic, sizeof(kRecordingMagic));
  put_number(out, kRecordingMajor);
  put_number(out, kRecordingMinor);
  put_number(out, uint32_t{0});
  put_number(out, xxhash64(out));
  return out;
}

absl::Status check_preamble(std::string_view bytes) {
  const std::string_view magic(kRecordingMagic, sizeof(kRecordingMagic));
  if (bytes.substr(0, magic.size()) != magic.substr(0, bytes.size()) || bytes.empty())
    return absl::InvalidArgumentError("not a swaptrail recording");
  if (bytes.size() < kPreambleBytes)
    return absl::DataLossError(
        absl::StrCat("the recording ends at byte ", bytes.size(), ", inside its preamble"));
  FieldReader fields(bytes.substr(magic.size()));
  const auto major = fields.number<uint16_t>();
  const auto minor = fields.number<uint16_t>();
  fields.number<uint32_t>();
  if (fields.number<uint64_t>() != xxhash64(bytes.substr(0, kPreambleBytes - kHashBytes)))
    return absl::DataLossError("the recording is damaged at byte 0: its preamble");
  if (major > kRecordingMajor || major == 0)
    return absl::FailedPreconditionError(absl::StrCat(
        "the recording has format version ", major, ".", minor, ", this program reads up to ",
        kRecordingMajor, ".x: please use a newer swaptrail"));
  return absl::OkStatus();
}

void make_record(uint16_t kind, std::string_view head, std::string_view payload, std::string& out) {
  out.clear();
  FieldWriter fields(out);
  fields(kRecordMagic, kind, uint16_t{0}, static_cast<uint32_t>(head.size()),
         static_cast<uint32_t>(payload.size()), xxhash64(head), xxhash64(payload));
  fields(xxhash64(out));
  out.append(head);
  out.append(payload);
}

std::optional<RecordHead> parse_record_head(std::string_view bytes) {
  FieldReader fields(bytes);
  if (fields.number<uint32_t>() != kRecordMagic || bytes.size() < kRecordHeadBytes)
    return std::nullopt;
  RecordHead head;
  fields.read(head.kind);
  const auto reserved = fields.number<uint16_t>();
  fields.read(head.head_bytes);
  fields.read(head.payload_bytes);
  fields.read(head.head_hash);
  fields.read(head.payload_hash);
  if (fields.number<uint64_t>() != xxhash64(bytes.substr(0, kRecordHeadBytes - kHashBytes)))
    return std::nullopt;
  if (reserved != 0 || head.kind == 0) return std::nullopt;
  if (head.head_bytes > kMaxHeadBytes || head.payload_bytes > kMaxPayloadBytes) return std::nullopt;
  return head;
}

void put_block_head(const BlockHead& head, std::string& out) {
  FieldWriter fields(out);
  block_fields(fields, head);
  fields(static_cast<uint32_t>(head.cpus.size()), uint32_t{0});
  for (const CpuRange& range : head.cpus) range_fields(fields, range);
}

absl::StatusOr<BlockHead> parse_block_head(std::string_view bytes) {
  FieldReader fields(bytes);
  BlockHead head;
  block_fields(fields, head);
  const auto cpus = fields.number<uint32_t>();
  fields.number<uint32_t>();
  if (!fields.ok() || cpus != fields.left() / kCpuRangeBytes || fields.left() % kCpuRangeBytes != 0)
    return absl::DataLossError("a block's head of the wrong size");
  if (head.events > kMaxBlockEvents || head.losses > kMaxBlockEvents || cpus > kMaxBlockCpus ||
      head.raw_bytes > kMaxBlockRawBytes)
    return absl::DataLossError("a block beyond the limits");
  head.cpus.resize(cpus);
  for (CpuRange& range : head.cpus) range_fields(fields, range);
  return head;
}

void put_end_head(const EndHead& head, std::string& out) {
  FieldWriter fields(out);
  end_fields(fields, head);
}

absl::StatusOr<EndHead> parse_end_head(std::string_view bytes) {
  FieldReader fields(bytes);
  EndHead head;
  end_fields(fields, head);
  if (!fields.ok()) return absl::DataLossError("an end of the wrong size");
  return head;
}

void put_index(const std::vector<RecordPlace>& places, std::string& out) {
  FieldWriter fields(out);
  for (const RecordPlace& place : places) place_fields(fields, place);
}

absl::StatusOr<std::vector<RecordPlace>> parse_index(std::string_view payload) {
  const size_t count = payload.size() / kIndexEntryBytes;
  if (payload.size() % kIndexEntryBytes != 0 || count > kMaxRecords)
    return absl::DataLossError("an index of the wrong size");
  FieldReader fields(payload);
  std::vector<RecordPlace> places(count);
  for (RecordPlace& place : places) place_fields(fields, place);
  return places;
}

}  // namespace swaptrail::recording
