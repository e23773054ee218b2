// The swap areas of this host while it is observed: noticed as they come and go, with their true types.
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

namespace swaptrail {

// Where it looks. AreaWatch::on_host() has those of this host; a test has others.
struct AreaSources {
  std::function<std::vector<SeenArea>()> lines;  // of /proc/swaps; any thread
  // swap_info[] as it is now; empty function: it can't be read.
  std::function<absl::StatusOr<std::vector<KernelArea>>()> kernel;
  std::function<bool()> has_changed;  // since the last call: an area came or went
  std::function<uint64_t()> clock_ns;
  uint64_t page_bytes = 4096;
};

// Stands first in the stream of events. An entry of an area that is not known makes it look again, so
// that who comes after it in the stream knows the area before its first event.
class AreaWatch : public EventSink {
 public:
  // Looks at once. `symbols` are the running kernel's. Says on stderr why, if the types can't be read from
  // the kernel.
  static std::unique_ptr<AreaWatch> on_host(const SymbolTable& symbols);
  explicit AreaWatch(AreaSources sources);

  // The pipeline thread's, before the first event.
  using OnChange = std::function<void(const AreaInstance&)>;
  // Called on the pipeline thread for each area that is new, gone, or known by its type only now.
  void add_listener(OnChange listener) { listeners_.push_back(std::move(listener)); }
  void hand_on_to(EventSink& next) { next_ = &next; }

  // The pipeline thread's: after a sweep, and before its events go on. One poll(2); reads only if
  // something has changed.
  void poll();
  void on_event(const swaptrail_event& event, uint64_t sequence) override;
  void on_loss(const Loss& loss) override { next_->on_loss(loss); }
  void on_time(uint64_t now_ns) override { next_->on_time(now_ns); }

  // Any thread.
  std::shared_ptr<const AreaTimeline> timeline() const;
  // Those that are on, read at this moment, with their types as far as they are known. Any thread.
  std::vector<SwapArea> now() const;
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
  uint64_t unchanged_ns_ = 0;    // nothing had changed until then
  uint64_t known_ = 0;           // bits: types of areas that are on
  uint64_t asked_ = 0;           // bits: others that made us look, since the last change
  bool fits_ = true;  // the last look: /proc/swaps and the kernel's list were of one moment
  AreaHistory history_;
  mutable std::mutex mutex_;  // of the next
  std::shared_ptr<const AreaTimeline> newest_;
};

}  // namespace swaptrail
