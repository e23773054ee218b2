// Decodes the payload of a block into its events and losses. Internal to trace/recording.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "bpf/event.h"
#include "trace/lifecycle.h"
#include "trace/recording/columns.h"
#include "trace/recording/format.h"
#include "trace/recording/history.h"

struct ZSTD_DCtx_s;

namespace swaptrail::recording {

struct RecordedEvent {
  swaptrail_event event;
  uint64_t sequence;
};

// A loss, and the number of events of its block that stand before it.
struct RecordedLoss {
  uint32_t before_event;
  Loss loss;
};

// One thread. Memory is bounded by the limits in format.h and is reused.
class BlockDecoder {
 public:
  BlockDecoder();
  ~BlockDecoder();
  BlockDecoder(const BlockDecoder&) = delete;
  BlockDecoder& operator=(const BlockDecoder&) = delete;

  // Overwrites both. Safe for any bytes. Errors: DataLoss, without a place, if the payload is not
  // what an encoder makes for that head.
  absl::Status decode(const BlockHead& head, std::string_view payload,
                      std::vector<RecordedEvent>& events, std::vector<RecordedLoss>& losses);

 private:
  struct Coder;
  absl::Status open_columns(const BlockHead& head, std::string_view payload);
  absl::Status open_column(size_t column, ByteCursor& in, size_t room, uint8_t*& raw);
  absl::Status read_losses(const BlockHead& head, uint64_t first_ns,
                           std::vector<RecordedLoss>& losses);
  absl::Status read_events(const BlockHead& head, const std::vector<RecordedLoss>& losses,
                           std::vector<RecordedEvent>& events);

  History history_;
  std::vector<uint8_t> raw_;
  std::array<ByteCursor, kColumnCount> columns_;
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, Free> zstd_;
};

}  // namespace swaptrail::recording
