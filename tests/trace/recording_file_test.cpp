// The frame of a recording: what is damaged or torn is reported, never guessed at.
#include "trace/recording/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include "tests/scene/recording_scene.h"

namespace swaptrail::recording {
namespace {

std::vector<StreamItem> small_stream() {
  return make_stream({.cpus = 2, .events_per_cpu = 40, .lose_every = 15});
}

TEST(RecordingFile, ContentsComeBack) {
  const auto stream = small_stream();
  const Replay back = replay(recording_of(stream, 16, test_header(), 123'456));
  ASSERT_TRUE(back.status.ok()) << back.status;
  EXPECT_EQ(back.items, stream);
  const RecordingContents& contents = back.contents;
  EXPECT_EQ(make_payload(contents.header), make_payload(test_header()));
  EXPECT_EQ(contents.header.hooks.at(1).costs, "splits are not seen");
  EXPECT_EQ(contents.header.reconstruction.max_attempts, 77u);
  EXPECT_EQ(contents.header.mode_reason, "tracing works");
  EXPECT_EQ(contents.areas.at(0).path, "/dev/zram0");
  EXPECT_EQ(contents.areas.at(0).priority, -2);
  EXPECT_EQ(contents.areas.at(0).synchronous, Known::kYes);
  EXPECT_EQ(contents.cgroups.at(0).path, "/a b/\xff");
  EXPECT_EQ(contents.processes.at(0).name, "victim");
  ASSERT_EQ(contents.readings.size(), 2u);
  EXPECT_EQ(contents.readings[1].moment, Reading::Moment::kEnd);
  EXPECT_EQ(contents.readings[1].totals.context_full, 3u);
  EXPECT_EQ(contents.readings[1].vmstat.at(1).second, 9u);
  EXPECT_TRUE(contents.finished);
  EXPECT_TRUE(contents.indexed);
  EXPECT_EQ(contents.end_ns, 123'456u);
  EXPECT_EQ(contents.events + contents.losses, stream.size());
}

TEST(RecordingFile, IndexIsRebuilt) {
  const auto stream = small_stream();
  const std::string whole = recording_of(stream, 16);
  const auto places = places_of(whole);
  // Without index and end, as after kill -9.
  const Replay cut = replay(whole.substr(0, places[places.size() - 2].offset));
  ASSERT_TRUE(cut.status.ok()) << cut.status;
  EXPECT_EQ(cut.items, stream);
  EXPECT_FALSE(cut.contents.indexed);
  EXPECT_FALSE(cut.contents.finished);
  EXPECT_EQ(cut.contents.end_ns, cut.contents.last_ns);
  // What was found by scanning is what stood in the index.
  const std::string rest = whole.substr(0, places[places.size() - 2].offset);
  const auto scanned = places_of(rest);
  ASSERT_EQ(scanned.size(), places.size() - 2);
  std::string a, b;
  put_index(scanned, a);
  put_index({places.begin(), places.end() - 2}, b);
  EXPECT_EQ(a, b);
}

// Every block behind a damage can still be read, by somebody who wants it.
TEST(RecordingFile, GoesOnBehindDamage) {
  const auto stream = make_stream({.cpus = 1, .events_per_cpu = 64});
  std::string bytes = recording_of(stream, 16);
  const auto places = places_of(bytes);
  size_t second = 0;
  for (size_t i = 0, blocks = 0; i < places.size(); ++i)
    if (places[i].is(RecordKind::kBlock) && ++blocks == 2) second = i;
  for (const uint64_t into :
       {uint64_t{1}, kRecordHeadBytes + 3, uint64_t{places[second].bytes - 1}}) {
    std::string flipped = bytes;
    flipped[places[second].offset + into] ^= 4;
    for (const bool indexed : {true, false}) {
      if (!indexed) flipped.resize(places[places.size() - 2].offset);
      const ViewSource source(flipped);
      auto reader = RecordingReader::open(source).value();
      RecordedBlock block;
      std::string seen;
      for (int i = 0; i < 5; ++i) {
        auto more = reader->next_block(block);
        seen += !more.ok() ? 'x'
                : *more    ? static_cast<char>('0' + block.head.first_event / 16)
                           : '.';
      }
      EXPECT_EQ(seen, "0x23.") << into << indexed;
      for (const Damage& damage : reader->contents().damages) EXPECT_FALSE(damage.torn);
    }
  }
}

TEST(RecordingFile, MissingBlockIsNoticed) {
  const auto stream = make_stream({.cpus = 1, .events_per_cpu = 64});
  std::string bytes = recording_of(stream, 16);
  for (const RecordPlace& place : places_of(bytes)) {
    if (!place.is(RecordKind::kBlock) || place.first_event != 16) continue;
    bytes.erase(place.offset, place.bytes);
    break;
  }
  const Replay back = replay(bytes);
  EXPECT_EQ(back.status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(back.items.size(), 16u);
}

// An index that is intact but incomplete is not trusted.
TEST(RecordingFile, IndexMustAccountForEveryByte) {
  const std::string whole = recording_of(small_stream(), 16);
  const auto places = places_of(whole);
  const RecordPlace& index = places[places.size() - 2];
  std::string unknown, end_head, end;
  make_record(99, {}, "payload", unknown);
  put_end_head({5, index.offset + unknown.size(), 80}, end_head);
  make_record(static_cast<uint16_t>(RecordKind::kEnd), end_head, {}, end);
  const Replay back = replay(whole.substr(0, index.offset) + unknown +
                             whole.substr(index.offset, index.bytes) + end);
  EXPECT_TRUE(back.status.ok()) << back.status;
  EXPECT_FALSE(back.contents.indexed);
  EXPECT_EQ(back.contents.unknown_records, 1u);
}

// However long the damage is, the record behind it is found.
TEST(RecordingFile, SearchFindsTheNextRecord) {
  const auto stream = make_stream({.cpus = 1, .events_per_cpu = 64});
  const std::string whole = recording_of(stream, 16);
  const uint64_t at = places_of(whole)[1].offset;
  for (uint64_t length = (64 << 10) - 60; length < (64 << 10) + 20; ++length) {
    std::string bytes = whole;
    bytes.insert(at, std::string(length, 'S'));
    const ViewSource source(bytes);
    const auto inspection = verify_recording(source);
    ASSERT_EQ(inspection->damages.size(), 1u) << length;
    EXPECT_EQ(inspection->damages[0].offset, at);
    EXPECT_EQ(inspection->damages[0].bytes, length);
    EXPECT_EQ(inspection->events, stream.size());
  }
}

// The live path lets no such event through, so the reconstructor must not see one.
TEST(RecordingFile, EventsOfNoKnownKindAreRefused) {
  auto stream = make_stream({.cpus = 1, .events_per_cpu = 64});
  stream[40].event.kind = SWAPTRAIL_KIND_END;
  const std::string bytes = recording_of(stream, 16);
  const Replay back = replay(bytes);
  EXPECT_EQ(back.status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(back.items.size(), 40u);
  const ViewSource source(bytes);
  EXPECT_EQ(verify_recording(source)->damages.size(), 1u);
}

TEST(RecordingFile, UnknownKindsAreSkipped) {
  const auto stream = small_stream();
  std::string bytes = recording_of(stream, 16);
  std::string unknown;
  make_record(99, "head", "payload of the future", unknown);
  const auto places = places_of(bytes);
  bytes.insert(places[2].offset, unknown);  // the index is wrong now, too
  bytes.insert(places[1].offset, unknown);
  const Replay back = replay(bytes);
  EXPECT_TRUE(back.status.ok()) << back.status;
  EXPECT_EQ(back.items, stream);
  EXPECT_EQ(back.contents.unknown_records, 2u);
  EXPECT_EQ(back.contents.unknown_bytes, 2 * unknown.size());
}

TEST(RecordingFile, NewerMinorAddsFields) {
  std::string longer;
  make_record(static_cast<uint16_t>(RecordKind::kCgroup), {},
              make_payload(CgroupName{5, 43, "/new"}) + "more fields", longer);
  std::string bytes = recording_of({}, 16);
  bytes.insert(places_of(bytes)[1].offset, longer);
  const Replay back = replay(bytes);
  EXPECT_TRUE(back.status.ok()) << back.status;
  EXPECT_EQ(back.contents.cgroups.at(0).path, "/new");
}

std::string with_preamble(uint16_t major, const std::string& bytes) {
  std::string preamble = bytes.substr(0, 16);
  preamble[8] = static_cast<char>(major);
  const uint64_t hash = xxhash64(preamble);
  preamble.append(reinterpret_cast<const char*>(&hash), sizeof(hash));
  return preamble + bytes.substr(kPreambleBytes);
}

TEST(RecordingFile, NewerMajorIsRefused) {
  const std::string bytes = recording_of(small_stream(), 16);
  EXPECT_TRUE(replay(with_preamble(kRecordingMajor, bytes)).status.ok());
  const Replay newer = replay(with_preamble(kRecordingMajor + 1, bytes));
  EXPECT_EQ(newer.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(text_of(newer.status).find("2."), std::string::npos) << newer.status;
  EXPECT_NE(text_of(newer.status).find("newer swaptrail"), std::string::npos);
}

TEST(RecordingFile, OtherEventAbiIsRefused) {
  RecordingHeader header = test_header();
  header.event_abi = SWAPTRAIL_ABI_VERSION + 1;
  const Replay back = replay(recording_of({}, 16, header));
  EXPECT_EQ(back.status.code(), absl::StatusCode::kFailedPrecondition) << back.status;
}

TEST(RecordingFile, NotARecording) {
  EXPECT_EQ(replay("").status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(replay("#!/bin/sh\n").status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(replay(std::string(4096, '\0')).status.code(), absl::StatusCode::kInvalidArgument);
}

// Lengths that no writer makes are refused before memory is allocated for them.
TEST(RecordingFile, Limits) {
  std::string bytes = recording_of({}, 16);
  const uint64_t behind_header = places_of(bytes)[1].offset;
  std::string big;
  make_record(static_cast<uint16_t>(RecordKind::kCgroup), {},
              std::string(kMaxNotePayloadBytes + 1, 'x'), big);
  std::string much = bytes;
  much.insert(behind_header, big);
  EXPECT_EQ(replay(much).status.code(), absl::StatusCode::kDataLoss);

  BlockHead head;
  head.events = kMaxBlockEvents + 1;
  std::string head_bytes, block;
  put_block_head(head, head_bytes);
  make_record(static_cast<uint16_t>(RecordKind::kBlock), head_bytes, "x", block);
  much = bytes;
  much.insert(behind_header, block);
  EXPECT_EQ(replay(much).status.code(), absl::StatusCode::kDataLoss);

  std::string fixed;
  make_record(static_cast<uint16_t>(RecordKind::kBlock), std::string(kMaxHeadBytes + 1, 'x'), "",
              fixed);
  EXPECT_FALSE(parse_record_head(fixed).has_value());
  make_record(99, {}, {}, fixed);
  const uint32_t too_long = kMaxPayloadBytes + 1;
  std::memcpy(fixed.data() + 12, &too_long, sizeof(too_long));
  const uint64_t hash = xxhash64(std::string_view(fixed).substr(0, 32));
  std::memcpy(fixed.data() + 32, &hash, sizeof(hash));
  EXPECT_FALSE(parse_record_head(fixed).has_value());
  Reading reading;
  EXPECT_EQ(parse_payload(std::string(64, '\xff'), reading).code(), absl::StatusCode::kDataLoss);
  RecordingHeader header;
  EXPECT_FALSE(parse_payload(make_payload(test_header()).substr(0, 150), header).ok());
}

TEST(RecordingFile, TwoFilesInOneAreNoticed) {
  const std::string bytes = recording_of(small_stream(), 16);
  EXPECT_EQ(replay(bytes + bytes).status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(replay(bytes + std::string(1000, '\0')).status.code(), absl::StatusCode::kDataLoss);
}

class OnDisk : public testing::Test {
 protected:
  OnDisk() : path_(testing::TempDir() + "recording_test_" + std::to_string(getpid())) {}
  ~OnDisk() override { std::remove(path_.c_str()); }
  const std::string path_;
};

TEST_F(OnDisk, RoundTrip) {
  const auto stream = small_stream();
  {
    auto sink = FileSink::create(path_).value();
    auto writer = RecordingWriter::create(*sink, test_header()).value();
    for (const StreamItem& item : stream) ASSERT_TRUE(add_item(*writer, item).ok());
    ASSERT_TRUE(writer->finish(1).ok());
    ASSERT_TRUE(sink->sync().ok());
    EXPECT_EQ(sink->size(), writer->counters().bytes);
  }
  EXPECT_EQ(FileSink::create(path_).status().code(), absl::StatusCode::kAlreadyExists);
  auto source = FileSource::open(path_).value();
  auto reader = RecordingReader::open(*source).value();
  StreamSink sink;
  ASSERT_TRUE(reader->for_each(sink).ok());
  EXPECT_EQ(sink.items, stream);
  // Somebody cuts the file while it is open.
  ASSERT_EQ(truncate(path_.c_str(), 500), 0);
  StreamSink rest;
  EXPECT_EQ(reader->for_each(rest).code(), absl::StatusCode::kDataLoss);
}

TEST_F(OnDisk, Errors) {
  EXPECT_EQ(FileSource::open(path_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FileSource::open("/").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FileSink::create(path_ + "/x").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace swaptrail::recording
