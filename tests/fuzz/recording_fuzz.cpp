// Any bytes as a recording: no crash, no endless loop, no memory beyond the limits.
//
// The first byte chooses. 0: the file as it is. 1: the file with its hashes put right, so that the
// code behind them is reached. 2: the payload of one block. 3: events, which must come back.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "trace/recording/block_decoder.h"
#include "trace/recording/edit.h"
#include "trace/recording/reader.h"
#include "trace/recording/varint.h"
#include "trace/recording/writer.h"

namespace swaptrail {
namespace {

void check(bool fine) {
  if (!fine) std::abort();
}

class Looker : public EventSink {
 public:
  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    sum += event.time_ns ^ sequence;
  }
  void on_loss(const Loss& loss) override { sum += loss.count; }
  uint64_t sum = 0;
};

void put_hash(std::string& file, size_t at, std::string_view bytes) {
  const uint64_t hash = recording::xxhash64(bytes);
  std::memcpy(file.data() + at, &hash, sizeof(hash));
}

// Makes every hash right, from the front, as far as the lengths lead.
std::string seal(std::string file) {
  if (file.size() < recording::kPreambleBytes) return file;
  file.replace(0, recording::kPreambleBytes, recording::make_preamble());
  size_t at = recording::kPreambleBytes;
  while (file.size() - at >= recording::kRecordHeadBytes) {
    uint32_t lengths[2];
    std::memcpy(lengths, file.data() + at + 8, sizeof(lengths));
    const size_t left = file.size() - at - recording::kRecordHeadBytes;
    lengths[0] = static_cast<uint32_t>(std::min<size_t>(lengths[0], left));
    lengths[1] = static_cast<uint32_t>(std::min<size_t>(lengths[1], left - lengths[0]));
    std::memcpy(file.data() + at, "SWTR", 4);
    file[at + 6] = file[at + 7] = 0;
    std::memcpy(file.data() + at + 8, lengths, sizeof(lengths));
    const std::string_view view = file;
    const size_t head = at + recording::kRecordHeadBytes;
    put_hash(file, at + 16, view.substr(head, lengths[0]));
    put_hash(file, at + 24, view.substr(head + lengths[0], lengths[1]));
    put_hash(file, at + 32, view.substr(at, 32));
    at = head + lengths[0] + lengths[1];
  }
  return file;
}

void read_file(std::string_view file) {
  const recording::ViewSource source(file);
  auto reader = recording::RecordingReader::open(source);
  if (!reader.ok()) return;
  Looker looker;
  const bool whole = (*reader)->for_each(looker).ok();
  auto inspection = recording::verify_recording(source);
  check(inspection.ok());
  check(!whole || inspection->damages.empty());
  // What was repaired is clean, and has what the inspection says.
  recording::StringSink repaired;
  if (!recording::repair_recording(source, repaired).ok()) return;
  const recording::ViewSource again(repaired.text);
  auto clean = recording::verify_recording(again);
  check(clean.ok() && clean->events == inspection->events);
  recording::StringSink cut;
  recording::cut_recording(source, cut, 1000, UINT64_MAX, {}).IgnoreError();
}

// The head says what the columns of the payload add up to, as a writer's would.
void read_block(std::string_view bytes) {
  if (bytes.size() < 4) return;
  recording::BlockHead head;
  head.events = static_cast<uint8_t>(bytes[0]) | static_cast<uint8_t>(bytes[1]) << 8;
  head.losses = static_cast<uint8_t>(bytes[2]);
  bytes.remove_prefix(4);
  const auto* begin = reinterpret_cast<const uint8_t*>(bytes.data());
  recording::ByteCursor in{begin, begin + bytes.size(), false};
  while (!in.bad && in.at != in.end) {
    const uint64_t raw = in.varint();
    if (raw == 0) continue;
    const uint64_t stored = in.varint();
    head.raw_bytes += std::min<uint64_t>(raw, recording::kMaxBlockRawBytes);
    in.at += std::min<uint64_t>(stored, static_cast<uint64_t>(in.end - in.at));
  }
  static recording::BlockDecoder decoder;
  std::vector<recording::RecordedEvent> events;
  std::vector<recording::RecordedLoss> losses;
  if (decoder.decode(head, bytes, events, losses).ok()) check(events.size() == head.events);
}

void round_trip(std::string_view bytes) {
  constexpr size_t kItem = sizeof(swaptrail_event) + sizeof(uint64_t);
  std::vector<recording::RecordedEvent> events(bytes.size() / kItem);
  recording::StringSink file;
  auto writer =
      recording::RecordingWriter::create(file, {}, {.block_events = 7, .level = 1}).value();
  for (size_t i = 0; i < events.size(); ++i) {
    std::memcpy(&events[i].event, bytes.data() + i * kItem, sizeof(swaptrail_event));
    std::memcpy(&events[i].sequence, bytes.data() + i * kItem + sizeof(swaptrail_event), 8);
    check(writer->add(events[i].event, events[i].sequence).ok());
  }
  check(writer->finish(0).ok());
  const recording::ViewSource source(file.text);
  auto reader = recording::RecordingReader::open(source).value();
  recording::RecordedBlock block;
  size_t next = 0;
  while (reader->next_block(block).value()) {
    check(next + block.events.size() <= events.size());
    for (const recording::RecordedEvent& item : block.events) {
      check(item.sequence == events[next].sequence);
      check(std::memcmp(&item.event, &events[next++].event, sizeof(item.event)) == 0);
    }
  }
  check(next == events.size());
}

}  // namespace
}  // namespace swaptrail

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  switch (bytes[0] % 4) {
    case 0:
      swaptrail::read_file(rest);
      break;
    case 1:
      swaptrail::read_file(swaptrail::seal(std::string(rest)));
      break;
    case 2:
      swaptrail::read_block(rest);
      break;
    default:
      swaptrail::round_trip(rest);
  }
  return 0;
}
