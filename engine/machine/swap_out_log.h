// What really happened to each folio on its way out, from inside the machine: the oracle for code
// that sees only the events.
//
// A record is one attempt, as in trace/: it begins with the first action on the folio that a hook
// can see, and ends when the folio is freed, or at the end of the batch that gave it up. It stays
// open while the folio is being written, or is unmapped and somebody else holds it for a moment.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bpf/event.h"
#include "engine/machine/frames.h"
#include "engine/steps/shrink.h"
#include "trace/lifecycle.h"

namespace swaptrail::engine {

// What really happened to a folio that entered swap-out.
struct TrueSwapOut {
  uint64_t folio = 0;
  uint64_t entry = 0;
  uint32_t nr_pages = 1;
  Outcome outcome = Outcome::kUnknown;
  uint8_t backend = SWAPTRAIL_BACKEND_NONE;      // enum swaptrail_backend, of the last write
  std::array<uint64_t, kStageCount> stage_ns{};  // of the last write; 0 = not passed
  uint32_t passes = 0;                           // batches that did something to it
  uint32_t mappings = 0;                         // processes it was unmapped from
  uint64_t begin_ns = 0, end_ns = 0;
};

// Reclaim freed a folio that nobody mapped any more, and that it had not unmapped: no swap-out.
struct DroppedCopy {
  uint64_t folio = 0;
  uint64_t time_ns = 0;
  uint64_t batch_ns = 0;  // when its batch began
};

// A running batch of reclaim.
struct LogBatch {
  uint32_t id = 0;  // of the batch; never 0
  uint64_t begin_ns = 0;
  std::vector<uint32_t> touched;  // records
};

class SwapOutLog {
 public:
  explicit SwapOutLog(FrameTable& frames) : frames_(frames) {}

  // A step that a hook sees. `batch` is null for the end of a write.
  void note(swaptrail_kind kind, const Folio& folio, int32_t result, uint8_t backend,
            uint64_t now_ns, LogBatch* batch);
  // shrink_folio() is done with it.
  void end_pass(const Folio& folio, const PassEnd& end);
  void end_batch(LogBatch& batch, uint64_t now_ns);
  // A fault found it in the swap cache, and mapped it.
  void refaulted(uint32_t frame, uint64_t now_ns) { give_up(frame, now_ns); }
  // It left the swap cache, but not by reclaim; or was freed.
  void left(uint32_t frame, uint64_t now_ns) { give_up(frame, now_ns); }
  // The observation ends: open records are in flight.
  void finish(uint64_t now_ns);

  std::vector<TrueSwapOut> take() { return std::move(done_); }
  std::vector<DroppedCopy> take_dropped() { return std::move(dropped_); }

 private:
  struct Record {
    TrueSwapOut truth;
    uint32_t frame = kNoFrame;
    uint32_t batch = 0;  // id of the running batch that touched it
    bool open = false;
    bool unmapped = false;
    bool given_up = false;  // closed when its batch ends
  };

  uint32_t open(const Folio& folio, uint64_t now_ns, const LogBatch& batch);
  void touch(uint32_t index, LogBatch& batch);
  void advance(Record& record, swaptrail_kind kind, const Folio& folio, int32_t result,
               uint8_t backend, uint64_t now_ns);
  void give_up(uint32_t frame, uint64_t now_ns);
  void close(uint32_t index, Outcome outcome, uint64_t now_ns);

  FrameTable& frames_;
  std::vector<Record> records_;
  std::vector<uint32_t> free_;
  std::vector<TrueSwapOut> done_;
  std::vector<DroppedCopy> dropped_;
};

}  // namespace swaptrail::engine
