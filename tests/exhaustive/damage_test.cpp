// Recordings, one of them of a real kernel, damaged in every place.
#include <fstream>
#include <sstream>

#include "tests/exhaustive/stride.h"
#include "tests/scene/recording_scene.h"

namespace swaptrail {
namespace {

constexpr const char* kGolden = SWAPTRAIL_TEST_DATA "/recordings/5.10-nvme-thp.swaptrail";

std::string golden() {
  std::ifstream file(kGolden, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return std::move(bytes).str();
}

TEST(RecordingGolden, EveryFlippedByteIsTold) {
  const std::string whole = golden();
  const Replay good = replay(whole);
  ASSERT_TRUE(good.status.ok()) << good.status;
  ASSERT_GT(good.items.size(), 100u);
  for (size_t at = 0; at < whole.size(); at += kStride) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(~bytes[at]);
    const Replay back = replay(bytes);
    EXPECT_FALSE(back.status.ok()) << at;
    EXPECT_TRUE(is_prefix(back.items, good.items)) << at;
  }
}

TEST(RecordingGolden, EveryTruncationIsTold) {
  const std::string whole = golden();
  const Replay good = replay(whole);
  ASSERT_TRUE(good.status.ok()) << good.status;
  for (size_t length = 0; length < whole.size(); length += kStride) {
    const Replay back = replay(std::string_view(whole).substr(0, length));
    EXPECT_TRUE(is_prefix(back.items, good.items)) << length;
    // between two records nothing is torn, but the end is missing
    EXPECT_FALSE(back.status.ok() && back.contents.finished) << length;
  }
}

// The stream is what stands in complete blocks, and the rest is reported with its place and size.
TEST(RecordingFile, EveryTruncation) {
  const auto stream = make_stream({.cpus = 2, .events_per_cpu = 40, .lose_every = 15});
  const std::string whole = recording_of(stream, 16);
  const auto places = places_of(whole);
  for (size_t length = 0; length < whole.size(); length += kStride) {
    const Replay back = replay(std::string_view(whole).substr(0, length));
    if (length < places[0].offset + places[0].bytes) {
      EXPECT_FALSE(back.opened) << length;
      EXPECT_FALSE(back.status.ok()) << length;
      continue;
    }
    ASSERT_TRUE(back.opened) << length << back.status;
    uint64_t complete = 0, end = 0;
    for (const recording::RecordPlace& place : places) {
      if (place.offset + place.bytes > length) break;
      complete += place.events + place.losses;
      end = place.offset + place.bytes;
    }
    EXPECT_EQ(back.items.size(), complete) << length;
    EXPECT_TRUE(is_prefix(back.items, stream)) << length;
    EXPECT_FALSE(back.contents.finished) << length;
    EXPECT_EQ(back.status.ok(), end == length) << length << back.status;
    if (end == length) continue;
    EXPECT_EQ(back.status.code(), absl::StatusCode::kDataLoss);
    ASSERT_EQ(back.contents.damages.size(), 1u);
    EXPECT_TRUE(back.contents.damages[0].torn);
    EXPECT_EQ(back.contents.damages[0].offset, end);
    EXPECT_EQ(back.contents.damages[0].bytes, length - end);
    EXPECT_NE(text_of(back.status).find("byte " + std::to_string(end)), std::string::npos);
  }
}

TEST(RecordingFile, EveryFlippedByte) {
  const auto stream = make_stream({.cpus = 2, .events_per_cpu = 40, .lose_every = 15});
  const std::string whole = recording_of(stream, 16);
  for (size_t at = 0; at < whole.size(); at += kStride) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      const Replay back = replay(bytes);
      EXPECT_FALSE(back.status.ok()) << at;
      EXPECT_TRUE(is_prefix(back.items, stream)) << at;
      if (back.opened) {
        EXPECT_EQ(back.status.code(), absl::StatusCode::kDataLoss) << at;
        const recording::ViewSource source(bytes);
        const auto inspection = recording::verify_recording(source);
        ASSERT_TRUE(inspection.ok());
        ASSERT_EQ(inspection->damages.size(), 1u) << at;
        EXPECT_LE(inspection->damages[0].offset, at);
        EXPECT_GT(inspection->damages[0].offset + inspection->damages[0].bytes, at);
      }
    }
  }
}

}  // namespace
}  // namespace swaptrail
