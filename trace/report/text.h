// Appends to a string. Internal to trace/: the printers.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace swaptrail::report {

inline void append_one(std::string& out, std::string_view text) { out.append(text); }
template <std::integral Number>
void append_one(std::string& out, Number number) {
  absl::StrAppend(&out, number);
}

// absl::StrAppend for std::string_view: Debian's abseil does not accept it as its own type.
template <typename... Parts>
void append_all(std::string& out, const Parts&... parts) {
  (append_one(out, parts), ...);
}

}  // namespace swaptrail::report
