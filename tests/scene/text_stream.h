// A text as a ByteStream, in pieces of any size.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/workloads/byte_stream.h"

namespace swaptrail::engine {

class TextStream : public ByteStream {
 public:
  // At most `piece` bytes a read. An error comes in the place of byte `broken_at`, if there is one there.
  explicit TextStream(std::string_view text, size_t piece = SIZE_MAX, size_t broken_at = SIZE_MAX)
      : text_(text), piece_(piece), broken_at_(broken_at) {}

  absl::StatusOr<size_t> read(char* out, size_t count) override {
    if (at_ >= broken_at_) return absl::InternalError("the medium is broken");
    const size_t end = std::min(text_.size(), broken_at_);
    const size_t some = std::min({count, piece_, end - at_});
    text_.copy(out, some, at_);
    at_ += some;
    return some;
  }
  absl::Status rewind() override {
    at_ = 0;
    return absl::OkStatus();
  }

 private:
  const std::string_view text_;
  const size_t piece_;
  const size_t broken_at_;
  size_t at_ = 0;
};

}  // namespace swaptrail::engine
