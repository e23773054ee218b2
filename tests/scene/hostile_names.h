// Names that anybody may give to a process, a cgroup, a file or a user, and the damage that they must
// not do.
//
// The C library's own decoder, which does not know trace/utf8, checks the printed text.
#pragma once

#include <locale.h>
#include <uchar.h>

#include <algorithm>
#include <cwchar>
#include <string>
#include <string_view>
#include <vector>

namespace swaptrail {

struct HostileName {
  std::string raw;
  std::string in_csv;  // the cell that a reader of CSV gets
  bool valid = true;   // UTF-8 without NUL
};

inline std::vector<HostileName> hostile_names() {
  return {
      {"\x1b[2J\x1b[31m", "?[2J?[31m"},
      {"a\r\nb: c", "a??b: c"},
      {"a\u202efdp", "a?fdp"},
      {"\u2066b\u2069\u200f\u061c", "?b???"},
      {"\xc2\x9b"
       "2J\xc2\x85",
       "?2J?"},
      {"\x7f\b\a\v\f\t", "??????"},
      {"\u2028b\u2029", "?b?"},
      {"=1+1", "'=1+1"},
      {"+1", "'+1"},
      {"-2+3", "'-2+3"},
      {"@SUM(1,2)", "'@SUM(1,2)"},
      {"=\"a\",1", "'=\"a\",1"},
      {"\t=1", "?=1"},
      {"\r=1", "?=1"},
      {"＝1", "'＝1"},
      {"a,\"b\";'c", "a,\"b\";'c"},
      {"\\x1b{}<>&%s", "\\x1b{}<>&%s"},
      {"größe 日本", "größe 日本"},
      {"\xff\xfe\xc3", "???", false},
      {"\xc0\xaf\xed\xa0\x80", "?????", false},
      {"\xe2\x82=1",
       "?"
       "?=1",
       false},
  };
}

// All that is valid UTF-8 in one, and so many bytes more: for texts that have no bound of their own.
inline std::string long_hostile_name(size_t more = 50'000) {
  std::string all;
  for (const HostileName& name : hostile_names())
    if (name.valid) all += name.raw + "x";
  return all + std::string(more, 'y') + "\x1b[2J";
}

// What in `text` a terminal would obey, or is no UTF-8, with its place; empty: nothing. `allowed`: controls
// that the format needs.
inline std::string obeyed_in(std::string_view text, std::string_view allowed = "\n") {
  static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  if (utf8 == nullptr) return "no locale C.UTF-8";
  const locale_t before = uselocale(utf8);
  std::string found;
  std::mbstate_t state{};
  for (size_t at = 0; at < text.size() && found.empty();) {
    char32_t point = 0;
    const size_t length = mbrtoc32(&point, text.data() + at, text.size() - at, &state);
    const bool decoded = length != size_t(-1) && length != size_t(-2) && length != 0;
    const bool control = point < 0x20 || (point >= 0x7f && point <= 0x9f);
    const bool bidi = point == 0x61c || point == 0x200e || point == 0x200f ||
                      (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
    const bool needed = point < 0x80 && allowed.find(static_cast<char>(point)) != allowed.npos;
    if (!decoded || ((control || bidi) && !needed))
      found = "U+" + std::to_string(point) + (decoded ? "" : " (no UTF-8)") + " at byte " +
              std::to_string(at) +
              " of: " + std::string(text.substr(at - std::min<size_t>(at, 60), 90));
    at += decoded ? length : 1;
  }
  uselocale(before);
  return found;
}

}  // namespace swaptrail
