#include "daemon/proc.h"

#include <cerrno>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace swaptrail {

absl::StatusOr<std::string> read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::ErrnoToStatus(errno, absl::StrCat("can't read ", path));
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

void parse_vmstat(absl::string_view text, Vmstat& values) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(line, ' ');
    uint64_t value = 0;
    if (parts.size() == 2 && absl::SimpleAtoi(parts[1], &value))
      values[std::string_view(parts[0].data(), parts[0].size())] = value;
  }
}

absl::StatusOr<VmstatReading> read_vmstat() {
  auto text = read_file("/proc/vmstat");
  if (!text.ok()) return text.status();
  VmstatReading reading;
  reading.text = std::make_unique<const std::string>(*std::move(text));
  parse_vmstat(*reading.text, reading.values);
  return reading;
}

std::string first_line(const std::string& path) {
  const auto text = read_file(path);
  return text.ok() ? text->substr(0, text->find('\n')) : "";
}

}  // namespace swaptrail
