// What is wrong with the options, and with what they name, before anything is attached.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/options/options.h"

namespace swaptrail {

struct StartProblems {
  // A line each: begins with the option and says what to do. It stays wrong until somebody mends it.
  std::vector<std::string> wrong;
  // The same for what may pass by itself, such as a port that another process has.
  std::vector<std::string> for_now;
};

// All of them. Makes no file or folder, and no thread that lives on. Main thread, before it has others.
StartProblems problems_at_start(const Options& options);

}  // namespace swaptrail
