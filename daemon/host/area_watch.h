// The swap areas of this host during an observation: noticed as they come and go, with their true
// types.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/host/area_history.h"
#include "daemon/host/area_types.h"
#include "daemon/probe/symbol_table.h"
#include "trace/merger.h"

namespace swaptrail::host {

// Where it reads. AreaWatch::on_host() uses those of this host; a test has its own.
struct AreaSources {
  std::function<std::vector<SeenArea>()> lines;  // of /proc/swaps; any thread
  // The current swap_info[]; empty function: it can't be read.
  std::function<absl::StatusOr<std::vector<KernelArea>>()> kernel;
  std::function<bool()> has_changed;  // since the last call: an area came or went
  std::function<uint64_t()> clock_ns;
  uint64_t page_bytes = 4096;
};

// Comes first in the stream of events. An entry of an unknown area makes it look again, so that the
// later stages of the stream know the area before its first event.
class AreaWatch : public EventSink {
 public:
  // Looks at once. `symbols` are the running kernel's. If the types can't be read from the kernel, prints
  // the reason on stderr.
  static std::unique_ptr<AreaWatch> on_host(const probe::SymbolTable& symbols);
  explicit AreaWatch(AreaSources sources);

  // The pipeline thread's, before the first event.
  using OnChange = std::function<void(const AreaInstance&)>;
  // Called on the pipeline thread for each area that is new, gone, or whose type is known only now.
  void add_listener(OnChange listener) { listeners_.push_back(std::move(listener)); }
  void hand_on_to(EventSink& next) { next_ = &next; }

  // For the pipeline thread: after a sweep, and before its events are passed on. One poll(2); reads
  // only if something has changed.
  void poll();
  void on_event(const swaptrail_event& event, uint64_t sequence) override;
  void on_loss(const Loss& loss) override { next_->on_loss(loss); }
  void on_time(uint64_t now_ns) override { next_->on_time(now_ns); }

  // Any thread.
  std::shared_ptr<const AreaTimeline> timeline() const;
  // The areas that are on, read at this moment, with their types as far as known. Any thread.
  std::vector<recording::SwapArea> now() const;
  // Whether types are read from the kernel.
  bool reads_kernel() const { return static_cast<bool>(sources_.kernel); }

 private:
  void look();
  bool read_types(std::vector<SeenArea>& lines);
  void take(const std::vector<SeenArea>& lines, uint64_t before_ns, uint64_t now_ns);
  void on_stranger(const swaptrail_event& event, uint32_t type);

  const AreaSources sources_;
  std::vector<OnChange> listeners_;
  EventSink* next_ = nullptr;
  std::vector<SeenArea> lines_;  // of the last look
  TypesByUse by_use_;            // only if the kernel can't be read
  uint64_t looked_ns_ = 0;       // at the begin of the last look
  uint64_t unchanged_ns_ = 0;    // nothing had changed up to then
  uint64_t known_ = 0;           // bits: types of areas that are on
  uint64_t asked_ = 0;           // bits: other types that made us look, since the last change
  bool fits_ = true;  // the last look: /proc/swaps and the kernel's list were of the same moment
  AreaHistory history_;
  mutable std::mutex mutex_;  // of the next
  std::shared_ptr<const AreaTimeline> newest_;
};

}  // namespace swaptrail::host
