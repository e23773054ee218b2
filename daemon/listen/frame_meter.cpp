#include "daemon/listen/frame_meter.h"

#include <algorithm>
#include <iterator>

namespace swaptrail::listen {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr uint32_t kBytesOfOne = 1024;  // this many cost as much as a small frame

// RFC 9113, section 6.
enum Type : uint8_t { kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kContinuation = 9 };
enum Flag : uint8_t { kEndStream = 0x1, kEndHeaders = 0x4 };

struct Cost {
  uint8_t type;
  uint64_t cost;
};
constexpr Cost kCosts[] = {
    {kHeaders, 4},       // a call: its memory, a thread
    {kReset, 256},       // a wasted call: its thread runs on until it notices
    {kSettings, 8},      // an answer, and new windows for all streams
    {kContinuation, 4},  // decoded together with the others
};

uint64_t cost_of(const Frame& frame) {
  const auto* const found =
      std::ranges::find_if(kCosts, [&](const Cost& one) { return one.type == frame.type; });
  return (found == std::end(kCosts) ? 1 : found->cost) + frame.payload_bytes / kBytesOfOne;
}

}  // namespace

void FrameBorders::skip_payload(std::string_view& bytes) {
  const size_t size = std::min<size_t>(payload_left_, bytes.size());
  payload_left_ -= static_cast<uint32_t>(size);
  bytes.remove_prefix(size);
}

// True: the header is complete.
bool FrameBorders::take_header(std::string_view& bytes) {
  const size_t size = std::min(header_.size() - header_bytes_, bytes.size());
  std::ranges::copy(bytes.substr(0, size), header_.begin() + header_bytes_);
  header_bytes_ += size;
  bytes.remove_prefix(size);
  if (header_bytes_ < header_.size()) return false;
  header_bytes_ = 0;
  payload_left_ = frame().payload_bytes;
  return true;
}

Frame FrameBorders::frame() const {
  const auto number = [this](size_t from, size_t size) {
    uint32_t value = 0;
    for (size_t at = from; at < from + size; ++at) value = value << 8 | header_[at];
    return value;
  };
  return {number(0, 3), header_[3], header_[4], number(5, 4) & 0x7fffffff};
}

bool FrameMeter::take_preface(std::string_view& bytes) {
  const size_t size = std::min(bytes.size(), kPreface.size() - preface_);
  if (bytes.substr(0, size) != kPreface.substr(preface_, size)) return false;
  preface_ += size;
  bytes.remove_prefix(size);
  return true;
}

bool FrameMeter::on_client_frame(const Frame& frame) {
  if (frame.type == kReset) end(frame.stream);
  if (frame.type != kHeaders && frame.type != kContinuation) return true;
  if (frame.type == kHeaders && frame.stream > highest_) {
    highest_ = frame.stream;
    open_.push_back(frame.stream);
    if (open_.size() > kMostOpenStreams) return false;
  }
  header_block_bytes_ += frame.payload_bytes;
  if (header_block_bytes_ > kMostHeaderBlock_bytes) return false;
  if ((frame.flags & kEndHeaders) != 0) header_block_bytes_ = 0;
  return true;
}

std::optional<uint64_t> FrameMeter::on_client(std::string_view bytes) {
  uint64_t cost = 0;
  bool permitted = take_preface(bytes);
  if (!permitted) return std::nullopt;
  client_.pass(bytes, [&](const Frame& frame) {
    cost += cost_of(frame);
    return permitted = on_client_frame(frame);
  });
  return permitted ? std::optional(cost) : std::nullopt;
}

void FrameMeter::on_server(std::string_view bytes) {
  server_.pass(bytes, [this](const Frame& frame) {
    const bool ends =
        (frame.type == kData || frame.type == kHeaders) && (frame.flags & kEndStream) != 0;
    if (ends || frame.type == kReset) end(frame.stream);
    return true;
  });
}

void FrameMeter::end(uint32_t stream) { std::erase(open_, stream); }

}  // namespace swaptrail::listen
