#include "cli/offline/observation.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "cli/base/errors.h"

namespace swaptrail::offline {
namespace {

// Reports a loss where the sequence of a CPU jumps from one part to a later one.
class Seams : public EventSink {
 public:
  explicit Seams(EventSink& next) : next_(next) {}

  void begin_part() { ++part_; }

  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    Cpu& cpu = cpus_[event.cpu];
    if (cpu.part != part_ && cpu.part != 0 && sequence > cpu.next_sequence)
      next_.on_loss({std::min<uint64_t>(cpu.last_ns, event.time_ns), event.time_ns,
                     sequence - cpu.next_sequence, event.cpu});
    cpu = {part_, std::max(cpu.next_sequence, sequence + 1), event.time_ns};
    next_.on_event(event, sequence);
  }

  void on_loss(const Loss& loss) override {
    cpus_[loss.cpu].next_sequence += loss.count;
    next_.on_loss(loss);
  }

  void on_time(uint64_t now_ns) override { next_.on_time(now_ns); }

 private:
  struct Cpu {
    uint32_t part = 0;  // in which it last had an event, from 1; 0 = never
    uint64_t next_sequence = 0;
    uint64_t last_ns = 0;
  };
  EventSink& next_;
  uint32_t part_ = 0;
  absl::flat_hash_map<uint32_t, Cpu> cpus_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WatchedFile>> WatchedFile::open(const std::string& path,
                                                               cli::Progress& progress,
                                                               int passes) {
  auto file = recording::FileSource::open(path);
  if (!file.ok()) return cli::with_path(file.status(), path);
  progress.expect((*file)->size() * static_cast<uint64_t>(passes));
  return std::unique_ptr<WatchedFile>(new WatchedFile(path, *std::move(file), progress));
}

absl::Status WatchedFile::read_at(uint64_t offset, char* out, size_t count) const {
  progress_.add(count);
  return file_->read_at(offset, out, count);
}

absl::StatusOr<Observation> Observation::open(const std::vector<std::string>& paths,
                                              cli::Progress& progress) {
  Observation observation;
  for (const std::string& path : paths) {
    auto file = WatchedFile::open(path, progress);
    if (!file.ok()) return file.status();
    auto reader = recording::RecordingReader::open(**file);
    if (!reader.ok()) return cli::with_path(reader.status(), path);
    observation.parts_.push_back({*std::move(file), *std::move(reader)});
  }
  if (paths.empty()) return absl::InvalidArgumentError("no recording");
  if (absl::Status status = observation.order_parts(); !status.ok()) return status;
  return observation;
}

absl::Status Observation::order_parts() {
  std::stable_sort(parts_.begin(), parts_.end(), [](const Part& a, const Part& b) {
    return a.reader->header().part < b.reader->header().part;
  });
  for (size_t index = 1; index < parts_.size(); ++index) {
    const recording::RecordingHeader& one = parts_[index - 1].reader->header();
    const recording::RecordingHeader& next = parts_[index].reader->header();
    const std::string both =
        absl::StrCat(parts_[index - 1].file->path(), " and ", parts_[index].file->path());
    if (one.boot_id != next.boot_id || one.reconstruction.start_ns != next.reconstruction.start_ns)
      return absl::InvalidArgumentError(both + " are of different observations");
    if (one.part == next.part)
      return absl::InvalidArgumentError(
          absl::StrCat(both, " are both part ", one.part, " (swaptrail merge joins those)"));
  }
  return absl::OkStatus();
}

std::vector<recording::Reading> Observation::readings() const {
  std::vector<recording::Reading> all;
  for (const Part& part : parts_) {
    const auto& readings = part.reader->contents().readings;
    all.insert(all.end(), readings.begin(), readings.end());
  }
  return all;
}

absl::Status Observation::for_each(EventSink& sink, const TimeRange& range) {
  Seams seams(sink);
  for (Part& part : parts_) {
    seams.begin_part();
    absl::Status status = part.reader->for_each(seams, range.from_ns, range.to_ns);
    if (!status.ok()) return cli::with_path(status, part.file->path());
  }
  return absl::OkStatus();
}

void complain_of_lacks(const recording::RecordingHeader& header) {
  if (header.lacks().empty()) return;
  cli::complain(cli::kDone, "an older recording", std::string(header.lacks()));
}

}  // namespace swaptrail::offline
