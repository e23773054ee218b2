// A text in a file, as it is or compressed by zstd, from front to back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/workloads/byte_stream.h"
#include "trace/recording/file.h"

struct ZSTD_DCtx_s;  // as zstd.h has it

namespace swaptrail::compare {

// Compressed or not is found from the first bytes, not from the name. Memory: two buffers of 128 KiB, and the window of the
// compression, at most 16 MiB. One thread.
class TraceBytes : public engine::ByteStream {
 public:
  // Errors: of FileSource::open.
  static absl::StatusOr<std::unique_ptr<TraceBytes>> open(const std::string& path);
  ~TraceBytes() override;

  // Errors: DataLoss, with the path (compressed data are broken, end in the middle, or need a larger window), and those of
  // FileSource.
  absl::StatusOr<size_t> read(char* out, size_t count) override;
  absl::Status rewind() override;

  uint64_t file_bytes() const { return file_->size(); }
  uint64_t file_bytes_read() const { return offset_; }

 private:
  TraceBytes(std::string path, std::unique_ptr<recording::FileSource> file);

  absl::StatusOr<size_t> read_compressed(char* out, size_t count);
  absl::Status fill();

  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  const std::string path_;
  const std::unique_ptr<recording::FileSource> file_;
  std::unique_ptr<ZSTD_DCtx_s, Free> zstd_;  // null: not compressed
  std::vector<char> input_;
  size_t input_at_ = 0;  // what of it was decompressed
  size_t input_end_ = 0;
  uint64_t offset_ = 0;    // in the file
  bool in_frame_ = false;  // of zstd, which has not ended
};

}  // namespace swaptrail::compare
