#include "trace/recording/writer.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"

namespace swaptrail::recording {
namespace {

constexpr size_t kMaxNoteBytes = 1 << 20;
constexpr int kLowestLevel = -50, kHighestLevel = 19;

}  // namespace

absl::StatusOr<std::unique_ptr<RecordingWriter>> RecordingWriter::create(
    ByteSink& sink, const RecordingHeader& header) {
  return create(sink, header, Options());
}

absl::StatusOr<std::unique_ptr<RecordingWriter>> RecordingWriter::create(
    ByteSink& sink, const RecordingHeader& header, const Options& options) {
  if (options.block_events == 0 || options.block_events > kMaxBlockEvents)
    return absl::InvalidArgumentError(absl::StrCat("a block holds 1 to ", kMaxBlockEvents,
                                                   " events, not ", options.block_events));
  if (options.level < kLowestLevel || options.level > kHighestLevel)
    return absl::InvalidArgumentError(absl::StrCat("no such level of zstd: ", options.level));
  std::unique_ptr<RecordingWriter> writer(new RecordingWriter(sink, options));
  if (absl::Status status = writer->log_.begin(header); !status.ok()) return status;
  writer->counters_.bytes = writer->log_.bytes();
  return writer;
}

absl::Status RecordingWriter::add(const Loss& loss) {
  if (loss.cpu > kMaxRecordedCpu)
    return absl::InvalidArgumentError(absl::StrCat("a loss of CPU ", loss.cpu));
  if (paused_) {
    skipped_on(loss.cpu).lost += loss.count;
    gap_.to_ns = std::max(gap_.to_ns, loss.to_ns);
    return absl::OkStatus();
  }
  encoder_.add(loss);
  return encoder_.full() ? flush() : absl::OkStatus();
}

absl::Status RecordingWriter::skip(const swaptrail_event& event) {
  ++skipped_on(event.cpu).events;
  gap_.to_ns = std::max<uint64_t>(gap_.to_ns, event.time_ns);
  ++counters_.skipped;
  return absl::OkStatus();
}

Gap::Cpu& RecordingWriter::skipped_on(uint32_t cpu) {
  if (cpu >= gap_cpu_.size()) gap_cpu_.resize(cpu + 1);
  uint32_t& index = gap_cpu_[cpu];
  if (index == 0) {
    gap_.cpus.push_back({cpu, 0, 0});
    index = static_cast<uint32_t>(gap_.cpus.size());
  }
  return gap_.cpus[index - 1];
}

absl::Status RecordingWriter::flush() {
  if (paused_ || encoder_.empty()) return absl::OkStatus();
  payload_.clear();
  absl::Status status = encoder_.seal(payload_);
  BlockHead head = encoder_.head();
  if (status.ok()) status = log_.append_block(head, payload_);
  if (!status.ok()) {
    skip_block(status);
  } else {
    counters_.events += head.events;
    counters_.lost += head.lost;
    counters_.raw_bytes += head.raw_bytes;
    ++counters_.blocks;
    counters_.bytes = log_.bytes();
    last_ns_ = head.last_ns;
  }
  encoder_.reset();
  return status;
}

// The open block cannot be written: it becomes the beginning of the gap.
void RecordingWriter::skip_block(const absl::Status& why) {
  const BlockHead& head = encoder_.head();
  begin_gap(std::string(why.message()), head.first_ns);
  gap_.to_ns = head.last_ns;
  for (const CpuRange& range : head.cpus) {
    Gap::Cpu& cpu = skipped_on(range.cpu);
    cpu.events += range.events;
    cpu.lost += range.lost;
  }
  counters_.skipped += head.events;
}

void RecordingWriter::begin_gap(std::string reason, uint64_t from_ns) {
  paused_ = true;
  gap_ = Gap();
  gap_cpu_.clear();
  gap_.reason = std::move(reason);
  gap_.from_ns = gap_.to_ns = from_ns;
}

void RecordingWriter::pause(std::string reason, uint64_t now_ns) {
  if (paused_ || !flush().ok()) return;
  begin_gap(std::move(reason), now_ns);
}

absl::Status RecordingWriter::resume(uint64_t now_ns) {
  if (!paused_) return absl::OkStatus();
  gap_.to_ns = std::max(gap_.to_ns, now_ns);
  if (absl::Status status = log_.append(RecordKind::kGap, make_payload(gap_)); !status.ok())
    return status;
  paused_ = false;
  ++counters_.gaps;
  counters_.bytes = log_.bytes();
  if (absl::Status status = write_notes(); !status.ok()) {
    begin_gap(std::string(status.message()), now_ns);
    return status;
  }
  return absl::OkStatus();
}

absl::Status RecordingWriter::write_notes() {
  size_t written = 0;
  absl::Status status;
  for (; written < notes_.size() && status.ok(); ++written)
    status = log_.append(notes_[written].kind, notes_[written].payload);
  if (!status.ok()) --written;
  for (size_t i = 0; i < written; ++i) note_bytes_ -= notes_[i].payload.size();
  notes_.erase(notes_.begin(), notes_.begin() + static_cast<ptrdiff_t>(written));
  counters_.bytes = log_.bytes();
  return status;
}

void RecordingWriter::keep_note(RecordKind kind, std::string payload) {
  if (payload.size() > kMaxNoteBytes - note_bytes_) {
    ++counters_.notes_lost;
    return;
  }
  note_bytes_ += payload.size();
  notes_.push_back({kind, std::move(payload)});
}

absl::Status RecordingWriter::add_note(RecordKind kind, std::string payload) {
  if (payload.size() > kMaxNotePayloadBytes)
    return absl::InvalidArgumentError(absl::StrCat("a note of ", payload.size(), " bytes"));
  if (paused_) {
    keep_note(kind, std::move(payload));
    return absl::OkStatus();
  }
  absl::Status status = log_.append(kind, payload);
  counters_.bytes = log_.bytes();
  if (status.ok()) return status;
  keep_note(kind, std::move(payload));
  if (encoder_.empty()) {
    begin_gap(std::string(status.message()), last_ns_);
  } else {
    skip_block(status);
    encoder_.reset();
  }
  return status;
}

absl::Status RecordingWriter::add(const Gap& gap) {
  if (absl::Status status = flush(); !status.ok()) return status;
  return add_note(RecordKind::kGap, make_payload(gap));
}

absl::Status RecordingWriter::finish(uint64_t end_ns) {
  if (finished_) return absl::FailedPreconditionError("the recording is finished already");
  if (absl::Status status = resume(end_ns); !status.ok()) return status;
  if (absl::Status status = flush(); !status.ok()) return status;
  finished_ = true;
  absl::Status status = log_.finish(end_ns);
  counters_.bytes = log_.bytes();
  return status;
}

}  // namespace swaptrail::recording
