#include "daemon/host/area_watch.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/descriptor.h"
#include "daemon/base/log.h"
#include "daemon/base/monotonic.h"
#include "daemon/base/page_bytes.h"
#include "daemon/host/kernel_areas.h"
#include "daemon/host/swap_areas.h"
#include "trace/decode.h"

namespace swaptrail::host {
namespace {

constexpr int kMostReadings = 3;               // of both lists, until they are of the same moment
constexpr uint64_t kAgain_ns = 1'000'000'000;  // after a look that did not match

// poll(2) on /proc/swaps: POLLPRI after each swapon and swapoff (mm/swapfile.c swaps_poll).
class ChangeOfSwaps {
 public:
  ChangeOfSwaps() : fd_(open("/proc/swaps", O_RDONLY | O_CLOEXEC)) {}
  bool seen() const {
    pollfd waiting{fd_.get(), POLLPRI, 0};
    return fd_ && ::poll(&waiting, 1, 0) > 0 && (waiting.revents & POLLPRI) != 0;
  }

 private:
  const base::Descriptor fd_;
};

// An event that is possible only for an area that is on: its slot was just allocated, or is being
// written.
bool is_use(const swaptrail_event& event) {
  switch (event.kind) {
    case SWAPTRAIL_SLOT_ALLOCATED:
    case SWAPTRAIL_WRITE_BEGIN:
    case SWAPTRAIL_WRITE_ISSUED:
      return event.result == 0;
    default:
      return false;
  }
}

}  // namespace

std::unique_ptr<AreaWatch> AreaWatch::on_host(const probe::SymbolTable& symbols) {
  AreaSources sources;
  sources.lines = host_swap_areas;
  sources.clock_ns = base::monotonic_ns;
  sources.page_bytes = base::page_bytes();
  sources.has_changed = [change = std::make_shared<ChangeOfSwaps>()] { return change->seen(); };
  auto kernel = KernelAreas::open(symbols);
  if (kernel.ok()) {
    const std::shared_ptr<KernelAreas> shared = *std::move(kernel);
    sources.kernel = [shared] { return shared->read(); };
  } else {
    base::log_line(
        absl::StrCat("types of swap areas are found by their use: ", kernel.status().message()));
  }
  return std::make_unique<AreaWatch>(std::move(sources));
}

AreaWatch::AreaWatch(AreaSources sources)
    : sources_(std::move(sources)), newest_(history_.newest()) {
  sources_.has_changed();  // from here on
  look();
}

void AreaWatch::poll() {
  const uint64_t now_ns = sources_.clock_ns();
  const bool again = !fits_ && now_ns - looked_ns_ >= kAgain_ns;
  if (sources_.has_changed() || again)
    look();
  else
    unchanged_ns_ = now_ns;
}

// The kernel's list is right only if /proc/swaps matches it.
bool AreaWatch::read_types(std::vector<SeenArea>& lines) {
  for (int reading = 0; reading < kMostReadings; ++reading) {
    const auto kernel = sources_.kernel();
    if (kernel.ok() && set_types(*kernel, sources_.page_bytes, lines)) return true;
    lines = sources_.lines();
  }
  return false;
}

void AreaWatch::look() {
  looked_ns_ = sources_.clock_ns();
  const uint64_t before_ns = std::exchange(unchanged_ns_, looked_ns_);
  asked_ = 0;
  std::vector<SeenArea> lines = sources_.lines();
  if (reads_kernel())
    fits_ = read_types(lines);
  else
    by_use_.update(lines);
  take(lines, before_ns, sources_.clock_ns());
}

void AreaWatch::take(const std::vector<SeenArea>& lines, uint64_t before_ns, uint64_t now_ns) {
  lines_ = lines;
  known_ = 0;
  for (const SeenArea& line : lines)
    if (line.area.type < kMostAreaTypes) known_ |= uint64_t{1} << line.area.type;
  const std::vector<uint32_t> changed = history_.update(lines, before_ns, now_ns);
  if (changed.empty()) return;
  const std::shared_ptr<const AreaTimeline> timeline = history_.newest();
  {
    const std::lock_guard lock(mutex_);
    newest_ = timeline;
  }
  for (const uint32_t number : changed) {
    const auto one = std::ranges::find(timeline->instances, number, &AreaInstance::number);
    if (one == timeline->instances.end()) continue;
    for (const OnChange& listener : listeners_) listener(*one);
  }
}

void AreaWatch::on_event(const swaptrail_event& event, uint64_t sequence) {
  const uint32_t type = entry_type(event.entry);
  if (event.entry != 0 && type < kMostAreaTypes && ((known_ | asked_) >> type & 1) == 0)
    on_stranger(event, type);
  next_->on_event(event, sequence);
}

// An event from before the last look can be about an area that was gone by then.
void AreaWatch::on_stranger(const swaptrail_event& event, uint32_t type) {
  if (!is_use(event) || event.time_ns <= looked_ns_) return;
  if (reads_kernel() || sources_.has_changed()) look();
  asked_ |= uint64_t{1} << type;
  if (reads_kernel() || event.time_ns <= looked_ns_ || !by_use_.on_use(type)) return;
  std::vector<SeenArea> lines = lines_;
  for (size_t at = 0; at < lines.size(); ++at) lines[at].area.type = by_use_.types()[at];
  take(lines, unchanged_ns_, sources_.clock_ns());
}

std::shared_ptr<const AreaTimeline> AreaWatch::timeline() const {
  const std::lock_guard lock(mutex_);
  return newest_;
}

std::vector<recording::SwapArea> AreaWatch::now() const {
  const std::shared_ptr<const AreaTimeline> known = timeline();
  std::vector<recording::SwapArea> areas;
  for (SeenArea& line : sources_.lines()) {
    if (const AreaInstance* one = known->find(line)) line.area.type = one->seen.area.type;
    areas.push_back(std::move(line.area));
  }
  return areas;
}

}  // namespace swaptrail::host
