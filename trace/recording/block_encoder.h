// Encodes events into the head and the payload of a block. Internal to trace/recording.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bpf/event.h"
#include "trace/lifecycle.h"
#include "trace/recording/columns.h"
#include "trace/recording/format.h"
#include "trace/recording/history.h"

struct ZSTD_CCtx_s;

namespace swaptrail::recording {

// One thread. No allocation after the first blocks. About 3 MB for blocks of 16384 events.
class BlockEncoder {
 public:
  // `block_events` is at most kMaxBlockEvents; `level` is zstd's.
  BlockEncoder(uint32_t block_events, int level);
  ~BlockEncoder();
  BlockEncoder(const BlockEncoder&) = delete;
  BlockEncoder& operator=(const BlockEncoder&) = delete;

  bool empty() const { return head_.events == 0 && head_.losses == 0; }
  // If full, nothing more may be added before reset().
  bool full() const {
    return head_.events == block_events_ || head_.losses == block_events_ ||
           head_.cpus.size() == kMaxBlockCpus;
  }

  void add(const swaptrail_event& event, uint64_t sequence);
  void add(const Loss& loss);  // loss.cpu is at most kMaxRecordedCpu

  // What is in the block so far.
  const BlockHead& head() const { return head_; }
  // Appends the payload and completes the head. Errors: Internal, of zstd.
  absl::Status seal(std::string& payload);
  void reset();

 private:
  struct Coder;
  CpuRange& range_of(uint32_t cpu);
  void begin(uint64_t first_ns);
  void note_time(uint64_t time_ns);
  absl::Status put_column(const uint8_t* begin, size_t bytes, std::string& payload);

  const uint32_t block_events_;
  const int level_;
  History history_;
  BlockHead head_;
  std::vector<uint16_t> range_index_;  // by CPU: place in head_.cpus plus 1
  uint64_t base_ns_ = 0;               // time of the first thing in the block
  uint64_t loss_base_event_ = 0;       // events before the last loss
  std::array<std::vector<uint8_t>, kColumnCount> columns_;
  std::array<uint8_t*, kColumnCount> at_{};  // where each column goes on
  std::string scratch_;
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> zstd_;
};

}  // namespace swaptrail::recording
