// What the online commands print: colour and JSON.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "cli/base/standard_output.h"

namespace swaptrail::online {

enum class Format : uint8_t { kTable, kJson, kJsonl };

// Standard output is a terminal that shows colour, and NO_COLOR is not set.
bool wants_colour();

// ANSI codes, or nothing without colour.
struct Style {
  bool colour = false;

  std::string bold(std::string_view text) const { return paint("1", text); }
  std::string dim(std::string_view text) const { return paint("2", text); }
  std::string red(std::string_view text) const { return paint("31", text); }
  std::string green(std::string_view text) const { return paint("32", text); }
  std::string yellow(std::string_view text) const { return paint("33", text); }

 private:
  std::string paint(const char* code, std::string_view text) const;
};

// The message as proto JSON, with the names of the contract, including fields that are 0 or empty.
// Control characters in strings are escaped: see is_control().
// On one line, or indented and with a line end.
std::string json_line(const google::protobuf::Message& message);
std::string json_document(const google::protobuf::Message& message);

// A document {"FIELD":[...],...} that is written while its objects arrive. One thread.
class JsonArray {
 public:
  // Begins it. `output` must outlive it.
  JsonArray(cli::StandardOutput& output, std::string_view field);
  void add(const google::protobuf::Message& message);
  // Ends it, with all fields of `rest` except `field`.
  void finish(const google::protobuf::Message& rest);

 private:
  cli::StandardOutput& output_;
  const std::string field_;
  bool first_ = true;
};

}  // namespace swaptrail::online
