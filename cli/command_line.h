// The commands of swaptrail, put together.
#pragma once

namespace swaptrail::cli {

// Parses and runs. Returns the exit code; errors have been reported on stderr.
int run_command_line(int argc, const char* const* argv);

}  // namespace swaptrail::cli
