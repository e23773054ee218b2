// Appends the members of a JSON object, one by one. For the printers here and in cli/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "trace/report/print.h"

namespace swaptrail::report::json {

// Each appends one member, preceded by a comma, to an object that was opened with '{'.
inline void append_key(std::string_view key, std::string& out) {
  if (out.back() != '{') out.push_back(',');
  out.push_back('"');
  out.append(key).append("\":");
}

inline void field(std::string_view key, uint64_t value, std::string& out) {
  append_key(key, out);
  absl::StrAppend(&out, value);
}

inline void field(std::string_view key, std::string_view value, std::string& out) {
  append_key(key, out);
  append_json_string(value, out);
}

inline void flag(std::string_view key, bool value, std::string& out) {
  append_key(key, out);
  out.append(value ? "true" : "false");
}

inline void null(std::string_view key, std::string& out) {
  append_key(key, out);
  out.append("null");
}

inline void number_or_null(std::string_view key, bool known, uint64_t value, std::string& out) {
  known ? field(key, value, out) : null(key, out);
}

inline void name_or_null(std::string_view key, bool known, std::string_view value,
                         std::string& out) {
  known ? field(key, value, out) : null(key, out);
}

}  // namespace swaptrail::report::json
