#include "daemon/recorder.h"

#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "daemon/proc.h"
#include "daemon/session.h"

namespace swaptrail {
namespace {

constexpr uint64_t kFlushEvery_ns = 1'000'000'000;
constexpr size_t kMaxCgroups = 65536;  // names kept; the events have the ids in any case
constexpr size_t kAreasOfType = 4;     // on, off, on, off: what is older is over
// Flight files on disk: so many times what is kept in memory.
constexpr uint64_t kFlightFiles = 16;

uint64_t realtime_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

// The cgroup that an event names, or 0.
uint64_t cgroup_of(const swaptrail_event& event) {
  switch (event.kind) {
    case SWAPTRAIL_RECLAIM_BEGIN:
      return event.u.begin.cgroup;
    case SWAPTRAIL_UNMAPPED_ONE:
      return event.u.map.value;
    case SWAPTRAIL_SWAP_IN:
    case SWAPTRAIL_SHMEM_SWAP_IN:
      return event.reader_cgroup;
    case SWAPTRAIL_RECLAIM_END:
      return 0;
    default:
      return event.u.page.cgroup;
  }
}

}  // namespace

RecordingHeader host_header() {
  RecordingHeader header;
  utsname host{};
  uname(&host);
  header.program = "swaptraild " SWAPTRAIL_VERSION;
  header.release = host.release;
  header.machine = host.machine;
  header.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  header.monotonic_ns = monotonic_ns();
  header.realtime_ns = realtime_ns();
  return header;
}

Recorder::Recorder(const RecorderOptions& options, RecordingHeader header,
                   std::vector<SwapArea> areas, const Names& names, EventSink& next)
    : options_(options),
      folder_(options.dir,
              options.flight ? RecordingFolder::Kind::kFlight : RecordingFolder::Kind::kSeries),
      header_(std::move(header)),
      names_(names),
      next_(next) {
  for (const SwapArea& area : areas)
    if (area.type != kTypeNotKnown) remember(area);
}

absl::StatusOr<std::unique_ptr<Recorder>> Recorder::create(const RecorderOptions& options,
                                                           RecordingHeader header,
                                                           std::vector<SwapArea> areas,
                                                           const Names& names, EventSink& next) {
  mkdir(options.dir.c_str(), 0700);
  std::unique_ptr<Recorder> recorder(
      new Recorder(options, std::move(header), std::move(areas), names, next));
  auto part = recorder->open_part(monotonic_ns());
  if (!part.ok()) return part.status();
  recorder->part_ = *std::move(part);
  return recorder;
}

// A part knows everything that the ones before it knew.
absl::StatusOr<Recorder::Part> Recorder::open_part(uint64_t now_ns) {
  Part part;
  part.begun_ns = now_ns;
  if (options_.flight) {
    part.sink = std::make_unique<StringSink>();
  } else {
    part.path = folder_.next(header_.realtime_ns);
    auto file = FileSink::create(part.path);
    if (!file.ok()) return file.status();
    part.sink = *std::move(file);
  }
  header_.part = static_cast<uint32_t>(status_.parts);
  auto writer = RecordingWriter::create(*part.sink, header_);
  if (!writer.ok()) {
    if (!part.path.empty()) std::filesystem::remove(part.path);
    return writer.status();
  }
  part.writer = *std::move(writer);
  for (const SwapArea& area : areas_) note(part.writer->add(area));
  for (const auto& [id, cgroup] : cgroups_) note(part.writer->add(cgroup));
  for (const Reading& reading : begin_) note(part.writer->add(reading));
  status_.parts++;
  return part;
}

// A refusal of the sink pauses the writer by itself; here it is only told, once.
void Recorder::note(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "swaptraild: recording stopped: %s; the observation goes on\n",
               std::string(status.message()).c_str());
}

void Recorder::on_event(const swaptrail_event& event, uint64_t sequence) {
  const uint64_t cgroup = cgroup_of(event);
  if (cgroup != 0 && cgroup != last_cgroup_) learn_cgroup(cgroup, event.time_ns);
  if (absl::Status status = part_.writer->add(event, sequence); !status.ok()) note(status);
  next_.on_event(event, sequence);
}

void Recorder::on_loss(const Loss& loss) {
  note(part_.writer->add(loss));
  next_.on_loss(loss);
}

void Recorder::on_time(uint64_t now_ns) {
  note(part_.writer->add_time(now_ns));
  next_.on_time(now_ns);
}

// What was, as far as a part that begins now may need it: of each type what holds now, and what was
// before, for events that are still on their way.
void Recorder::remember(const SwapArea& area) {
  areas_.push_back(area);
  std::stable_sort(areas_.begin(), areas_.end(),
                   [](const SwapArea& a, const SwapArea& b) { return a.at_ns < b.at_ns; });
  size_t of_type = 0;
  for (const SwapArea& one : areas_) of_type += one.type == area.type ? 1 : 0;
  if (of_type <= kAreasOfType) return;
  areas_.erase(std::find_if(areas_.begin(), areas_.end(),
                            [&](const SwapArea& one) { return one.type == area.type; }));
}

void Recorder::on_area(const AreaInstance& instance) {
  SwapArea area = instance.seen.area;
  if (area.type == kTypeNotKnown) return;
  if (instance.until_ns != kStillOn) {
    area.at_ns = instance.until_ns;
    area.bytes = 0;  // swapped off
  }
  remember(area);
  note(part_.writer->add(area));
}

void Recorder::learn_cgroup(uint64_t id, uint64_t now_ns) {
  if (cgroups_.contains(id) || cgroups_.size() >= kMaxCgroups) {
    last_cgroup_ = id;
    return;
  }
  const auto path = names_.cgroup_path(id);
  if (!path) return;  // asked for again with the next event, as the live output does
  const CgroupName& name =
      cgroups_.emplace(id, CgroupName{now_ns, id, std::string(*path)}).first->second;
  note(part_.writer->add(name));
}

void Recorder::add(const Reading& reading) {
  if (reading.moment == Reading::Moment::kBegin) begin_.push_back(reading);
  note(part_.writer->add(reading));
}

void Recorder::tick(uint64_t now_ns) {
  if (now_ns - flushed_ns_ < kFlushEvery_ns) return;
  flushed_ns_ = now_ns;
  if (part_.writer->paused()) {
    if (!part_.writer->resume(now_ns).ok()) return;
    std::fprintf(stderr, "swaptraild: recording goes on\n");
  }
  note(part_.writer->flush());
  const bool old = now_ns - part_.begun_ns >= options_.part_age_ns;
  const uint64_t limit =
      options_.flight ? std::max<uint64_t>(1 << 20, options_.total_bytes / 8) : options_.part_bytes;
  if (old || part_.writer->counters().bytes >= limit) change_part(now_ns);
  if (options_.flight)
    forget_old(now_ns);
  else
    status_.parts_dropped += folder_.limit(options_.total_bytes, part_.path);
}

// If the next part can't be opened (disk full) the old one just goes on.
void Recorder::change_part(uint64_t now_ns) {
  auto next = open_part(now_ns);
  if (!next.ok()) return;
  close_part(now_ns);
  part_ = *std::move(next);
}

void Recorder::close_part(uint64_t end_ns) {
  note(part_.writer->finish(end_ns));
  if (options_.flight)
    kept_.push_back(
        {std::move(static_cast<StringSink&>(*part_.sink).text), part_.begun_ns, end_ns});
}

uint64_t Recorder::flight_bytes() const {
  uint64_t sum = part_.writer->counters().bytes;
  for (const Kept& part : kept_) sum += part.bytes.size();
  return sum;
}

// Flight: what is too old, or too much.
void Recorder::forget_old(uint64_t now_ns) {
  const auto too_old = [&](const Kept& part) {
    return options_.keep_ns != 0 && now_ns - part.end_ns > options_.keep_ns;
  };
  while (!kept_.empty() && (too_old(kept_.front()) || flight_bytes() > options_.total_bytes)) {
    kept_.pop_front();
    status_.parts_dropped++;
  }
}

absl::StatusOr<FlightFiles> Recorder::trigger(const std::string& reason, uint64_t now_ns) {
  change_part(now_ns);
  FlightFiles files;
  if (!kept_.empty()) files.since_ns = kept_.front().begin_ns;
  const uint64_t at_ns = realtime_ns();
  for (const Kept& part : kept_) {
    std::string path = folder_.next(at_ns, reason);
    auto file = FileSink::create(path);
    if (!file.ok()) return file.status();
    if (absl::Status status = (*file)->append(part.bytes); !status.ok()) return status;
    files.paths.push_back(std::move(path));
  }
  kept_.clear();
  status_.triggers++;
  const std::string oldest = files.paths.empty() ? "" : files.paths.front();
  status_.parts_dropped += folder_.limit(kFlightFiles * options_.total_bytes, oldest);
  return files;
}

void Recorder::finish(uint64_t end_ns) { close_part(end_ns); }

}  // namespace swaptrail
