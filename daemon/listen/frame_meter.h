// Measures what an HTTP/2 client's input costs to serve, and how many calls it has open.
//
// A client can make a server work and allocate with a few bytes: PING and SETTINGS need an answer each,
// HEADERS with RST_STREAM make a call and cancel it, a header block has no limit of its own, and the limit
// of calls binds only a client that confirms it. So each frame has a cost, whatever is in it, plus a
// little for its bytes. The meter follows the borders of frames (RFC 9113, section 4.1) in both
// directions, and keeps nothing of their payload.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace swaptrail::listen {

struct Frame {
  uint32_t payload_bytes = 0;
  uint8_t type = 0;
  uint8_t flags = 0;
  uint32_t stream = 0;
};

// Finds the frames in a stream of bytes, wherever the stream was cut.
class FrameBorders {
 public:
  // Calls `visit(frame)` for each frame whose header ends in `bytes`; stops if it returns false.
  template <typename Visit>
  void pass(std::string_view bytes, Visit visit) {
    while (!bytes.empty()) {
      skip_payload(bytes);
      if (take_header(bytes) && !visit(frame())) return;
    }
  }

 private:
  void skip_payload(std::string_view& bytes);
  bool take_header(std::string_view& bytes);
  Frame frame() const;

  std::array<uint8_t, 9> header_{};
  size_t header_bytes_ = 0;
  uint32_t payload_left_ = 0;
};

// One thread.
class FrameMeter {
 public:
  static constexpr size_t kMostHeaderBlock_bytes = 64 << 10;  // HEADERS and its CONTINUATIONs
  static constexpr size_t kMostOpenStreams = 128;

  // The cost of the next bytes from the client; a small frame costs 1. Nothing: the connection must be
  // closed, because the bytes are not HTTP/2, or a header block is too long, or too many streams are
  // open. Other errors in a frame are left to its receiver.
  std::optional<uint64_t> on_client(std::string_view bytes);
  // The next bytes from the server: they end streams.
  void on_server(std::string_view bytes);

  size_t open_streams() const { return open_.size(); }

 private:
  bool take_preface(std::string_view& bytes);
  bool on_client_frame(const Frame& frame);
  void end(uint32_t stream);

  size_t preface_ = 0;  // bytes of it that were there
  FrameBorders client_, server_;
  size_t header_block_bytes_ = 0;
  std::vector<uint32_t> open_;
  uint32_t highest_ = 0;
};

}  // namespace swaptrail::listen
