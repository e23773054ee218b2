// Numbers as bytes: LEB128 varints and zigzag. Internal to trace/recording.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace swaptrail::recording {

inline constexpr size_t kMaxVarintBytes = 10;

// Seven bits a byte, the lowest first; the top bit of a byte says that more follow. `at` must have
// room for kMaxVarintBytes. Returns the place after the number.
inline uint8_t* put_varint(uint8_t* at, uint64_t value) {
  while (value >= 0x80) {
    *at++ = static_cast<uint8_t>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<uint8_t>(value);
  return at;
}

// Bytes to read once, in order. Past the end everything is 0 and `bad` is set.
struct ByteCursor {
  const uint8_t* at = nullptr;
  const uint8_t* end = nullptr;
  bool bad = false;

  bool consumed() const { return !bad && at == end; }

  uint8_t byte() {
    if (at == end) {
      bad = true;
      return 0;
    }
    return *at++;
  }

  uint64_t varint() {
    if (at != end && *at < 0x80) return *at++;
    return long_varint();
  }

 private:
  uint64_t long_varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const uint8_t part = byte();
      if (shift == 63 && part > 1) break;
      value |= uint64_t{part & 0x7fu} << shift;
      if (part < 0x80) return value;
    }
    bad = true;
    return 0;
  }
};

// A difference modulo 2^bits as a number that is small if the difference is small, whatever its
// sign.
template <typename Unsigned>
constexpr uint64_t zigzag(Unsigned difference) {
  constexpr int kSign = sizeof(Unsigned) * 8 - 1;
  using Signed = std::make_signed_t<Unsigned>;
  const auto sign = static_cast<Unsigned>(static_cast<Signed>(difference) >> kSign);
  return static_cast<Unsigned>(static_cast<Unsigned>(difference << 1) ^ sign);
}

template <typename Unsigned>
constexpr Unsigned unzigzag(uint64_t code) {
  return static_cast<Unsigned>((code >> 1) ^ (0 - (code & 1)));
}

}  // namespace swaptrail::recording
