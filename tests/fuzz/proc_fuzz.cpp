// Any bytes as /proc/swaps, /proc/self/mountinfo or /proc/vmstat: what is found was in the text.
#include <algorithm>
#include <string>

#include "daemon/base/files.h"
#include "daemon/host/cgroups.h"
#include "daemon/host/proc.h"
#include "daemon/host/swap_areas.h"
#include "tests/fuzz/fuzzed.h"

namespace swaptrail {
namespace {

using fuzz::check;

size_t count_of(std::string_view text, char wanted) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), wanted));
}

// As fs/seq_file.c mangle_path() writes a name into a table.
std::string mangled(std::string_view name) {
  std::string out;
  for (const char letter : name) {
    const auto byte = static_cast<unsigned char>(letter);
    if (std::string_view(" \t\n\\").find(letter) == std::string_view::npos)
      out += letter;
    else
      out += {'\\', static_cast<char>('0' + (byte >> 6)), static_cast<char>('0' + (byte >> 3 & 7)),
              static_cast<char>('0' + (byte & 7))};
  }
  return out;
}

void check_swaps(std::string_view text) {
  const auto areas = host::parse_swap_areas(text, 5);
  check(areas.size() <= count_of(text, '\n') + 1);
  for (const host::SeenArea& seen : areas) {
    check(!seen.area.path.empty() && seen.area.path.size() <= text.size());
    check(seen.area.at_ns == 5 && seen.area.type == host::kTypeNotKnown);
  }
}

// Any name comes back as it is, whatever is in it, beside what else stands in the table.
void check_name(std::string_view name) {
  if (name.empty() || name.find('\0') != std::string_view::npos) return;
  const std::string written = mangled(name);
  check(base::unmangled(written) == name);
  const auto areas = host::parse_swap_areas(
      "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" + written + "  file\t1024\t8\t-2\n", 1);
  check(areas.size() == 1 && areas[0].area.path == name && areas[0].area.bytes == 1 << 20);
  // the path of a mount is whole; what is mounted may have any name
  const std::string mount =
      "30 25 0:26 / /" + written + " rw - cgroup2 " + written + " rw,nsdelegate\n";
  check(host::Cgroups::find_mount(mount) == "/" + std::string(name));
}

}  // namespace
}  // namespace swaptrail

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace swaptrail;
  const std::string_view text = fuzz::text_of(bytes, size);
  check_swaps(text);
  check_name(text);
  check(host::Cgroups::find_mount(text).size() <= text.size());
  report::Vmstat values;
  host::parse_vmstat({text.data(), text.size()}, values);
  return 0;
}
