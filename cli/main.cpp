// swaptrail: the command line.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/doctor.h"

int main(int argc, char** argv) {
  CLI::App app{"Asks what swaptraild sees, and whether it can."};
  app.set_version_flag("--version", "swaptrail " SWAPTRAIL_VERSION);
  app.require_subcommand(1);
  int code = 0;

  swaptrail::DoctorOptions doctor;
  std::string format = "table";
  CLI::App* command =
      app.add_subcommand("doctor", "what this kernel lets swaptraild see, and why not the rest");
  command->footer(
      "Exit codes: 0 every hook is served; 1 some are not, or no swap is on; 2 bad flag or file; 4 no mode.");
  command->add_option("-o,--output", format, "table or jsonl")
      ->check(CLI::IsMember({"table", "jsonl"}));
  CLI::Option* btf =
      command->add_option("--btf", doctor.btf, "ask about another kernel, by its BTF")
          ->check(CLI::ExistingFile);
  command->add_option("--symbols", doctor.symbols, "that kernel's symbol names")
      ->check(CLI::ExistingFile)
      ->needs(btf);
  command->callback([&] {
    doctor.json = format == "jsonl";
    code = swaptrail::doctor(doctor);
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::fprintf(stderr, "swaptrail: %s; see swaptrail --help\n", error.what());
    return 2;
  }
  return code;
}
