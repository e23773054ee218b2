// swaptrail: the command line.
#include "cli/command_line.h"

int main(int argc, char** argv) { return swaptrail::run_command_line(argc, argv); }
