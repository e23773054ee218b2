// The stream of a recording. reader_open.cpp opens it.
#include "trace/recording/reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trace/decode.h"

namespace swaptrail::recording {
absl::Status Damage::status() const {
  if (torn)
    return absl::DataLossError(absl::StrCat("the recording is torn at byte ", offset, ": ", bytes,
                                            " bytes are no whole record"));
  return absl::DataLossError(
      absl::StrCat("the recording is damaged at byte ", offset, " (", bytes, " bytes): ", what));
}

absl::Status RecordingReader::damaged(uint64_t offset, uint64_t bytes, std::string what) {
  last_damage_ = Damage();
  last_damage_.offset = offset;
  last_damage_.bytes = bytes;
  last_damage_.what = std::move(what);
  return last_damage_.status();
}

absl::StatusOr<RecordingReader::RawRecord> RecordingReader::read_record(const RecordPlace& place) {
  if (absl::Status status = read(place.offset, place.bytes, record_); !status.ok()) return status;
  const auto fixed = parse_record_head(record_);
  if (!fixed.has_value() || fixed->kind != place.kind || fixed->total_bytes() != place.bytes)
    return damaged(place.offset, place.bytes, "the head of a record");
  const std::string_view rest = std::string_view(record_).substr(kRecordHeadBytes);
  RawRecord record{*fixed, rest.substr(0, fixed->head_bytes), rest.substr(fixed->head_bytes)};
  if (xxhash64(record.head) != fixed->head_hash)
    return damaged(place.offset, place.bytes, "the head of a record");
  if (xxhash64(record.payload) != fixed->payload_hash)
    return damaged(place.offset, place.bytes, "the payload of a record");
  return record;
}

void RecordingReader::rewind() {
  next_place_ = next_gap_ = next_damage_ = 0;
  order_known_ = false;
}

// The next damage of the stream before `offset` that was not reported yet.
const Damage* RecordingReader::damage_before(uint64_t offset) {
  const std::vector<Damage>& damages = contents_.damages;
  while (next_damage_ < damages.size() && damages[next_damage_].offset < offset) {
    const Damage& damage = damages[next_damage_++];
    if (damage.breaks_stream) return &(last_damage_ = damage);
  }
  return nullptr;
}

// A block that is missing as a whole leaves no other trace. Reported once, before the block behind
// it.
absl::Status RecordingReader::check_order(const RecordPlace& place) {
  const bool head_known = place.events != 0 || place.losses != 0;
  const bool known = order_known_ && head_known;
  order_known_ = false;
  if (!known || place.first_event == next_event_) return absl::OkStatus();
  return damaged(place.offset, 0,
                 absl::StrCat("the block here begins with event ", place.first_event,
                              " of the recording, not ", next_event_));
}

absl::Status RecordingReader::decode_block(const RecordPlace& place, RecordedBlock& block) {
  auto record = read_record(place);
  if (!record.ok()) return record.status();
  auto head = parse_block_head(record->head);
  if (!head.ok()) return damaged(place.offset, place.bytes, std::string(head.status().message()));
  block.head = *std::move(head);
  absl::Status status = decoder_.decode(block.head, record->payload, block.events, block.losses);
  if (!status.ok()) return damaged(place.offset, place.bytes, std::string(status.message()));
  if (block.head.first_event != place.first_event || block.head.events != place.events)
    return damaged(place.offset, place.bytes, "a block that is not the one in the index");
  order_known_ = true;
  next_event_ = block.head.first_event + block.head.events;
  return absl::OkStatus();
}

absl::StatusOr<bool> RecordingReader::next_block(RecordedBlock& block, uint64_t from_ns,
                                                 uint64_t to_ns) {
  block.gap.reset();
  block.events.clear();
  block.losses.clear();
  block.head = BlockHead();
  while (next_place_ < places_.size()) {
    const RecordPlace& place = places_[next_place_];
    if (const Damage* damage = damage_before(place.offset)) {
      order_known_ = false;
      return damage->status();
    }
    if (place.is(RecordKind::kBlock)) {
      if (absl::Status status = check_order(place); !status.ok()) return status;
    }
    ++next_place_;
    if (next_gap_ < gap_offsets_.size() && gap_offsets_[next_gap_] == place.offset) {
      const Gap& gap = contents_.gaps[next_gap_++];
      if (!is_between(gap.to_ns, from_ns, to_ns)) continue;
      block.gap = gap;
      return true;
    }
    if (!place.is(RecordKind::kBlock)) continue;
    if (place.last_ns < from_ns || (place.first_ns >= to_ns && to_ns != kNoEnd)) continue;
    absl::Status status = decode_block(place, block);
    if (status.ok()) return true;
    return status;
  }
  if (const Damage* damage = damage_before(std::numeric_limits<uint64_t>::max()))
    return damage->status();
  return false;
}

namespace {

class Emitter {
 public:
  Emitter(EventSink& sink, uint64_t from_ns, uint64_t to_ns)
      : sink_(sink), from_ns_(from_ns), to_ns_(to_ns) {}

  // False if the live path would not have let an event through.
  bool emit(const RecordedBlock& block) {
    if (block.gap.has_value()) {
      for (const Gap::Cpu& cpu : block.gap->cpus)
        sink_.on_loss({block.gap->from_ns, block.gap->to_ns, cpu.events + cpu.lost, cpu.cpu});
    }
    uint32_t index = 0;
    for (const RecordedLoss& loss : block.losses) {
      if (!emit_events(block, index, loss.before_event)) return false;
      index = loss.before_event;
      if (!wanted(loss.loss.to_ns)) continue;
      if (loss.loss.is_time_mark())
        sink_.on_time(loss.loss.to_ns);
      else
        sink_.on_loss(loss.loss);
    }
    return emit_events(block, index, static_cast<uint32_t>(block.events.size()));
  }

 private:
  bool wanted(uint64_t time_ns) const { return is_between(time_ns, from_ns_, to_ns_); }
  bool emit_events(const RecordedBlock& block, uint32_t begin, uint32_t end) {
    for (uint32_t i = begin; i < end; ++i) {
      const RecordedEvent& item = block.events[i];
      if (!is_valid_event(item.event)) return false;
      if (wanted(item.event.time_ns)) sink_.on_event(item.event, item.sequence);
    }
    return true;
  }

  EventSink& sink_;
  uint64_t from_ns_;
  uint64_t to_ns_;
};

}  // namespace

absl::Status RecordingReader::for_each(EventSink& sink, uint64_t from_ns, uint64_t to_ns) {
  rewind();
  RecordedBlock block;
  Emitter emitter(sink, from_ns, to_ns);
  for (;;) {
    auto more = next_block(block, from_ns, to_ns);
    if (!more.ok()) return more.status();
    if (!*more) break;
    if (!emitter.emit(block))
      return damaged(places_[next_place_ - 1].offset, places_[next_place_ - 1].bytes,
                     "an event of an unknown kind");
  }
  return contents_.damages.empty() ? absl::OkStatus() : contents_.damages.front().status();
}

}  // namespace swaptrail::recording
