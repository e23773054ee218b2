#include "trace/utf8.h"

#include <algorithm>
#include <cstdint>

namespace swaptrail {
namespace {

// Copies the text. For each character, or invalid byte (an empty character), `replacement` returns
// what stands for it.
template <typename Replacement>
std::string replaced(std::string_view text, Replacement replacement) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    out.append(replacement(text.substr(0, length)));
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

}  // namespace

bool is_control(std::string_view character) {
  const auto byte = [&](size_t index) { return static_cast<unsigned char>(character[index]); };
  if (character.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7f;
  const bool c1 = character.size() == 2 && byte(0) == 0xc2 && byte(1) < 0xa0;
  if (c1 || character == "\u061c") return true;  // the Arabic letter mark
  if (character.size() != 3 || byte(0) != 0xe2) return false;
  // marks, line and paragraph separators, embeddings and overrides, isolates and deprecated
  // formatting
  const uint32_t in_block = (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);  // since U+2000
  return (in_block >= 0x0e && in_block <= 0x0f) || (in_block >= 0x28 && in_block <= 0x2e) ||
         (in_block >= 0x66 && in_block <= 0x6f);
}

size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t index) { return static_cast<unsigned char>(text[index]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  for (size_t index = 1; index < length; ++index) {
    if ((byte(index) & 0xc0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  const bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
  const bool surrogate = lead == 0xed && second > 0x9f;
  const bool too_large = lead == 0xf4 && second > 0x8f;
  return overlong || surrogate || too_large ? 0 : length;
}

std::string utf8(std::string_view text) {
  return replaced(text, [](std::string_view character) {
    return character.empty() ? std::string_view("\xef\xbf\xbd") : character;
  });
}

std::string printable(std::string_view text) {
  return replaced(text, [](std::string_view character) {
    return character.empty() || is_control(character) ? std::string_view("?") : character;
  });
}

std::string printable_line(std::string_view text, size_t most) {
  if (text.size() <= most) return printable(text);
  // do not cut inside a character: its rest would be shown as '?'
  size_t end = most;
  while (end > 0 && most - end < 3 && (text[end] & 0xc0) == 0x80) --end;
  return printable(text.substr(0, end)) + " ...";
}

size_t utf8_size(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return (byte & 0xc0) != 0x80; }));
}

std::string_view utf8_prefix(std::string_view text, size_t most) {
  size_t bytes = 0;
  for (size_t count = 0; bytes < text.size() && count < most; ++count)
    bytes += std::max<size_t>(utf8_length(text.substr(bytes)), 1);
  return text.substr(0, bytes);
}

}  // namespace swaptrail
