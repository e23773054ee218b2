// What goes into the blocks comes out of them, byte for byte, whatever it is.
#include <gtest/gtest.h>

#include "tests/scene/recording_scene.h"
#include "trace/recording/block_decoder.h"
#include "trace/recording/block_encoder.h"
#include "trace/recording/varint.h"

namespace swaptrail::recording {
namespace {

TEST(RecordingVarint, RoundTrip) {
  for (int shift = 0; shift < 64; ++shift) {
    for (const uint64_t value : {uint64_t{1} << shift, (uint64_t{1} << shift) - 1, ~uint64_t{0}}) {
      uint8_t bytes[kMaxVarintBytes];
      const uint8_t* end = put_varint(bytes, value);
      ByteCursor cursor{bytes, end, false};
      EXPECT_EQ(cursor.varint(), value);
      EXPECT_TRUE(cursor.consumed());
      EXPECT_EQ(unzigzag<uint64_t>(zigzag(value)), value);
      EXPECT_EQ(unzigzag<uint64_t>(zigzag(0 - value)), 0 - value);
      ByteCursor cut{bytes, end - 1, false};
      cut.varint();
      EXPECT_TRUE(cut.bad) << value;
    }
  }
  EXPECT_EQ(zigzag<uint32_t>(0u - 1), 1u);
  EXPECT_EQ(zigzag<uint16_t>(static_cast<uint16_t>(-2)), 3u);
}

TEST(RecordingVarint, RefusesMoreThan64Bits) {
  const uint8_t bytes[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02};
  ByteCursor cursor{bytes, bytes + sizeof(bytes), false};
  cursor.varint();
  EXPECT_TRUE(cursor.bad);
}

TEST(RecordingCodec, AnyBytes) {
  for (const uint32_t block_events : {1u, 2u, 100u, 5000u}) {
    const auto noise = make_noise(3000, block_events);
    EXPECT_EQ(read_raw(recording_of(noise, block_events)), noise) << block_events;
  }
}

TEST(RecordingCodec, RealisticStreams) {
  for (const bool synchronous : {true, false}) {
    for (const uint32_t cpus : {1u, 2u, 7u}) {
      for (const uint32_t lose_every : {0u, 50u}) {
        StreamOptions options;
        options.cpus = cpus;
        options.events_per_cpu = 3000;
        options.synchronous = synchronous;
        options.lose_every = lose_every;
        const auto stream = make_stream(options);
        const auto bytes = recording_of(stream, 1000);
        const Replay back = replay(bytes);
        ASSERT_TRUE(back.status.ok()) << back.status;
        EXPECT_EQ(back.items, stream);
        EXPECT_LT(bytes.size(), stream.size() * 5);
      }
    }
  }
}

// One field after the other takes odd values in an otherwise steady stream.
TEST(RecordingCodec, EveryByteOfAnEventCounts) {
  auto stream = make_stream({.cpus = 1, .events_per_cpu = 400});
  for (size_t i = 0; i < stream.size(); ++i) {
    auto* bytes = reinterpret_cast<unsigned char*>(&stream[i].event);
    bytes[i % sizeof(swaptrail_event)] ^= static_cast<unsigned char>(1u << (i / 96));
  }
  EXPECT_EQ(read_raw(recording_of(stream, 128)), stream);
}

// CPUs and kinds that share a context of the history.
TEST(RecordingCodec, ManyCpus) {
  std::vector<StreamItem> stream;
  for (uint32_t i = 0; i < 9000; ++i) {
    StreamItem item;
    item.event.time_ns = 1000 + i;
    item.event.cpu = static_cast<uint16_t>(i * 7);
    item.event.kind = static_cast<uint8_t>(i * 31);
    item.sequence = i;
    stream.push_back(item);
  }
  const auto bytes = recording_of(stream, kMaxBlockEvents);
  EXPECT_EQ(read_raw(bytes), stream);
  for (const RecordPlace& place : places_of(bytes)) EXPECT_LE(place.events, kMaxBlockCpus);
}

// No block needs another: a reader may begin anywhere.
TEST(RecordingCodec, BlocksStandAlone) {
  const auto stream =
      make_stream({.cpus = 2, .events_per_cpu = 3000, .synchronous = false, .lose_every = 300});
  const std::string bytes = recording_of(stream, 500);
  const ViewSource source(bytes);
  auto reader = RecordingReader::open(source).value();
  auto backwards = reader->places();
  std::reverse(backwards.begin(), backwards.end());
  for (const RecordPlace& place : backwards) {
    if (!place.is(RecordKind::kBlock)) continue;
    reader->rewind();
    RecordedBlock block;
    do {
      ASSERT_TRUE(reader->next_block(block, place.last_ns, kNoEnd).value());
    } while (block.head.first_event != place.first_event);
    std::vector<swaptrail_event> events;
    uint64_t first = 0;
    for (const StreamItem& item : stream) {
      if (item.is_loss) continue;
      if (first++ >= place.first_event && events.size() < place.events)
        events.push_back(item.event);
    }
    ASSERT_EQ(block.events.size(), events.size());
    for (size_t i = 0; i < events.size(); ++i)
      ASSERT_EQ(std::memcmp(&block.events[i].event, &events[i], sizeof(events[i])), 0);
  }
}

TEST(RecordingCodec, OutOfOrderTimes) {
  auto stream = make_stream({.cpus = 2, .events_per_cpu = 300});
  std::swap(stream[10], stream[200]);
  stream[50].event.time_ns = 0;
  stream[51].event.time_ns = UINT64_MAX;
  for (const uint32_t block_events : {1u, 64u})
    EXPECT_EQ(replay(recording_of(stream, block_events)).items, stream);
}

TEST(RecordingCodec, OnlyLosses) {
  const std::vector<StreamItem> stream = {{true, {}, 0, {5, 9, 3, 1}}, {true, {}, 0, {9, 5, 1, 0}}};
  EXPECT_EQ(replay(recording_of(stream, 8)).items, stream);
}

TEST(RecordingCodec, HeadTellsWhatIsInTheBlock) {
  BlockEncoder encoder(100, 1);
  swaptrail_event event{};
  event.kind = SWAPTRAIL_REMOVED;
  const struct {
    uint16_t cpu;
    uint64_t time_ns, sequence;
  } events[] = {{1, 50, 7}, {0, 40, 3}, {1, 60, 6}};
  for (const auto& [cpu, time_ns, sequence] : events) {
    event.cpu = cpu;
    event.time_ns = time_ns;
    encoder.add(event, sequence);
  }
  encoder.add(Loss{10, 90, 5, 4});
  std::string payload;
  ASSERT_TRUE(encoder.seal(payload).ok());
  const BlockHead& head = encoder.head();
  EXPECT_EQ(head.events, 3u);
  EXPECT_EQ(head.losses, 1u);
  EXPECT_EQ(head.lost, 5u);
  EXPECT_EQ(head.first_ns, 40u);
  EXPECT_EQ(head.last_ns, 90u);
  ASSERT_EQ(head.cpus.size(), 3u);
  EXPECT_EQ(head.cpus[0].cpu, 1u);
  EXPECT_EQ(head.cpus[0].first_sequence, 6u);
  EXPECT_EQ(head.cpus[0].last_sequence, 7u);
  EXPECT_EQ(head.cpus[2].cpu, 4u);
  EXPECT_EQ(head.cpus[2].lost, 5u);
}

// Payloads with a correct hash but wrong content: from another writer, or hostile.
TEST(RecordingCodec, BadPayloadsAreRefused) {
  BlockEncoder encoder(1000, 1);
  const auto stream = make_stream({.cpus = 2, .events_per_cpu = 60, .lose_every = 20});
  for (const StreamItem& item : stream)
    item.is_loss ? encoder.add(item.loss) : encoder.add(item.event, item.sequence);
  std::string payload;
  ASSERT_TRUE(encoder.seal(payload).ok());
  BlockDecoder decoder;
  std::vector<RecordedEvent> events;
  std::vector<RecordedLoss> losses;
  ASSERT_TRUE(decoder.decode(encoder.head(), payload, events, losses).ok());
  for (size_t length = 0; length < payload.size(); ++length)
    EXPECT_FALSE(decoder.decode(encoder.head(), payload.substr(0, length), events, losses).ok());
  for (size_t i = 0; i < payload.size(); ++i) {  // no hash here: only no crash
    std::string flipped = payload;
    flipped[i] = static_cast<char>(~flipped[i]);
    decoder.decode(encoder.head(), flipped, events, losses).IgnoreError();
  }
  for (const int which : {0, 1, 2, 3}) {
    BlockHead head = encoder.head();
    if (which == 0) head.events += 1;
    if (which == 1) head.losses += 1;
    if (which == 2) head.raw_bytes -= 1;
    if (which == 3) head.raw_bytes = kMaxBlockRawBytes;
    EXPECT_FALSE(decoder.decode(head, payload, events, losses).ok()) << which;
  }
}

}  // namespace
}  // namespace swaptrail::recording
