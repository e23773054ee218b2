// Numbers and texts one after the other, little-endian. Internal to trace/recording.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>

#include "trace/recording/format.h"

namespace swaptrail::recording {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are");

template <typename Number>
void put_number(std::string& out, Number value) {
  static_assert(std::is_integral_v<Number>);
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// u32 length, then the bytes. A longer text is cut at kMaxTextBytes.
inline void put_text(std::string& out, std::string_view text) {
  text = text.substr(0, kMaxTextBytes);
  put_number(out, static_cast<uint32_t>(text.size()));
  out.append(text);
}

// Appends to `out`. FieldReader has the same calls, so that a list of fields serves both directions.
class FieldWriter {
 public:
  explicit FieldWriter(std::string& out) : out_(out) {}

  template <typename... Values>
  void operator()(const Values&... values) {
    (put(values), ...);
  }
  // As u64, whatever their type.
  template <typename... Values>
  void wide(const Values&... values) {
    (put_number(out_, uint64_t{values}), ...);
  }

 private:
  void put(const std::string& text) { put_text(out_, text); }
  template <typename Number>
  void put(Number value) {
    put_number(out_, value);
  }

  std::string& out_;
};

// Past the end, or beyond a limit, everything is 0 or empty and ok() is false.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : bytes_(bytes) {}

  template <typename... Values>
  void operator()(Values&... values) {
    (read(values), ...);
  }
  template <typename... Values>
  void wide(Values&... values) {
    ((values = static_cast<Values>(number<uint64_t>())), ...);
  }

  template <typename Number>
  Number number() {
    static_assert(std::is_integral_v<Number>);
    Number value = 0;
    if (bytes_.size() < sizeof(value)) {
      fail();
    } else {
      std::memcpy(&value, bytes_.data(), sizeof(value));
      bytes_.remove_prefix(sizeof(value));
    }
    return value;
  }
  template <typename Number>
  void read(Number& value) {
    value = number<Number>();
  }
  void read(std::string& text) {
    const auto length = number<uint32_t>();
    if (length > kMaxTextBytes || length > bytes_.size()) return fail();
    text.assign(bytes_.substr(0, length));
    bytes_.remove_prefix(length);
  }
  void read(bool& value) { value = number<uint8_t>() != 0; }

  // A count of items of at least `least_bytes` each, so that the bytes left bound it.
  uint32_t count(size_t least_bytes) {
    const auto value = number<uint32_t>();
    if (value > bytes_.size() / least_bytes) {
      fail();
      return 0;
    }
    return value;
  }

  void skip(size_t bytes) {
    if (bytes > bytes_.size()) return fail();
    bytes_.remove_prefix(bytes);
  }

  bool ok() const { return ok_; }
  size_t left() const { return bytes_.size(); }

 private:
  void fail() {
    ok_ = false;
    bytes_ = {};
  }

  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace swaptrail::recording
