// The writer when the sink refuses, and its bookkeeping.
#include "trace/recording/writer.h"

#include <gtest/gtest.h>

#include "tests/scene/recording_scene.h"

namespace swaptrail::recording {
namespace {

// A disk with room for some bytes.
class SmallDisk : public ByteSink {
 public:
  absl::Status append(std::string_view bytes) override {
    if (bytes.size() > room) return absl::ResourceExhaustedError("disk full");
    room -= bytes.size();
    text.append(bytes);
    return absl::OkStatus();
  }
  size_t room = SIZE_MAX;
  std::string text;
};

TEST(RecordingWriter, Options) {
  StringSink sink;
  for (const uint32_t events : {0u, kMaxBlockEvents + 1})
    EXPECT_EQ(
        RecordingWriter::create(sink, {}, {.block_events = events, .level = 1}).status().code(),
        absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(RecordingWriter::create(sink, {}, {.block_events = 1, .level = 99}).ok());
  EXPECT_TRUE(sink.text.empty());
  SmallDisk full;
  full.room = 10;
  EXPECT_EQ(RecordingWriter::create(full, {}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(RecordingWriter, LossOfAnOddCpu) {
  StringSink sink;
  auto writer = RecordingWriter::create(sink, {}).value();
  EXPECT_EQ(writer->add(Loss{1, 2, 3, kMaxRecordedCpu + 1}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(writer->add(Loss{1, 2, 3, kMaxRecordedCpu}).ok());
}

TEST(RecordingWriter, FlushMakesABlock) {
  StringSink sink;
  auto writer = RecordingWriter::create(sink, {}).value();
  const size_t before = sink.text.size();
  EXPECT_TRUE(writer->flush().ok());
  EXPECT_EQ(sink.text.size(), before);
  const auto stream = make_stream({.cpus = 1, .events_per_cpu = 5});
  for (const StreamItem& item : stream) ASSERT_TRUE(add_item(*writer, item).ok());
  EXPECT_EQ(sink.text.size(), before);
  EXPECT_EQ(writer->events_waiting(), 5u);
  EXPECT_TRUE(writer->flush().ok());
  EXPECT_EQ(writer->events_waiting(), 0u);
  EXPECT_EQ(writer->counters().events, 5u);
  EXPECT_EQ(replay(sink.text).items, stream);  // what a crash would leave
}

// Nothing is lost without a report: recorded + reported in gaps = added.
TEST(RecordingWriter, DiskFull) {
  const auto stream = make_stream({.cpus = 2, .events_per_cpu = 500, .lose_every = 40});
  uint64_t added = 0, lost = 0;
  SmallDisk disk;
  auto writer =
      RecordingWriter::create(disk, test_header(), {.block_events = 64, .level = 1}).value();
  int errors = 0;
  for (size_t i = 0; i < stream.size(); ++i) {
    if (i == 300) disk.room = 100;
    if (i == 600) {
      EXPECT_TRUE(writer->paused());
      ASSERT_TRUE(writer->add(ProcessName{1, 2, "waits"}).ok());
      disk.room = 10;
      EXPECT_FALSE(writer->resume(stream[i - 1].event.time_ns).ok());
      disk.room = SIZE_MAX;
      EXPECT_TRUE(writer->resume(stream[i - 1].event.time_ns).ok());
      EXPECT_FALSE(writer->paused());
    }
    stream[i].is_loss ? lost += stream[i].loss.count : ++added;
    if (!add_item(*writer, stream[i]).ok()) ++errors;
  }
  ASSERT_TRUE(writer->finish(1).ok());
  EXPECT_EQ(errors, 1);
  EXPECT_EQ(writer->counters().gaps, 1u);
  EXPECT_EQ(writer->counters().events + writer->counters().skipped, added);

  const Replay back = replay(disk.text);
  ASSERT_TRUE(back.status.ok()) << back.status;
  ASSERT_EQ(back.contents.gaps.size(), 1u);
  const Gap& gap = back.contents.gaps[0];
  EXPECT_EQ(gap.reason, "disk full");
  EXPECT_EQ(gap.events(), writer->counters().skipped);
  EXPECT_LT(gap.from_ns, gap.to_ns);
  EXPECT_EQ(back.contents.processes.size(), 1u);
  uint64_t events = 0, told = 0;
  for (const StreamItem& item : back.items) item.is_loss ? told += item.loss.count : ++events;
  EXPECT_EQ(events, writer->counters().events);
  EXPECT_EQ(events + told, added + lost);
  const ViewSource source(disk.text);
  EXPECT_TRUE(verify_recording(source)->clean());
}

TEST(RecordingWriter, NoteFindsTheDiskFull) {
  const auto stream = make_stream({.cpus = 1, .events_per_cpu = 30});
  SmallDisk disk;
  auto writer = RecordingWriter::create(disk, test_header()).value();
  for (size_t i = 0; i < 10; ++i) ASSERT_TRUE(add_item(*writer, stream[i]).ok());
  disk.room = 0;
  EXPECT_EQ(writer->add(CgroupName{1, 2, "/x"}).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(writer->paused());
  for (size_t i = 10; i < 20; ++i) ASSERT_TRUE(add_item(*writer, stream[i]).ok());
  disk.room = SIZE_MAX;
  ASSERT_TRUE(writer->resume(stream[19].event.time_ns).ok());
  for (size_t i = 20; i < 30; ++i) ASSERT_TRUE(add_item(*writer, stream[i]).ok());
  ASSERT_TRUE(writer->finish(1).ok());
  const Replay back = replay(disk.text);
  ASSERT_EQ(back.contents.gaps.size(), 1u);
  EXPECT_EQ(back.contents.gaps[0].events(), 20u);
  EXPECT_EQ(back.contents.cgroups.size(), 1u);
  EXPECT_EQ(back.items.size(), 11u);
}

// The disk is full again in the middle of what waited: nothing is written twice or forgotten.
TEST(RecordingWriter, DiskFullAgain) {
  SmallDisk disk;
  auto writer = RecordingWriter::create(disk, test_header()).value();
  writer->pause("told to", 1);
  for (uint64_t i = 0; i < 5; ++i)
    ASSERT_TRUE(writer->add(CgroupName{1, i, std::string(200, 'x')}).ok());
  disk.room = 850;
  EXPECT_FALSE(writer->resume(2).ok());
  EXPECT_TRUE(writer->paused());
  disk.room = SIZE_MAX;
  ASSERT_TRUE(writer->finish(3).ok());
  const Replay back = replay(disk.text);
  ASSERT_EQ(back.contents.cgroups.size(), 5u);
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(back.contents.cgroups[i].id, i);
  EXPECT_EQ(back.contents.gaps.size(), 2u);
}

TEST(RecordingWriter, NotesThatWaitAreBounded) {
  SmallDisk disk;
  auto writer = RecordingWriter::create(disk, test_header()).value();
  writer->pause("told to", 77);
  for (uint64_t i = 0; i < 100; ++i)
    ASSERT_TRUE(writer->add(CgroupName{1, i, std::string(30'000, 'x')}).ok());
  EXPECT_GT(writer->counters().notes_lost, 60u);
  ASSERT_TRUE(writer->finish(99).ok());
  const Replay back = replay(disk.text);
  EXPECT_EQ(back.contents.cgroups.size() + writer->counters().notes_lost, 100u);
  ASSERT_EQ(back.contents.gaps.size(), 1u);
  EXPECT_EQ(back.contents.gaps[0].reason, "told to");
  EXPECT_EQ(back.contents.gaps[0].from_ns, 77u);
  EXPECT_EQ(back.contents.gaps[0].to_ns, 99u);
}

TEST(RecordingWriter, FinishOnce) {
  StringSink sink;
  auto writer = RecordingWriter::create(sink, {}).value();
  EXPECT_TRUE(writer->finish(1).ok());
  EXPECT_FALSE(writer->finish(1).ok());
}

}  // namespace
}  // namespace swaptrail::recording
