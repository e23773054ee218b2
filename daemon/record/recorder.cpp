#include "daemon/record/recorder.h"

#include <sys/utsname.h>
#include <time.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/files.h"
#include "daemon/capture/session.h"

namespace swaptrail::record {
namespace {

constexpr uint64_t kFlushEvery_ns = 1'000'000'000;
constexpr uint64_t kStoppedFor_ns = 10'000'000'000;
constexpr size_t kMaxCgroups = 65536;  // names kept; the events have the ids in any case
constexpr size_t kAreasOfType = 4;     // on, off, on, off: older ones are over
// Flight files on disk: this many times what is kept in memory.
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

recording::RecordingHeader host_header() {
  recording::RecordingHeader header;
  utsname host{};
  uname(&host);
  header.program = "swaptraild " SWAPTRAIL_VERSION;
  header.release = host.release;
  header.machine = host.machine;
  header.boot_id = base::first_line("/proc/sys/kernel/random/boot_id");
  header.monotonic_ns = base::monotonic_ns();
  header.realtime_ns = realtime_ns();
  return header;
}

Recorder::Recorder(const RecorderOptions& options, RecordingFolder folder,
                   recording::RecordingHeader header, std::vector<recording::SwapArea> areas,
                   const report::Names& names, EventSink& next)
    : options_(options),
      folder_(std::move(folder)),
      header_(std::move(header)),
      names_(names),
      next_(next) {
  for (const recording::SwapArea& area : areas)
    if (area.type != host::kTypeNotKnown) remember(area);
}

absl::StatusOr<std::unique_ptr<Recorder>> Recorder::create(const RecorderOptions& options,
                                                           recording::RecordingHeader header,
                                                           std::vector<recording::SwapArea> areas,
                                                           const report::Names& names,
                                                           EventSink& next) {
  auto folder = RecordingFolder::open(options.dir, options.flight ? RecordingFolder::Kind::kFlight
                                                                  : RecordingFolder::Kind::kSeries);
  if (!folder.ok()) return folder.status();
  std::unique_ptr<Recorder> recorder(
      new Recorder(options, *std::move(folder), std::move(header), std::move(areas), names, next));
  auto part = recorder->open_part(base::monotonic_ns());
  if (!part.ok()) return part.status();
  recorder->part_ = *std::move(part);
  return recorder;
}

// A part knows everything that the parts before it knew.
absl::StatusOr<Recorder::Part> Recorder::open_part(uint64_t now_ns) {
  Part part;
  part.begun_ns = now_ns;
  if (options_.flight) {
    part.sink = std::make_unique<recording::StringSink>();
  } else {
    part.name = folder_.next_name(header_.realtime_ns);
    auto file = folder_.create(part.name);
    if (!file.ok()) return file.status();
    part.sink = *std::move(file);
  }
  header_.part = static_cast<uint32_t>(status_.parts);
  auto writer = recording::RecordingWriter::create(*part.sink, header_);
  if (!writer.ok()) {
    if (!part.name.empty()) folder_.remove(part.name);
    return writer.status();
  }
  part.writer = *std::move(writer);
  for (const recording::SwapArea& area : areas_) note(part.writer->add(area));
  for (const auto& [id, cgroup] : cgroups_) note(part.writer->add(cgroup));
  for (const recording::Reading& reading : begin_) note(part.writer->add(reading));
  ++status_.parts;
  return part;
}

// If the sink refuses, the writer pauses by itself; here it is only reported.
void Recorder::note(const absl::Status& status) {
  if (status.ok()) return;
  ++status_.refused;
  refused_ns_ = base::monotonic_ns();
  stopped_.happened(
      absl::StrCat("recording stopped: ", status.message(), "; the observation goes on"),
      refused_ns_);
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

// Keeps what a part that begins now may need: for each type the current area, and the previous one,
// for events that are still on their way.
void Recorder::remember(const recording::SwapArea& area) {
  areas_.push_back(area);
  std::stable_sort(
      areas_.begin(), areas_.end(),
      [](const recording::SwapArea& a, const recording::SwapArea& b) { return a.at_ns < b.at_ns; });
  size_t of_type = 0;
  for (const recording::SwapArea& one : areas_) of_type += one.type == area.type ? 1 : 0;
  if (of_type <= kAreasOfType) return;
  areas_.erase(std::find_if(areas_.begin(), areas_.end(),
                            [&](const recording::SwapArea& one) { return one.type == area.type; }));
}

void Recorder::on_area(const host::AreaInstance& instance) {
  recording::SwapArea area = instance.seen.area;
  if (area.type == host::kTypeNotKnown) return;
  if (instance.until_ns != host::kStillOn) {
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
  const recording::CgroupName& name =
      cgroups_.emplace(id, recording::CgroupName{now_ns, id, std::string(*path)}).first->second;
  note(part_.writer->add(name));
}

void Recorder::add(const recording::Reading& reading) {
  if (reading.moment == recording::Reading::Moment::kBegin) begin_.push_back(reading);
  note(part_.writer->add(reading));
}

RecordingStatus Recorder::status(uint64_t now_ns) const {
  RecordingStatus result = status_;
  result.flight = options_.flight;
  // an almost full disk accepts a little from time to time
  const bool lately = refused_ns_ != 0 && now_ns - refused_ns_ < kStoppedFor_ns;
  result.stopped = trigger_failed_ || lately || part_.writer->paused();
  return result;
}

void Recorder::tick(uint64_t now_ns) {
  if (now_ns - flushed_ns_ < kFlushEvery_ns) return;
  flushed_ns_ = now_ns;
  for (base::RepeatedTrouble* trouble : {&stopped_, &resumed_, &moved_}) trouble->tick(now_ns);
  if (part_.writer->paused()) {
    if (!part_.writer->resume(now_ns).ok()) return;
    resumed_.happened("recording goes on", now_ns);
  }
  note(part_.writer->flush());
  const bool moved = follow_folder(now_ns) && !options_.flight;
  const bool old = now_ns - part_.begun_ns >= options_.part_age_ns;
  const uint64_t limit =
      options_.flight ? std::max<uint64_t>(1 << 20, options_.total_bytes / 8) : options_.part_bytes;
  if (old || moved || part_.writer->counters().bytes >= limit) change_part(now_ns);
  if (options_.flight)
    forget_old(now_ns);
  else
    limit_files(part_.name, options_.total_bytes);
}

void Recorder::limit_files(std::string_view kept, uint64_t bytes) {
  status_.parts_dropped += folder_.limit({bytes, options_.most_files}, kept);
}

// The folder may be moved away, or something mounted over it. Writing continues in the old one, with its
// limits, until there is a folder at its path again. True: there is a new one now.
bool Recorder::follow_folder(uint64_t now_ns) {
  status_.moved = false;
  if (folder_.is_in_place()) return false;
  moved_.happened(absl::StrCat(options_.dir, " is not the folder any more in which recordings are"),
                  now_ns);
  status_.moved = !folder_.open_again().ok();
  return !status_.moved;
}

// If the next part can't be opened (disk full), the old one continues.
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
        {std::move(static_cast<recording::StringSink&>(*part_.sink).text), part_.begun_ns, end_ns});
}

uint64_t Recorder::flight_bytes() const {
  uint64_t sum = part_.writer->counters().bytes;
  for (const Kept& part : kept_) sum += part.bytes.size();
  return sum;
}

// Flight: drops what is too old or too much.
void Recorder::forget_old(uint64_t now_ns) {
  const auto too_old = [&](const Kept& part) {
    return options_.keep_ns != 0 && now_ns - part.end_ns > options_.keep_ns;
  };
  while (!kept_.empty() && (too_old(kept_.front()) || flight_bytes() > options_.total_bytes)) {
    kept_.pop_front();
    ++status_.parts_dropped;
  }
}

absl::StatusOr<FlightFiles> Recorder::trigger(const std::string& reason, uint64_t now_ns) {
  change_part(now_ns);
  FlightFiles files;
  if (!kept_.empty()) files.since_ns = kept_.front().begin_ns;
  follow_folder(now_ns);
  const uint64_t at_ns = realtime_ns();
  std::string oldest;
  absl::Status status;
  while (!kept_.empty() && status.ok()) {
    const std::string name = folder_.next_name(at_ns, reason);
    status = folder_.write(name, kept_.front().bytes);
    if (!status.ok()) break;
    kept_.pop_front();
    if (oldest.empty()) oldest = name;
    files.paths.push_back(folder_.path_of(name));
  }
  limit_files(oldest, kFlightFiles * options_.total_bytes);
  trigger_failed_ = !status.ok();
  if (!status.ok()) {
    ++status_.refused;
    return status;
  }
  ++status_.triggers;
  return files;
}

void Recorder::finish(uint64_t end_ns) { close_part(end_ns); }

}  // namespace swaptrail::record
