// Records one after the other, and the index of them. Internal to trace/recording.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "trace/recording/bytes.h"
#include "trace/recording/contents.h"
#include "trace/recording/format.h"

namespace swaptrail::recording {

class RecordLog {
 public:
  explicit RecordLog(ByteSink& sink) : sink_(sink) {}

  // The preamble and the header record, in one append.
  absl::Status begin(const RecordingHeader& header);
  // Each is one append. After an error of the sink nothing has changed, and it may be tried again.
  absl::Status append(RecordKind kind, std::string_view payload) {
    return append_copy(static_cast<uint16_t>(kind), {}, payload);
  }
  // A record as it is in another recording. Not for blocks.
  absl::Status append_copy(uint16_t kind, std::string_view head, std::string_view payload);
  // Takes `head.first_event` from the blocks before it.
  absl::Status append_block(BlockHead& head, std::string_view payload);
  // The index and the end.
  absl::Status finish(uint64_t end_ns);

  uint64_t bytes() const { return offset_; }
  uint64_t events() const { return events_; }
  uint64_t blocks() const { return blocks_; }

 private:
  absl::Status write(RecordPlace place);

  ByteSink& sink_;
  uint64_t offset_ = 0;
  uint64_t events_ = 0;
  uint64_t blocks_ = 0;
  bool index_full_ = false;
  std::vector<RecordPlace> places_;
  std::string head_;
  std::string record_;
};

}  // namespace swaptrail::recording
