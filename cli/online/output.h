// Standard output of the online commands: tables, JSON, and a reader that may go away.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace swaptrail::online {

enum class Format : uint8_t { kTable, kJson, kJsonl };

// Standard output is a terminal that shows colour, and NO_COLOR is not set.
bool wants_colour();

// ANSI, or nothing at all without colour.
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

// The message in proto's JSON, with the names of the contract, and fields that are 0 or empty.
// On one line, or indented and with a line's end.
std::string json_line(const google::protobuf::Message& message);
std::string json_document(const google::protobuf::Message& message);

// One thread. SIGPIPE is ignored from the first one on.
class Output {
 public:
  Output();

  // What comes after a failure is thrown away.
  void write(std::string_view text);
  // False: nobody reads any more, or writing failed. Stop.
  bool open() const { return error_ == 0; }
  // The exit code: `code`, also if the reader has gone away; kNotWritten, told on stderr, if
  // writing failed in another way.
  int finish(int code) const;

 private:
  int error_ = 0;  // errno
};

// A document {"FIELD":[...],...} that is written while its objects come. One thread.
class JsonArray {
 public:
  // Begins it. `output` must outlive it.
  JsonArray(Output& output, std::string_view field);
  void add(const google::protobuf::Message& message);
  // Ends it, with all fields of `rest` but `field`.
  void finish(const google::protobuf::Message& rest);

 private:
  Output& output_;
  const std::string field_;
  bool first_ = true;
};

}  // namespace swaptrail::online
