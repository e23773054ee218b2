// Python's own reading of what is printed for tools.
#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace swaptrail {

struct Outside {
  int code;  // 0: it could be read
  std::string out;
};

inline bool there_is_python() { return std::system("command -v python3 >/dev/null") == 0; }

// `how`: json (of any number of files) or csv, see outside.py. What it prints is put into `out`.
inline Outside read_outside(const std::string& how, const std::string& files,
                            const std::string& out) {
  const std::string line = "python3 " SWAPTRAIL_SOURCE_DIR "/tests/scene/outside.py " + how + " " +
                           files + " >" + out + " 2>&1";
  const int status = std::system(line.c_str());
  std::ifstream stream(out, std::ios::binary);
  return {status, {std::istreambuf_iterator<char>(stream), {}}};
}

}  // namespace swaptrail
