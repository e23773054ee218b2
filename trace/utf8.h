// Text of unknown origin: process names, paths, texts of a recording.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace swaptrail {

// Length in bytes of the UTF-8 sequence at the beginning of `text`, 0 if it is none (RFC 3629).
// `text` is not empty.
size_t utf8_length(std::string_view text);

// One valid character: is it a control character (C0, DEL, C1), or does it change the direction or the
// line of the text around it? None of them is longer than three bytes.
bool is_control(std::string_view character);

// Each byte that is not valid UTF-8 becomes U+FFFD: at most three times as long. For protobuf.
std::string utf8(std::string_view text);

// Safe for a terminal: each character that is_control(), and each byte that is not valid UTF-8,
// becomes one '?'. Never longer than `text`.
std::string printable(std::string_view text);

// The same for one line of unknown length: if it exceeds `most` bytes, its beginning and " ...".
std::string printable_line(std::string_view text, size_t most);

// Characters of valid UTF-8. Wide and combining ones count as one.
size_t utf8_size(std::string_view text);
// Its first `most` characters.
std::string_view utf8_prefix(std::string_view text, size_t most);

}  // namespace swaptrail
