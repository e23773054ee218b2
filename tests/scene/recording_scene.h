// A small recording with everything in it, and short ways to write and read one.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/scene/recording_stream.h"
#include "trace/recording/edit.h"
#include "trace/recording/reader.h"
#include "trace/recording/writer.h"

namespace swaptrail {

inline std::string text_of(const absl::Status& status) { return std::string(status.message()); }

inline recording::RecordingHeader test_header() {
  recording::RecordingHeader header;
  header.program = "test 1";
  header.release = "6.12.1";
  header.machine = "x86_64";
  header.boot_id = "boot-a";
  header.mode = "full";
  header.mode_reason = "tracing works";
  header.cpus = 2;
  header.part = 3;
  header.monotonic_ns = 100;
  header.realtime_ns = 1'700'000'000'000'000'000;
  header.page_frames_base = 0xffffea0000000000;
  header.reconstruction.start_ns = 999'000'000;
  header.reconstruction.max_attempts = 77;
  header.hooks = {{"removed", "chosen", "__remove_mapping", "", "", 1 << 11},
                  {"split", "missing", "", "no symbol", "splits are not seen", 1 << 17}};
  return header;
}

inline recording::Reading test_reading(recording::Reading::Moment moment) {
  recording::Reading reading;
  reading.moment = moment;
  reading.at_ns = 5;
  reading.consumed = 1234;
  reading.totals.emitted[SWAPTRAIL_REMOVED] = 17;
  reading.totals.context_full = 3;
  reading.vmstat = {{"pswpin", 7}, {"pswpout", 9}};
  return reading;
}

inline absl::Status add_item(recording::RecordingWriter& writer, const StreamItem& item) {
  return item.is_loss ? writer.add(item.loss) : writer.add(item.event, item.sequence);
}

// The stream with notes before, between and after it.
inline std::string recording_of(const std::vector<StreamItem>& items, uint32_t block_events,
                                const recording::RecordingHeader& header = test_header(),
                                uint64_t end_ns = 0) {
  recording::StringSink sink;
  auto writer =
      recording::RecordingWriter::create(sink, header, {.block_events = block_events, .level = 1})
          .value();
  EXPECT_TRUE(writer->add(test_reading(recording::Reading::Moment::kBegin)).ok());
  EXPECT_TRUE(writer
                  ->add(recording::SwapArea{1, 1 << 20, recording::kUsedNotKnown, 2, -2,
                                            recording::Known::kNo, recording::Known::kYes,
                                            recording::Known::kUnknown, "/dev/zram0"})
                  .ok());
  for (size_t i = 0; i < items.size(); ++i) {
    if (i == items.size() / 2) {
      EXPECT_TRUE(writer->add(recording::CgroupName{5, 42, "/a b/\xff"}).ok());
      EXPECT_TRUE(writer->add(recording::ProcessName{6, 500, "victim"}).ok());
    }
    EXPECT_TRUE(add_item(*writer, items[i]).ok());
  }
  EXPECT_TRUE(writer->flush().ok());
  EXPECT_TRUE(writer->add(test_reading(recording::Reading::Moment::kEnd)).ok());
  EXPECT_TRUE(writer->finish(end_ns).ok());
  return std::move(sink.text);
}

struct Replay {
  absl::Status status;  // of open or for_each
  std::vector<StreamItem> items;
  recording::RecordingContents contents;  // if it could be opened
  bool opened = false;
};

inline Replay replay(std::string_view bytes, uint64_t from_ns = 0, uint64_t to_ns = UINT64_MAX) {
  Replay result;
  const recording::ViewSource source(bytes);
  auto reader = recording::RecordingReader::open(source);
  result.status = reader.status();
  if (!reader.ok()) return result;
  result.opened = true;
  StreamSink sink;
  result.status = (*reader)->for_each(sink, from_ns, to_ns);
  result.items = std::move(sink.items);
  result.contents = (*reader)->contents();
  return result;
}

// All events and losses as they are in the blocks, valid or not.
inline std::vector<StreamItem> read_raw(std::string_view bytes) {
  const recording::ViewSource source(bytes);
  auto reader = recording::RecordingReader::open(source).value();
  std::vector<StreamItem> items;
  recording::RecordedBlock block;
  while (reader->next_block(block).value()) {
    size_t loss = 0;
    for (uint32_t i = 0; i <= block.events.size(); ++i) {
      for (; loss < block.losses.size() && block.losses[loss].before_event == i; ++loss)
        items.push_back({true, {}, 0, block.losses[loss].loss});
      if (i < block.events.size())
        items.push_back({false, block.events[i].event, block.events[i].sequence, {}});
    }
  }
  return items;
}

inline bool is_prefix(const std::vector<StreamItem>& some, const std::vector<StreamItem>& all) {
  return some.size() <= all.size() && std::equal(some.begin(), some.end(), all.begin());
}

// A record of the file, found by its place in the index.
inline std::vector<recording::RecordPlace> places_of(std::string_view bytes) {
  const recording::ViewSource source(bytes);
  return recording::RecordingReader::open(source).value()->places();
}

}  // namespace swaptrail
