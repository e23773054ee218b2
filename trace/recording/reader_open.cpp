// Opens a recording: by its index or, if that is missing or bad, by the heads of its records, one
// after the other.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "trace/recording/reader.h"

namespace swaptrail::recording {
namespace {

constexpr size_t kSearchBytes = 64 << 10;
constexpr uint64_t kEndBytes = kRecordHeadBytes + kEndHeadBytes;
constexpr std::string_view kRecordMagicText = "SWTR";

bool is_known(uint32_t kind) {
  return kind >= static_cast<uint32_t>(RecordKind::kHeader) &&
         kind <= static_cast<uint32_t>(RecordKind::kEnd);
}

// Records that the stream of events needs.
bool is_of_stream(uint32_t kind) {
  return kind == static_cast<uint32_t>(RecordKind::kBlock) ||
         kind == static_cast<uint32_t>(RecordKind::kGap);
}

bool is_too_long(const RecordHead& head) {
  if (head.is(RecordKind::kBlock) || head.is(RecordKind::kIndex) || !is_known(head.kind))
    return false;
  return head.payload_bytes > kMaxNotePayloadBytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RecordingReader>> RecordingReader::open(const ByteSource& source) {
  std::unique_ptr<RecordingReader> reader(new RecordingReader(source));
  if (absl::Status status = reader->open_header(); !status.ok()) return status;
  auto indexed = reader->use_index();
  if (!indexed.ok()) return indexed.status();
  reader->contents_.indexed = *indexed;
  if (!*indexed) {
    if (absl::Status status = reader->scan(); !status.ok()) return status;
  }
  if (absl::Status status = reader->read_notes(); !status.ok()) return status;
  reader->sum_up();
  return reader;
}

absl::Status RecordingReader::read(uint64_t offset, uint64_t count, std::string& out) const {
  if (offset > source_.size() || count > source_.size() - offset)
    return absl::DataLossError(
        absl::StrCat("the recording ends before byte ", offset, " + ", count));
  out.resize(count);
  return source_.read_at(offset, out.data(), count);
}

void RecordingReader::add_damage(Damage damage) {
  const auto place =
      std::upper_bound(contents_.damages.begin(), contents_.damages.end(), damage.offset,
                       [](uint64_t offset, const Damage& other) { return offset < other.offset; });
  contents_.damages.insert(place, std::move(damage));
}

absl::Status RecordingReader::open_header() {
  contents_.file_bytes = source_.size();
  const auto first = std::min<uint64_t>(kPreambleBytes + kRecordHeadBytes, source_.size());
  if (absl::Status status = read(0, first, record_); !status.ok()) return status;
  if (absl::Status status = check_preamble(record_); !status.ok()) return status;
  const auto head = parse_record_head(std::string_view(record_).substr(kPreambleBytes));
  if (!head.has_value() || !head->is(RecordKind::kHeader) || is_too_long(*head))
    return absl::DataLossError(absl::StrCat("the recording is damaged or torn at byte ",
                                            kPreambleBytes, ": its header cannot be read"));
  RecordPlace place;
  place.offset = kPreambleBytes;
  place.bytes = static_cast<uint32_t>(head->total_bytes());
  place.kind = head->kind;
  auto record = read_record(place);
  if (!record.ok()) return record.status();
  return parse_payload(record->payload, contents_.header);
}

// True if the file ends with an end and an index that account for every byte of it.
absl::StatusOr<bool> RecordingReader::use_index() {
  const uint64_t size = source_.size();
  if (size < kPreambleBytes + kEndBytes) return false;
  RecordPlace end;
  end.offset = size - kEndBytes;
  end.bytes = kEndBytes;
  end.kind = static_cast<uint32_t>(RecordKind::kEnd);
  auto record = read_record(end);
  if (!record.ok()) return false;
  auto ending = parse_end_head(record->head);
  if (!ending.ok()) return false;
  RecordPlace index;
  index.offset = ending->index_offset;
  index.kind = static_cast<uint32_t>(RecordKind::kIndex);
  if (index.offset < kPreambleBytes || index.offset >= end.offset) return false;
  if (end.offset - index.offset > kRecordHeadBytes + kMaxPayloadBytes) return false;
  index.bytes = static_cast<uint32_t>(end.offset - index.offset);
  record = read_record(index);
  if (!record.ok()) return false;
  auto places = parse_index(record->payload);
  if (!places.ok()) return false;
  uint64_t expected = kPreambleBytes;
  for (const RecordPlace& place : *places) {
    if (place.offset != expected || place.bytes < kRecordHeadBytes) return false;
    expected += place.bytes;
  }
  if (expected != index.offset) return false;
  places_ = *std::move(places);
  places_.push_back(index);
  places_.push_back(end);
  return true;
}

absl::Status RecordingReader::scan() {
  uint64_t offset = kPreambleBytes;
  while (offset < source_.size()) {
    if (places_.size() >= kMaxRecords || contents_.damages.size() >= kMaxRecords)
      return absl::ResourceExhaustedError(
          absl::StrCat("the recording has more than ", kMaxRecords, " records"));
    auto next = scan_record(offset);
    if (!next.ok()) return next.status();
    offset = *next;
  }
  return absl::OkStatus();
}

// Notes the record at `offset`, or the damage there. Returns where to continue.
absl::StatusOr<uint64_t> RecordingReader::scan_record(uint64_t offset) {
  const uint64_t left = source_.size() - offset;
  Damage damage;
  damage.offset = offset;
  damage.bytes = left;
  damage.torn = true;
  if (absl::Status status = read(offset, std::min<uint64_t>(left, kRecordHeadBytes), record_);
      !status.ok())
    return status;
  const auto head = parse_record_head(record_);
  if (head.has_value() && head->total_bytes() <= left) {
    RecordPlace place;
    place.offset = offset;
    place.bytes = static_cast<uint32_t>(head->total_bytes());
    place.kind = head->kind;
    if (place.is(RecordKind::kBlock)) {
      if (absl::Status status = scan_block_head(*head, place); !status.ok()) return status;
    }
    places_.push_back(place);
    return offset + place.bytes;
  }
  if (!head.has_value()) {
    auto found = find_record(offset + 1);
    if (!found.ok()) return found.status();
    if (*found < source_.size()) {
      damage.bytes = *found - offset;
      damage.torn = false;
      damage.what = "no record begins here";
    }
  }
  const uint64_t next = offset + damage.bytes;
  add_damage(std::move(damage));
  return next;
}

// The times of a block with a damaged head cover everything, so that it will be read.
absl::Status RecordingReader::scan_block_head(const RecordHead& head, RecordPlace& place) {
  place.last_ns = std::numeric_limits<uint64_t>::max();
  std::string bytes;
  if (absl::Status status = read(place.offset + kRecordHeadBytes, head.head_bytes, bytes);
      !status.ok())
    return status;
  if (xxhash64(bytes) != head.head_hash) return absl::OkStatus();
  auto block = parse_block_head(bytes);
  if (!block.ok()) return absl::OkStatus();
  place.events = block->events;
  place.losses = block->losses;
  place.first_event = block->first_event;
  place.first_ns = block->first_ns;
  place.last_ns = block->last_ns;
  return absl::OkStatus();
}

// The offset of the next head of a record, or the size of the source.
absl::StatusOr<uint64_t> RecordingReader::find_record(uint64_t offset) {
  std::string chunk;
  const uint64_t size = source_.size();
  while (size - offset >= kRecordHeadBytes) {
    const uint64_t count = std::min<uint64_t>(kSearchBytes, size - offset);
    if (absl::Status status = read(offset, count, chunk); !status.ok()) return status;
    const std::string_view view(chunk);
    for (size_t at = view.find(kRecordMagicText); at != std::string_view::npos;
         at = view.find(kRecordMagicText, at + 1)) {
      if (view.size() - at < kRecordHeadBytes) break;
      if (parse_record_head(view.substr(at)).has_value()) return offset + at;
    }
    if (count == size - offset) break;
    offset += count - (kRecordHeadBytes - 1);
  }
  return size;
}

absl::Status RecordingReader::read_notes() {
  uint64_t kept = 0;
  for (const RecordPlace& place : places_) {
    if (place.is(RecordKind::kBlock)) continue;
    auto record = read_record(place);
    absl::Status status = record.status();
    if (status.ok() && is_too_long(record->fixed))
      status = absl::DataLossError("a note beyond the limits");
    if (status.ok()) {
      if (is_known(place.kind)) kept += record->payload.size();
      if (kept > kMaxKeptBytes)
        return absl::ResourceExhaustedError("the recording has too many names and readings");
      status = place.is(RecordKind::kEnd) ? note_end(place, *record) : keep_note(*record);
    }
    if (status.ok()) {
      if (place.is(RecordKind::kGap)) gap_offsets_.push_back(place.offset);
      continue;
    }
    if (status.code() != absl::StatusCode::kDataLoss) return status;
    Damage damage;
    damage.offset = place.offset;
    damage.bytes = place.bytes;
    damage.breaks_stream = is_of_stream(place.kind);
    damage.what = absl::StrCat("a record of kind ", place.kind, " that is no event block");
    add_damage(std::move(damage));
  }
  return absl::OkStatus();
}

absl::Status RecordingReader::note_end(const RecordPlace& place, const RawRecord& record) {
  auto end = parse_end_head(record.head);
  if (!end.ok()) return end.status();
  contents_.end_ns = end->end_ns;
  contents_.finished = place.offset + place.bytes == source_.size();
  return absl::OkStatus();
}

namespace {

template <typename Note>
absl::Status keep(std::string_view payload, std::vector<Note>& notes) {
  Note note;
  absl::Status status = parse_payload(payload, note);
  if (status.ok()) notes.push_back(std::move(note));
  return status;
}

}  // namespace

absl::Status RecordingReader::keep_note(const RawRecord& record) {
  switch (static_cast<RecordKind>(record.fixed.kind)) {
    case RecordKind::kArea:
      return keep(record.payload, contents_.areas);
    case RecordKind::kCgroup:
      return keep(record.payload, contents_.cgroups);
    case RecordKind::kProcess:
      return keep(record.payload, contents_.processes);
    case RecordKind::kReading:
      return keep(record.payload, contents_.readings);
    case RecordKind::kGap:
      return keep(record.payload, contents_.gaps);
    case RecordKind::kHeader:
    case RecordKind::kBlock:
    case RecordKind::kIndex:
    case RecordKind::kEnd:
      return absl::OkStatus();
  }
  ++contents_.unknown_records;
  contents_.unknown_bytes += record.fixed.total_bytes();
  return absl::OkStatus();
}

void RecordingReader::sum_up() {
  for (const RecordPlace& place : places_) {
    if (!place.is(RecordKind::kBlock)) continue;
    ++contents_.blocks;
    contents_.block_bytes += place.bytes;
    contents_.events += place.events;
    contents_.losses += place.losses;
    if (place.events == 0 && place.losses == 0) continue;  // its head is damaged
    if (contents_.first_ns == 0 || place.first_ns < contents_.first_ns)
      contents_.first_ns = place.first_ns;
    contents_.last_ns = std::max(contents_.last_ns, place.last_ns);
  }
  if (!contents_.finished) contents_.end_ns = contents_.last_ns;
}

}  // namespace swaptrail::recording
