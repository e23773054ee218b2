// swaptrail: the command line.
#include "cli/command_line.h"
#include "daemon/base/files.h"

int main(int argc, char** argv) {
  if (!swaptrail::base::standard_streams_are_open()) return 1;
  return swaptrail::cli::run_command_line(argc, argv);
}
