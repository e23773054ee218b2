// Bytes from front to back, as often as wanted: a file, a decompressor, a test.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace swaptrail::engine {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Puts at most `count` bytes into `out`, at least one before the end, and says how many; 0: the end. Errors: of the
  // medium; the stream is not read any further then.
  virtual absl::StatusOr<size_t> read(char* out, size_t count) = 0;
  // The same bytes from the front.
  virtual absl::Status rewind() = 0;
};

}  // namespace swaptrail::engine
