// Where a recording's bytes go to and come from: memory, a file (trace/recording/file.h), a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace swaptrail::recording {

// Each call brings one whole record (or the preamble). The view is valid only during the call, so a
// sink that writes in another thread copies it (about 50 KB a block).
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  // All or nothing: after an error, no part of `bytes` may remain where a reader would see it.
  virtual absl::Status append(std::string_view bytes) = 0;
};

// Random access to bytes that do not change.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual uint64_t size() const = 0;
  // Reads exactly `count` bytes; offset + count <= size(). Errors: of the medium.
  virtual absl::Status read_at(uint64_t offset, char* out, size_t count) const = 0;
};

class StringSink : public ByteSink {
 public:
  absl::Status append(std::string_view bytes) override {
    text.append(bytes);
    return absl::OkStatus();
  }
  std::string text;
};

// The bytes must outlive the source.
class ViewSource : public ByteSource {
 public:
  explicit ViewSource(std::string_view bytes) : bytes_(bytes) {}
  uint64_t size() const override { return bytes_.size(); }
  absl::Status read_at(uint64_t offset, char* out, size_t count) const override {
    if (offset > bytes_.size() || count > bytes_.size() - offset)
      return absl::OutOfRangeError("read past the end");
    bytes_.copy(out, count, offset);
    return absl::OkStatus();
  }

 private:
  std::string_view bytes_;
};

}  // namespace swaptrail::recording
