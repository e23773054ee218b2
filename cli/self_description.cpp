#include "cli/self_description.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/base/atomic_file.h"
#include "cli/base/errors.h"
#include "cli/base/standard_output.h"
#include "cli/online/commands.h"
#include "manual/completion.h"
#include "manual/visible.h"

namespace swaptrail::cli {
namespace {

constexpr const char* kOfFiles =
    "Works on files alone: it asks neither swaptraild nor the kernel anything. It takes one CPU "
    "while it runs, and memory for what is open in the recording at one time, not for all of it.";

struct Overhead {
  const char* command;
  const char* text;
};
// Of the commands that ask swaptraild: cli/online/commands.h.
constexpr Overhead kOverheads[] = {
    {"",
     "Each command has a page of its own, which says what it costs. Commands on recordings cost "
     "the host nothing but a CPU while they run; commands that ask swaptraild never change what "
     "its hooks do in the kernel."},
    {"doctor",
     "Reads the kernel's type information and its symbols once, and tries a few small BPF programs "
     "if it may. Nothing stays attached."},
    {"replay", kOfFiles},
    {"info", kOfFiles},
    {"verify", kOfFiles},
    {"repair", kOfFiles},
    {"cut", kOfFiles},
    {"merge", kOfFiles},
    {"export", kOfFiles},
    {"validate", kOfFiles},
    {"what-if",
     "Works on files alone: it asks neither swaptraild nor the kernel anything. It takes one CPU "
     "while it runs, and memory for what is in swap at one time: about 1 KiB a page."},
    {"simulate",
     "Runs a model: one CPU while it runs, and memory for each simulated page. The host's own swap "
     "is not touched."},
};

const std::pair<std::string, std::string> kEnvironment[] = {
    {"SWAPTRAIL_SOCKET", "the socket, if there is no --socket"},
    {"SWAPTRAIL_ADDRESS",
     "HOST:PORT, if there is neither --address nor --socket; stronger than SWAPTRAIL_SOCKET"},
    {"NO_COLOR", "if it is not empty, there is no colour"},
};

constexpr std::filesystem::perms kForAll{0644};  // to read

const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  if (name.empty()) return &app;
  for (const CLI::App* command : manual::visible_commands(app))
    if (command->get_name() == name) return command;
  return nullptr;
}

std::string page_of(const CLI::App& command) {
  const bool is_whole = command.get_parent() == nullptr;
  manual::ManualTexts texts = manual_texts(is_whole ? "" : command.get_name());
  // Only commands that ask swaptraild use the environment.
  if (!is_whole && command.get_option_no_throw("--socket") == nullptr) texts.environment.clear();
  return manual::manual_page(command, texts);
}

int write_pages(const CLI::App& app, const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  std::vector<const CLI::App*> pages = {&app};
  for (const CLI::App* command : manual::visible_commands(app)) pages.push_back(command);
  for (const CLI::App* page : pages) {
    const std::string path = directory + "/" + manual::manual_name(*page) + ".1";
    auto file = AtomicFile::create(path, true);
    if (!file.ok()) return complain_of_output(file.status());
    absl::Status status = (*file)->append(page_of(*page));
    if (status.ok()) status = (*file)->commit();
    if (!status.ok()) return complain_of_output(status);
    std::filesystem::permissions(path, kForAll, error);  // at worst others can't read it
  }
  return kDone;
}

int print_page(const CLI::App& app, const std::string& name) {
  const CLI::App* command = find_command(app, name);
  if (command == nullptr)
    return complain(kUnusable, "there is no command " + name, "see swaptrail --help");
  StandardOutput output;
  output.write(page_of(*command));
  return output.exit_code(kDone);
}

}  // namespace

manual::ManualTexts manual_texts(const std::string& command) {
  manual::ManualTexts texts;
  texts.version = SWAPTRAIL_VERSION;
  for (const ExitCodeMeaning& row : kExitCodeTable)
    texts.exit_codes.emplace_back(std::to_string(row.code), row.meaning);
  texts.environment.assign(std::begin(kEnvironment), std::end(kEnvironment));
  for (const Overhead& row : kOverheads)
    if (row.command == command) texts.overhead.emplace_back(row.text);
  for (const online::Command& row : online::kCommands)
    if (row.name == command) texts.overhead.emplace_back(row.overhead);
  if (!command.empty()) texts.see_also.emplace_back("swaptrail(1)");
  texts.see_also.emplace_back("swaptraild(8)");
  return texts;
}

void add_self_description(CLI::App& app, int& code) {
  struct Options {
    std::string shell;
    std::string command;
    std::string directory;
  };
  auto options = std::make_shared<Options>();
  CLI::App* completion = app.add_subcommand("completion", "print completions for a shell");
  completion->group("");
  completion->footer("Examples:\n  swaptrail completion bash");
  completion->add_option("SHELL", options->shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([options, &app, &code] {
    StandardOutput output;
    if (options->shell == "bash") output.write(manual::bash_completion(app));
    if (options->shell == "zsh") output.write(manual::zsh_completion(app));
    if (options->shell == "fish") output.write(manual::fish_completion(app));
    code = output.exit_code(kDone);
  });

  CLI::App* manpage = app.add_subcommand("manpage", "print a manual page, as troff");
  manpage->group("");
  manpage->footer("Examples:\n  swaptrail manpage trace | man -l -");
  CLI::Option* command =
      manpage->add_option("COMMAND", options->command, "its page; none: that of swaptrail");
  manpage->add_option("--directory", options->directory, "write all of them here")
      ->excludes(command);
  manpage->callback([options, &app, &code] {
    code = options->directory.empty() ? print_page(app, options->command)
                                      : write_pages(app, options->directory);
  });
}

}  // namespace swaptrail::cli
