// Prints lifecycles on standard output as they come, in any format.
#pragma once

#include <cstdint>
#include <optional>

#include "cli/online/lifecycle_text.h"
#include "cli/online/output.h"

namespace swaptrail::online {

// One thread.
class LifecycleOutput {
 public:
  LifecycleOutput(Format format, bool block);

  // Flushes at once, so that a pipe gets it.
  void add(const v1::Lifecycle& lifecycle);
  // Ends a JSON document, with all fields of `rest` except the lifecycles.
  void finish(const google::protobuf::Message& rest);
  void write(const std::string& text) { output_.write(text); }

  bool open() const { return output_.open(); }
  uint64_t count() const { return count_; }
  uint64_t pages() const { return pages_; }
  const Style& style() const { return style_; }
  int exit_code(int code) const { return output_.exit_code(code); }

 private:
  const Format format_;
  const bool block_;
  const Style style_;
  const Table columns_;
  cli::StandardOutput output_;
  std::optional<JsonArray> array_;
  uint64_t count_ = 0;
  uint64_t pages_ = 0;
};

}  // namespace swaptrail::online
