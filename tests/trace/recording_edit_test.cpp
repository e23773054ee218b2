// Verify, repair, cut and merge.
#include "trace/recording/edit.h"

#include <gtest/gtest.h>

#include "tests/scene/recording_scene.h"

namespace swaptrail::recording {
namespace {

const RecordingWriter::Options kSmall{.block_events = 50, .level = 1};

std::vector<StreamItem> stream_of(uint32_t lose_every = 40) {
  return make_stream({.cpus = 2, .events_per_cpu = 300, .lose_every = lose_every});
}

uint64_t lost_in(const std::vector<StreamItem>& items) {
  uint64_t sum = 0;
  for (const StreamItem& item : items) sum += item.loss.count;
  return sum;
}

std::vector<StreamItem> events_of(const std::vector<StreamItem>& items) {
  std::vector<StreamItem> events;
  for (const StreamItem& item : items)
    if (!item.is_loss) events.push_back(item);
  return events;
}

std::string merged(const std::vector<std::string>& parts) {
  std::vector<ViewSource> sources(parts.begin(), parts.end());
  std::vector<const ByteSource*> pointers;
  for (const ViewSource& source : sources) pointers.push_back(&source);
  StringSink out;
  const auto counters = merge_recordings(pointers, out, kSmall);
  EXPECT_TRUE(counters.ok()) << counters.status();
  return std::move(out.text);
}

TEST(RecordingVerify, Clean) {
  const auto stream = stream_of();
  const std::string bytes = recording_of(stream, 50);
  const ViewSource source(bytes);
  const auto inspection = verify_recording(source);
  ASSERT_TRUE(inspection.ok());
  EXPECT_TRUE(inspection->clean());
  EXPECT_TRUE(inspection->indexed);
  EXPECT_EQ(inspection->events + inspection->losses, stream.size());
}

TEST(RecordingRepair, TornTail) {
  const auto stream = stream_of();
  const std::string whole = recording_of(stream, 50);
  for (size_t length = 400; length < whole.size(); length += 37) {
    const std::string torn = whole.substr(0, length);
    const Replay before = replay(torn);
    if (!before.opened) continue;
    const ViewSource source(torn);
    StringSink out;
    const auto inspection = repair_recording(source, out);
    ASSERT_TRUE(inspection.ok()) << inspection.status();
    EXPECT_EQ(inspection->damages.size(), before.status.ok() ? 0u : 1u);
    const Replay after = replay(out.text);
    EXPECT_TRUE(after.status.ok()) << after.status;
    EXPECT_TRUE(after.contents.finished);
    EXPECT_TRUE(after.contents.indexed);
    EXPECT_EQ(after.items, before.items);
    EXPECT_EQ(after.contents.cgroups.size(), before.contents.cgroups.size());
    const ViewSource repaired(out.text);
    EXPECT_TRUE(verify_recording(repaired)->clean());
  }
}

TEST(RecordingRepair, HoleBecomesAGap) {
  const auto stream = stream_of(0);
  const std::string whole = recording_of(stream, 50);
  for (const RecordPlace& place : places_of(whole)) {
    if (!place.is(RecordKind::kBlock) || place.first_event + place.events == stream.size())
      continue;
    for (const uint32_t into : {5u, place.bytes / 2}) {
      std::string damaged = whole;
      damaged[place.offset + into] ^= 1;
      const ViewSource source(damaged);
      StringSink out;
      ASSERT_TRUE(repair_recording(source, out).ok());
      const Replay after = replay(out.text);
      ASSERT_TRUE(after.status.ok()) << after.status;
      EXPECT_EQ(events_of(after.items).size(), stream.size() - place.events);
      ASSERT_EQ(after.contents.gaps.size(), 1u);
      // The first block has no sequences before it to compare with, but its events have numbers.
      EXPECT_EQ(after.contents.gaps[0].events(), place.events) << place.first_event;
      EXPECT_EQ(after.contents.gaps[0].cpus.size(), place.first_event == 0 ? 1u : 2u);
    }
  }
}

TEST(RecordingRepair, KeepsUnknownRecords) {
  std::string bytes = recording_of(stream_of(), 50);
  std::string unknown;
  make_record(99, "head", "payload", unknown);
  bytes.insert(places_of(bytes)[1].offset, unknown);
  const ViewSource source(bytes);
  StringSink out;
  ASSERT_TRUE(repair_recording(source, out).ok());
  EXPECT_EQ(replay(out.text).contents.unknown_bytes, unknown.size());
}

TEST(RecordingCut, KeepsWhatIsInside) {
  const auto stream = stream_of();
  const std::string bytes =
      recording_of(stream, 50, test_header(), stream.back().event.time_ns + 1);
  const ViewSource source(bytes);
  const auto time_of = [](const StreamItem& item) {
    return item.is_loss ? item.loss.to_ns : uint64_t{item.event.time_ns};
  };
  const uint64_t from = time_of(stream[123]), to = time_of(stream[456]);
  StringSink out;
  const auto counters = cut_recording(source, out, from, to, kSmall);
  ASSERT_TRUE(counters.ok()) << counters.status();
  std::vector<StreamItem> expected;
  for (const StreamItem& item : stream)
    if (time_of(item) >= from && time_of(item) < to) expected.push_back(item);
  const Replay back = replay(out.text);
  ASSERT_TRUE(back.status.ok()) << back.status;
  EXPECT_EQ(back.items, expected);
  EXPECT_EQ(back.items, replay(bytes, from, to).items);
  EXPECT_EQ(back.contents.end_ns, to);
  EXPECT_EQ(back.contents.header.reconstruction.start_ns, from);
  EXPECT_EQ(back.contents.cgroups.size(), 1u);
  EXPECT_TRUE(back.contents.readings.empty());
  StringSink nothing;
  EXPECT_EQ(cut_recording(source, nothing, 5, 5, kSmall).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(RecordingMerge, PartsMakeTheWhole) {
  const auto stream = stream_of();
  for (const size_t overlap : {size_t{0}, size_t{60}}) {
    const std::vector<StreamItem> first(stream.begin(), stream.begin() + 250 + overlap);
    const std::vector<StreamItem> second(stream.begin() + 250, stream.end());
    const Replay back =
        replay(merged({recording_of(second, 50, test_header(), 777), recording_of(first, 50)}));
    ASSERT_TRUE(back.status.ok()) << back.status;
    EXPECT_EQ(back.items, stream) << overlap;
    EXPECT_EQ(back.contents.cgroups.size(), 1u);
    EXPECT_EQ(back.contents.readings.size(), 2u);
    EXPECT_EQ(back.contents.end_ns, 777u);
  }
}

TEST(RecordingMerge, MissingPartIsTold) {
  const auto stream = stream_of(0);
  const std::vector<StreamItem> first(stream.begin(), stream.begin() + 200);
  const std::vector<StreamItem> third(stream.begin() + 300, stream.end());
  const Replay back = replay(merged({recording_of(first, 50), recording_of(third, 50)}));
  EXPECT_EQ(events_of(back.items).size(), stream.size() - 100);
  EXPECT_EQ(lost_in(back.items), 100u);
}

TEST(RecordingMerge, OtherObservationsAreRefused) {
  RecordingHeader other = test_header();
  other.boot_id = "boot-b";
  const std::string a = recording_of({}, 16), b = recording_of({}, 16, other);
  const ViewSource source_a(a), source_b(b);
  StringSink out;
  EXPECT_EQ(merge_recordings({&source_a, &source_b}, out, kSmall).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(merge_recordings({}, out, kSmall).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(out.text.empty());
}

}  // namespace
}  // namespace swaptrail::recording
