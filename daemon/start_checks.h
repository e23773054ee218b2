// Checks the options, and what they name, before anything is attached.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/options/options.h"

namespace swaptrail::daemon {

struct StartProblems {
  // A line each: begins with the option and says what to do. These problems stay until somebody
  // fixes them.
  std::vector<std::string> wrong;
  // The same for problems that may pass by themselves, such as a port that another process has.
  std::vector<std::string> for_now;
};

// Finds all of them. Makes no file or folder, and no thread that lives on. Main thread, before there
// are others.
StartProblems problems_at_start(const options::Options& options);

}  // namespace swaptrail::daemon
