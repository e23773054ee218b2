// Frames of HTTP/2 (RFC 9113, section 4.1), written by hand for the tests of daemon/listen.
#pragma once

#include <cstdint>
#include <string>

namespace swaptrail::listen {

inline const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline constexpr uint8_t kEndStream = 1, kEndHeaders = 4;

// The lowest `bytes` bytes of `value`, the highest first.
inline std::string number(uint64_t value, int bytes) {
  std::string text;
  while (bytes-- > 0) text.push_back(static_cast<char>(value >> (8 * bytes)));
  return text;
}

inline std::string frame(uint8_t type, uint8_t flags, uint32_t stream, const std::string& payload) {
  return number(payload.size(), 3) + number(type, 1) + number(flags, 1) + number(stream, 4) +
         payload;
}

}  // namespace swaptrail::listen
