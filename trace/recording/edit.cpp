#include "trace/recording/edit.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trace/decode.h"
#include "trace/recording/record_log.h"

namespace swaptrail::recording {
namespace {

// Everything except blocks and gaps is checked when a recording is opened.
bool is_of_stream(const RecordPlace& place) {
  return place.is(RecordKind::kBlock) || place.is(RecordKind::kGap);
}

bool is_about_the_file(const RecordPlace& place) {
  return place.is(RecordKind::kHeader) || place.is(RecordKind::kIndex) ||
         place.is(RecordKind::kEnd);
}

// Copies records, and writes a Gap where some are missing.
class Repair {
 public:
  Repair(RecordingReader& reader, ByteSink& sink) : reader_(reader), log_(sink) {}

  absl::Status run(Inspection& inspection);

 private:
  absl::Status copy_notes_until(uint64_t offset);
  absl::Status copy_block(const RecordedBlock& block, const RecordPlace& place);
  absl::Status put_gap(const BlockHead& head);

  RecordingReader& reader_;
  RecordLog log_;
  size_t next_note_ = 0;
  bool hole_ = false;
  std::string hole_reason_;
  bool any_block_ = false;
  uint64_t next_event_ = 0;
  uint64_t last_ns_ = 0;
  std::map<uint32_t, uint64_t> next_sequence_;  // by CPU
};

absl::Status Repair::copy_notes_until(uint64_t offset) {
  const std::vector<RecordPlace>& places = reader_.places();
  for (; next_note_ < places.size() && places[next_note_].offset < offset; ++next_note_) {
    const RecordPlace& place = places[next_note_];
    if (is_of_stream(place) || is_about_the_file(place)) continue;
    auto record = reader_.read_record(place);
    if (!record.ok()) continue;  // in the inspection already
    absl::Status status = log_.append_copy(record->fixed.kind, record->head, record->payload);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// The number of the next block's first event shows how many are missing. The sequences show of
// which CPUs, as far as those CPUs went on.
absl::Status Repair::put_gap(const BlockHead& head) {
  Gap gap;
  gap.from_ns = any_block_ ? last_ns_ : reader_.header().reconstruction.start_ns;
  gap.to_ns = std::max(gap.from_ns, head.first_ns);
  gap.reason = absl::StrCat("repaired: ", hole_reason_);
  uint64_t missing = head.first_event - std::min(head.first_event, next_event_);
  for (const CpuRange& range : head.cpus) {
    const auto known = next_sequence_.find(range.cpu);
    if (known == next_sequence_.end() || range.events == 0) continue;
    const uint64_t jump = range.first_sequence - std::min(range.first_sequence, known->second);
    const uint64_t here = std::min(jump - std::min(jump, range.lost), missing);
    if (here > 0) gap.cpus.push_back({range.cpu, here, 0});
    missing -= here;
  }
  if (missing > 0 && !head.cpus.empty()) gap.cpus.push_back({head.cpus.front().cpu, missing, 0});
  return log_.append(RecordKind::kGap, make_payload(gap));
}

absl::Status Repair::copy_block(const RecordedBlock& block, const RecordPlace& place) {
  BlockHead head = block.head;
  if (hole_) {
    if (absl::Status status = put_gap(head); !status.ok()) return status;
    hole_ = false;
  }
  next_event_ = head.first_event + head.events;
  any_block_ = true;
  last_ns_ = head.last_ns;
  for (const CpuRange& range : head.cpus) {
    uint64_t& next = next_sequence_[range.cpu];
    if (range.events > 0) next = std::max(next, range.last_sequence + 1);
  }
  auto record = reader_.read_record(place);
  if (!record.ok()) return record.status();
  return log_.append_block(head, record->payload);
}

absl::Status Repair::run(Inspection& inspection) {
  if (absl::Status status = log_.begin(reader_.header()); !status.ok()) return status;
  RecordedBlock block;
  for (;;) {
    auto more = reader_.next_block(block);
    if (!more.ok() && more.status().code() != absl::StatusCode::kDataLoss) return more.status();
    if (!more.ok()) {
      hole_ = true;
      hole_reason_ = std::string(more.status().message());
      continue;
    }
    if (!*more) break;
    const RecordPlace place = reader_.place_of_block();
    if (absl::Status status = copy_notes_until(place.offset); !status.ok()) return status;
    absl::Status status = block.gap.has_value()
                              ? log_.append(RecordKind::kGap, make_payload(*block.gap))
                              : copy_block(block, place);
    if (!status.ok()) return status;
  }
  absl::Status status = copy_notes_until(std::numeric_limits<uint64_t>::max());
  if (!status.ok()) return status;
  inspection.events = log_.events();
  return log_.finish(reader_.contents().end_ns);
}

// Writes the stream into a writer; keeps the first error.
class WriterSink : public EventSink {
 public:
  explicit WriterSink(RecordingWriter& writer) : writer_(writer) {}
  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    if (status_.ok()) status_ = writer_.add(event, sequence);
  }
  void on_loss(const Loss& loss) override {
    if (status_.ok()) status_ = writer_.add(loss);
  }
  void on_time(uint64_t now_ns) override {
    if (status_.ok()) status_ = writer_.add_time(now_ns);
  }
  const absl::Status& status() const { return status_; }

 private:
  RecordingWriter& writer_;
  absl::Status status_;
};

absl::Status copy_names(const RecordingContents& contents, RecordingWriter& writer) {
  absl::Status status;
  for (const SwapArea& area : contents.areas)
    if (status.ok()) status = writer.add(area);
  for (const CgroupName& cgroup : contents.cgroups)
    if (status.ok()) status = writer.add(cgroup);
  for (const ProcessName& process : contents.processes)
    if (status.ok()) status = writer.add(process);
  return status;
}

}  // namespace

absl::StatusOr<Inspection> verify_recording(const ByteSource& source) {
  auto opened = RecordingReader::open(source);
  if (!opened.ok()) return opened.status();
  RecordingReader& reader = **opened;
  const RecordingContents& contents = reader.contents();
  Inspection inspection;
  inspection.finished = contents.finished;
  inspection.indexed = contents.indexed;
  for (const Damage& damage : contents.damages)
    if (!damage.breaks_stream) inspection.damages.push_back(damage);
  RecordedBlock block;
  for (;;) {
    auto more = reader.next_block(block);
    if (!more.ok()) {
      if (more.status().code() != absl::StatusCode::kDataLoss) return more.status();
      inspection.damages.push_back(reader.last_damage());
      continue;
    }
    if (!*more) break;
    inspection.gaps += block.gap.has_value() ? 1 : 0;
    inspection.blocks += block.gap.has_value() ? 0 : 1;
    inspection.events += block.events.size();
    inspection.losses += block.losses.size();
    const bool valid = std::all_of(block.events.begin(), block.events.end(),
                                   [](const RecordedEvent& e) { return is_valid_event(e.event); });
    if (valid) continue;
    const RecordPlace& place = reader.place_of_block();
    inspection.damages.push_back(
        {place.offset, place.bytes, false, true, "an event of no known kind"});
  }
  std::stable_sort(inspection.damages.begin(), inspection.damages.end(),
                   [](const Damage& a, const Damage& b) { return a.offset < b.offset; });
  return inspection;
}

absl::StatusOr<Inspection> repair_recording(const ByteSource& source, ByteSink& sink) {
  auto inspection = verify_recording(source);
  if (!inspection.ok()) return inspection.status();
  auto reader = RecordingReader::open(source);
  if (!reader.ok()) return reader.status();
  if (absl::Status status = Repair(**reader, sink).run(*inspection); !status.ok()) return status;
  return inspection;
}

absl::StatusOr<RecordingWriter::Counters> cut_recording(const ByteSource& source, ByteSink& sink,
                                                        uint64_t from_ns, uint64_t to_ns,
                                                        const RecordingWriter::Options& options) {
  if (from_ns >= to_ns) return absl::InvalidArgumentError("nothing to cut: from is not before to");
  auto reader = RecordingReader::open(source);
  if (!reader.ok()) return reader.status();
  const RecordingContents& contents = (*reader)->contents();
  RecordingHeader header = contents.header;
  header.reconstruction.start_ns = std::max(header.reconstruction.start_ns, from_ns);
  auto writer = RecordingWriter::create(sink, header, options);
  if (!writer.ok()) return writer.status();
  absl::Status status = copy_names(contents, **writer);
  WriterSink events(**writer);
  if (status.ok()) status = (*reader)->for_each(events, from_ns, to_ns);
  if (status.ok()) status = events.status();
  if (status.ok()) status = (*writer)->finish(std::min(to_ns, contents.end_ns));
  if (!status.ok()) return status;
  return (*writer)->counters();
}

}  // namespace swaptrail::recording
