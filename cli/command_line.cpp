#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <sstream>
#include <string>

#include "absl/strings/str_format.h"
#include "cli/base/errors.h"
#include "cli/base/standard_output.h"
#include "cli/offline/describe.h"
#include "cli/offline/doctor.h"
#include "cli/offline/edit.h"
#include "cli/offline/export.h"
#include "cli/offline/replay.h"
#include "cli/offline/simulate.h"
#include "cli/offline/validate.h"
#include "cli/offline/what_if.h"
#include "cli/online/commands.h"
#include "cli/self_description.h"

namespace swaptrail::cli {
namespace {

// Each code of each command, one per line.
std::string all_exit_codes() {
  std::string lines = "Exit codes:\n";
  for (const ExitCodeMeaning& row : kExitCodeTable)
    lines += absl::StrFormat("  %2d  %s\n", static_cast<int>(row.code), row.meaning);
  return lines;
}

// --help or --version; the exit code.
int print_help(const CLI::App& app, const CLI::ParseError& wanted) {
  std::ostringstream text;
  app.exit(wanted, text, text);
  StandardOutput output;
  output.write(text.str());
  return output.exit_code(kDone);
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  CLI::App app{"Asks what swaptraild sees, and reads what it has recorded.", "swaptrail"};
  app.set_version_flag("--version", "swaptrail " SWAPTRAIL_VERSION);
  app.footer("See swaptrail COMMAND --help for options and examples.\n" + all_exit_codes());
  app.require_subcommand(1);
  int code = kDone;
  offline::add_doctor(app, code);
  offline::add_replay(app, code);
  offline::add_describe(app, code);
  offline::add_edits(app, code);
  offline::add_export(app, code);
  offline::add_validate(app, code);
  offline::add_simulate(app, code);
  offline::add_what_if(app, code);
  for (CLI::App* command : app.get_subcommands({})) command->group("Host and recordings");
  for (const online::Command& command : online::kCommands) command.add(app, code);
  add_self_description(app, code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return print_help(app, error);
    return complain(kUnusable, error.what(), "see swaptrail --help");
  }
  return code;
}

}  // namespace swaptrail::cli
