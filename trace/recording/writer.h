// Writes a recording: the ordered stream, exactly as the reconstructor gets it, in blocks.
//
// One thread; the pipeline's is fine. add() costs about 50 ns an event and allocates nothing for an
// event; the add() that fills a block compresses it (a fraction of a millisecond for 16384 events)
// and hands it to the sink as a whole.
// If the sink refuses (disk full), the writer pauses: it drops only events, and counts them for
// each CPU. resume() records them as a Gap and continues.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bpf/event.h"
#include "trace/lifecycle.h"
#include "trace/recording/block_encoder.h"
#include "trace/recording/bytes.h"
#include "trace/recording/contents.h"
#include "trace/recording/record_log.h"

namespace swaptrail::recording {

class RecordingWriter {
 public:
  struct Options {
    uint32_t block_events = 16384;  // 1 ... kMaxBlockEvents
    int level = 1;                  // of zstd: -50 ... 19; 1 is fast
  };
  struct Counters {
    uint64_t events = 0;  // in blocks that the sink took
    uint64_t lost = 0;    // reported by the losses in them
    uint64_t blocks = 0;
    uint64_t bytes = 0;       // all that the sink took
    uint64_t raw_bytes = 0;   // of the blocks' columns before compression
    uint64_t skipped = 0;     // events that were not recorded: in gaps
    uint64_t gaps = 0;        // written
    uint64_t notes_lost = 0;  // areas, names, readings that found no room while paused
  };

  // Writes the header. The sink must outlive the writer. Errors: InvalidArgument (options), and
  // those of the sink.
  static absl::StatusOr<std::unique_ptr<RecordingWriter>> create(ByteSink& sink,
                                                                 const RecordingHeader& header,
                                                                 const Options& options);
  static absl::StatusOr<std::unique_ptr<RecordingWriter>> create(ByteSink& sink,
                                                                 const RecordingHeader& header);

  // In the order in which the reconstructor gets them. Errors: of the sink; then the events since
  // the last whole block are skipped and the writer is paused. While it is paused: OK, and counted.
  absl::Status add(const swaptrail_event& event, uint64_t sequence) {
    if (paused_) return skip(event);
    encoder_.add(event, sequence);
    return encoder_.full() ? flush() : absl::OkStatus();
  }
  // InvalidArgument as well: a CPU above kMaxRecordedCpu.
  absl::Status add(const Loss& loss);
  // Marks in the stream that everything up to `now_ns` had come. Errors: of the sink.
  absl::Status add_time(uint64_t now_ns) {
    return paused_ ? absl::OkStatus() : add(Loss{now_ns, now_ns, 0, 0});
  }

  // Notes are written at once, before the events that still wait for their block. While paused they
  // wait too, up to 1 MiB. Errors: of the sink; then the writer is paused and the note waits.
  absl::Status add(const SwapArea& area) { return add_note(RecordKind::kArea, make_payload(area)); }
  absl::Status add(const CgroupName& cgroup) {
    return add_note(RecordKind::kCgroup, make_payload(cgroup));
  }
  absl::Status add(const ProcessName& process) {
    return add_note(RecordKind::kProcess, make_payload(process));
  }
  absl::Status add(const Reading& reading) {
    return add_note(RecordKind::kReading, make_payload(reading));
  }
  absl::Status add(const Gap& gap);  // after the events so far

  // Closes the open block, however small: the sink then has everything that was added. Call it each
  // second or so: a crash loses what is in the open block. Errors: as add().
  absl::Status flush();

  // Stops recording, as if the sink had refused; what is in the open block is flushed first.
  void pause(std::string reason, uint64_t now_ns);
  // Writes the gap and what waited. Errors: of the sink; then the writer stays paused, try again
  // later.
  absl::Status resume(uint64_t now_ns);
  bool paused() const { return paused_; }

  // The observation ended at `end_ns`: writes the last block, the index and the end. Call once,
  // last. If paused, tries to resume first. Errors: of the sink; what was written before stays
  // readable.
  absl::Status finish(uint64_t end_ns);

  const Counters& counters() const { return counters_; }
  uint32_t events_waiting() const { return encoder_.head().events; }  // in the open block

 private:
  struct Note {
    RecordKind kind;
    std::string payload;
  };

  RecordingWriter(ByteSink& sink, const Options& options)
      : log_(sink), encoder_(options.block_events, options.level) {}
  absl::Status skip(const swaptrail_event& event);
  absl::Status add_note(RecordKind kind, std::string payload);
  void keep_note(RecordKind kind, std::string payload);
  void skip_block(const absl::Status& why);
  void begin_gap(std::string reason, uint64_t from_ns);
  Gap::Cpu& skipped_on(uint32_t cpu);
  absl::Status write_notes();

  RecordLog log_;
  BlockEncoder encoder_;
  std::string payload_;
  Counters counters_;
  bool paused_ = false;
  bool finished_ = false;
  uint64_t last_ns_ = 0;           // of the last block written
  Gap gap_;                        // while paused
  std::vector<uint32_t> gap_cpu_;  // by CPU: place in gap_.cpus plus 1
  std::vector<Note> notes_;        // notes that wait while paused
  size_t note_bytes_ = 0;
};

}  // namespace swaptrail::recording
