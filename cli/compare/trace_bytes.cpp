#include "cli/compare/trace_bytes.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trace/check.h"

namespace swaptrail::compare {
namespace {

constexpr std::array<char, 4> kZstdMagic = {'\x28', '\xb5', '\x2f', '\xfd'};  // RFC 8878, 3.1.1
constexpr int kMostWindowBits = 24;  // of 16 MiB: zstd -19 takes 8 MiB, --ultra and --long more

absl::StatusOr<bool> is_compressed(const recording::FileSource& file) {
  std::array<char, kZstdMagic.size()> begin{};
  if (file.size() < begin.size()) return false;
  if (absl::Status status = file.read_at(0, begin.data(), begin.size()); !status.ok())
    return status;
  return begin == kZstdMagic;
}

}  // namespace

void TraceBytes::Free::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

absl::StatusOr<std::unique_ptr<TraceBytes>> TraceBytes::open(const std::string& path) {
  auto file = recording::FileSource::open(path);
  if (!file.ok()) return file.status();
  const auto compressed = is_compressed(**file);
  if (!compressed.ok()) return compressed.status();
  std::unique_ptr<TraceBytes> bytes(new TraceBytes(path, *std::move(file)));
  if (!*compressed) return bytes;
  bytes->zstd_.reset(ZSTD_createDCtx());
  SWAPTRAIL_CHECK(bytes->zstd_ != nullptr);
  SWAPTRAIL_CHECK(!ZSTD_isError(
      ZSTD_DCtx_setParameter(bytes->zstd_.get(), ZSTD_d_windowLogMax, kMostWindowBits)));
  bytes->input_.resize(ZSTD_DStreamInSize());
  return bytes;
}

TraceBytes::TraceBytes(std::string path, std::unique_ptr<recording::FileSource> file)
    : path_(std::move(path)), file_(std::move(file)) {}

TraceBytes::~TraceBytes() = default;

absl::StatusOr<size_t> TraceBytes::read(char* out, size_t count) {
  if (zstd_) return read_compressed(out, count);
  const size_t some = std::min<uint64_t>(count, file_->size() - offset_);
  if (some == 0) return some;
  if (absl::Status status = file_->read_at(offset_, out, some); !status.ok()) return status;
  offset_ += some;
  return some;
}

absl::Status TraceBytes::rewind() {
  offset_ = input_at_ = input_end_ = 0;
  in_frame_ = false;
  if (zstd_) ZSTD_DCtx_reset(zstd_.get(), ZSTD_reset_session_only);
  return absl::OkStatus();
}

absl::StatusOr<size_t> TraceBytes::read_compressed(char* out, size_t count) {
  ZSTD_outBuffer to{out, count, 0};
  while (to.pos == 0) {
    // What the decompressor still holds comes out with or without more input.
    if (input_at_ == input_end_ && offset_ != file_->size())
      if (absl::Status status = fill(); !status.ok()) return status;
    const bool at_end = input_at_ == input_end_;
    if (at_end && !in_frame_) return 0;
    ZSTD_inBuffer from{input_.data(), input_end_, input_at_};
    const size_t left = ZSTD_decompressStream(zstd_.get(), &to, &from);
    input_at_ = from.pos;
    if (ZSTD_isError(left))
      return absl::DataLossError(
          absl::StrCat(path_, ": can't be decompressed: ", ZSTD_getErrorName(left)));
    in_frame_ = left != 0;
    if (at_end && in_frame_ && to.pos == 0)
      return absl::DataLossError(absl::StrCat(path_, ": compressed data end in the middle"));
  }
  return to.pos;
}

absl::Status TraceBytes::fill() {
  input_at_ = 0;
  input_end_ = std::min<uint64_t>(input_.size(), file_->size() - offset_);
  if (absl::Status status = file_->read_at(offset_, input_.data(), input_end_); !status.ok())
    return status;
  offset_ += input_end_;
  return absl::OkStatus();
}

}  // namespace swaptrail::compare
