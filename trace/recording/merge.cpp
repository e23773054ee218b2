// merge_recordings() of edit.h.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trace/recording/edit.h"

namespace swaptrail::recording {
namespace {

// One source: its next event, with the losses that stand before it.
class Part {
 public:
  explicit Part(std::unique_ptr<RecordingReader> reader) : reader_(std::move(reader)) {}

  const RecordingContents& contents() const { return reader_->contents(); }

  // Moves to the next event. False at the end, where losses() may still hold some.
  absl::StatusOr<bool> next() {
    losses_.clear();
    ++index_;
    for (;;) {
      for (; next_loss_ < block_.losses.size() && block_.losses[next_loss_].before_event <= index_;
           ++next_loss_)
        losses_.push_back(block_.losses[next_loss_].loss);
      if (index_ < block_.events.size()) return true;
      auto more = reader_->next_block(block_);
      if (!more.ok()) return more.status();
      if (!*more) return false;
      index_ = 0;
      next_loss_ = 0;
      if (!block_.gap.has_value()) continue;
      for (const Gap::Cpu& cpu : block_.gap->cpus)
        losses_.push_back({block_.gap->from_ns, block_.gap->to_ns, cpu.events + cpu.lost, cpu.cpu});
    }
  }

  const RecordedEvent& event() const { return block_.events[index_]; }
  const std::vector<Loss>& losses() const { return losses_; }
  // Returns, once for each CPU, the lowest sequence in its first block here.
  std::optional<uint64_t> first_sequence() {
    const uint16_t cpu = event().event.cpu;
    if (!seen_.insert(cpu).second) return std::nullopt;
    for (const CpuRange& range : block_.head.cpus)
      if (range.cpu == cpu) return range.first_sequence;
    return std::nullopt;
  }
  std::tuple<uint64_t, uint16_t, uint64_t> key() const {
    return {event().event.time_ns, event().event.cpu, event().sequence};
  }

 private:
  std::unique_ptr<RecordingReader> reader_;
  RecordedBlock block_;
  size_t index_ = 0;
  size_t next_loss_ = 0;
  std::vector<Loss> losses_;
  std::set<uint16_t> seen_;
};

class Merge {
 public:
  Merge(std::vector<Part> parts, RecordingWriter& writer)
      : parts_(std::move(parts)), writer_(writer) {}

  absl::Status run();

 private:
  struct Cpu {
    uint64_t next_sequence = 0;
    uint64_t last_ns = 0;
    bool seen = false;
  };

  absl::Status advance(size_t part);
  absl::Status take(Part& part);
  absl::Status report_missing(Part& part, Cpu& cpu);
  absl::Status report_losses(const std::vector<Loss>& losses);

  std::vector<Part> parts_;
  std::vector<size_t> live_;
  RecordingWriter& writer_;
  std::map<uint32_t, Cpu> cpus_;
};

absl::Status Merge::report_losses(const std::vector<Loss>& losses) {
  for (const Loss& loss : losses) {
    cpus_[loss.cpu].next_sequence += loss.count;
    if (absl::Status status = writer_.add(loss); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// Reports what is missing if a part begins later than the one before it ended.
absl::Status Merge::report_missing(Part& part, Cpu& cpu) {
  const auto first = part.first_sequence();
  if (!first.has_value() || !cpu.seen || *first <= cpu.next_sequence) return absl::OkStatus();
  const swaptrail_event& event = part.event().event;
  const Loss loss{std::min<uint64_t>(cpu.last_ns, event.time_ns), event.time_ns,
                  *first - cpu.next_sequence, event.cpu};
  return writer_.add(loss);
}

absl::Status Merge::take(Part& part) {
  if (absl::Status status = report_losses(part.losses()); !status.ok()) return status;
  const RecordedEvent& item = part.event();
  Cpu& cpu = cpus_[item.event.cpu];
  if (absl::Status status = report_missing(part, cpu); !status.ok()) return status;
  cpu.seen = true;
  cpu.last_ns = item.event.time_ns;
  cpu.next_sequence = std::max(cpu.next_sequence, item.sequence + 1);
  return writer_.add(item.event, item.sequence);
}

// Advances a part; at its end it is no longer live.
absl::Status Merge::advance(size_t part) {
  auto more = parts_[part].next();
  if (!more.ok()) return more.status();
  if (*more) return absl::OkStatus();
  live_.erase(std::find(live_.begin(), live_.end(), part));
  return report_losses(parts_[part].losses());
}

absl::Status Merge::run() {
  for (size_t part = 0; part < parts_.size(); ++part) live_.push_back(part);
  absl::Status status;
  for (size_t part = 0; part < parts_.size() && status.ok(); ++part) status = advance(part);
  while (status.ok() && !live_.empty()) {
    const size_t first = *std::min_element(live_.begin(), live_.end(), [&](size_t a, size_t b) {
      return std::make_tuple(parts_[a].key(), a) < std::make_tuple(parts_[b].key(), b);
    });
    const auto key = parts_[first].key();
    status = take(parts_[first]);
    // The same event in other parts, whose losses before it are the same too.
    const std::vector<size_t> live = live_;
    for (const size_t part : live)
      if (status.ok() && parts_[part].key() == key) status = advance(part);
  }
  return status;
}

absl::Status check_same_observation(const std::vector<Part>& parts) {
  const RecordingHeader& first = parts.front().contents().header;
  for (const Part& part : parts) {
    const RecordingHeader& header = part.contents().header;
    if (header.boot_id != first.boot_id ||
        header.reconstruction.start_ns != first.reconstruction.start_ns)
      return absl::InvalidArgumentError(
          "the recordings are of different boots or observations: they have no common order");
  }
  return absl::OkStatus();
}

// Notes of all parts, each once. Readings are kept: the first begin and the last end count.
absl::Status copy_notes(const std::vector<Part>& parts, RecordingWriter& writer) {
  std::set<std::pair<int, std::string>> known;
  const auto add = [&](int kind, const auto& notes) {
    for (const auto& note : notes) {
      if (!known.emplace(kind, make_payload(note)).second) continue;
      if (absl::Status status = writer.add(note); !status.ok()) return status;
    }
    return absl::OkStatus();
  };
  absl::Status status;
  for (const Part& part : parts) {
    const RecordingContents& contents = part.contents();
    if (status.ok()) status = add(0, contents.areas);
    if (status.ok()) status = add(1, contents.cgroups);
    if (status.ok()) status = add(2, contents.processes);
    if (status.ok()) status = add(3, contents.readings);
  }
  return status;
}

}  // namespace

absl::StatusOr<RecordingWriter::Counters> merge_recordings(
    const std::vector<const ByteSource*>& sources, ByteSink& sink,
    const RecordingWriter::Options& options) {
  if (sources.empty()) return absl::InvalidArgumentError("no recording to merge");
  std::vector<Part> parts;
  for (const ByteSource* source : sources) {
    auto reader = RecordingReader::open(*source);
    if (!reader.ok()) return reader.status();
    parts.emplace_back(*std::move(reader));
  }
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return a.contents().first_ns < b.contents().first_ns;
  });
  if (absl::Status status = check_same_observation(parts); !status.ok()) return status;
  uint64_t end_ns = 0;
  for (const Part& part : parts) end_ns = std::max(end_ns, part.contents().end_ns);
  auto writer = RecordingWriter::create(sink, parts.front().contents().header, options);
  if (!writer.ok()) return writer.status();
  absl::Status status = copy_notes(parts, **writer);
  if (status.ok()) status = Merge(std::move(parts), **writer).run();
  if (status.ok()) status = (*writer)->finish(end_ns);
  if (!status.ok()) return status;
  return (*writer)->counters();
}

}  // namespace swaptrail::recording
