#include "manual/completion.h"

#include <CLI/CLI.hpp>
#include <map>
#include <vector>

#include "manual/visible.h"

namespace swaptrail::manual {
namespace {

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

// The choices of "TEXT:{a,b}", separated by spaces; empty if there is no list.
std::string choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t begin = type.find('{');
  const size_t end = type.rfind('}');
  if (begin == std::string::npos || end == std::string::npos) return "";
  std::string choices = type.substr(begin + 1, end - begin - 1);
  for (char& character : choices)
    if (character == ',') character = ' ';
  return choices;
}

// Replaces each of `special` by the shell's form of it inside '...'.
std::string replaced(const std::string& text, const std::map<char, std::string>& special) {
  std::string out;
  for (const char character : text) {
    const auto found = special.find(character);
    out += found == special.end() ? std::string(1, character) : found->second;
  }
  return out;
}

// For a label in _arguments or _describe of zsh.
std::string zsh_quoted(const std::string& text) {
  return replaced(text,
                  {{'\'', "'\\''"}, {'[', "\\["}, {']', "\\]"}, {':', "\\:"}, {'\\', "\\\\"}});
}

std::string fish_quoted(const std::string& text) {
  return replaced(text, {{'\'', "\\'"}, {'\\', "\\\\"}});
}

std::string bash_values(const CLI::App& command) {
  std::string out;
  for (const CLI::Option* option : visible_options(command)) {
    if (!takes_value(*option)) continue;
    std::vector<std::string> patterns;
    for (const std::string& name : names_of(*option))
      patterns.push_back(command.get_name() + ":" + name);
    const std::string choices = choices_of(*option);
    out += "    " + joined(patterns, " | ") + ")\n      ";
    out += choices.empty()
               ? "compopt -o default\n"
               : "mapfile -t COMPREPLY < <(compgen -W '" + choices + "' -- \"$current\")\n";
    out += "      return\n      ;;\n";
  }
  return out;
}

std::string zsh_option(const CLI::Option& option) {
  std::string out;
  for (const std::string& name : names_of(option)) {
    const bool is_long = name.starts_with("--");
    out += " \\\n        '*" + name + (takes_value(option) ? (is_long ? "=" : "+") : "") + "[" +
           zsh_quoted(option.get_description()) + "]";
    const std::string choices = choices_of(option);
    if (takes_value(option)) out += choices.empty() ? ":value:_files" : ":value:(" + choices + ")";
    out += "'";
  }
  return out;
}

std::string fish_option(const std::string& program, const std::string& condition,
                        const CLI::Option& option) {
  std::string out = "complete -c " + program + " -n '" + condition + "'";
  for (const std::string& name : option.get_snames()) out += " -s " + name;
  for (const std::string& name : option.get_lnames()) out += " -l " + name;
  const std::string choices = choices_of(option);
  if (takes_value(option)) out += choices.empty() ? " -r" : " -x -a '" + choices + "'";
  return out + " -d '" + fish_quoted(option.get_description()) + "'\n";
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  const std::string& program = app.get_name();
  std::vector<std::string> commands;
  std::string values;
  std::string words;
  for (const CLI::App* command : visible_commands(app)) {
    commands.push_back(command->get_name());
    values += bash_values(*command);
    std::vector<std::string> names;
    for (const CLI::Option* option : visible_options(*command))
      for (std::string& name : names_of(*option)) names.push_back(std::move(name));
    words += "    " + command->get_name() + ") words='" + joined(names, " ") + "' ;;\n";
  }
  std::vector<std::string> first = commands;
  for (const CLI::Option* option : visible_options(app))
    for (std::string& name : names_of(*option)) first.push_back(std::move(name));
  return "# bash completion for " + program + "\n_" + program +
         "() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
         "  local command='' word words=''\n"
         "  # bash splits --option=value at the sign\n"
         "  if [ \"$current\" = '=' ]; then\n"
         "    current=''\n"
         "  elif [ \"$before\" = '=' ]; then\n"
         "    before=${COMP_WORDS[COMP_CWORD - 2]}\n"
         "  fi\n"
         "  COMPREPLY=()\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "    case $word in\n      " +
         joined(commands, " | ") +
         ")\n        command=$word\n        break\n        ;;\n    esac\n  done\n"
         "  case $command:$before in\n" +
         values + "  esac\n  case $command in\n    '') words='" + joined(first, " ") + "' ;;\n" +
         words +
         "  esac\n"
         "  if [ -z \"$command\" ] || [[ $current == -* ]]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
         "  else\n"
         "    compopt -o default\n"
         "  fi\n"
         "}\ncomplete -F _" +
         program + " " + program + "\n";
}

std::string zsh_completion(const CLI::App& app) {
  const std::string& program = app.get_name();
  std::string list;
  std::string cases;
  for (const CLI::App* command : visible_commands(app)) {
    list += "    '" + command->get_name() + ":" + zsh_quoted(command->get_description()) + "'\n";
    cases += "    " + command->get_name() + ")\n      _arguments";
    for (const CLI::Option* option : visible_options(*command)) cases += zsh_option(*option);
    cases += " \\\n        '*:file:_files'\n      ;;\n";
  }
  return "#compdef " + program + "\n_" + program + "() {\n  local -a commands\n  commands=(\n" +
         list +
         "  )\n"
         "  if ((CURRENT == 2)); then\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  shift words\n"
         "  ((CURRENT--))\n"
         "  case ${words[1]} in\n" +
         cases + "  esac\n}\n_" + program + " \"$@\"\n";
}

std::string fish_completion(const CLI::App& app) {
  const std::string& program = app.get_name();
  std::string out = "# fish completion for " + program + "\n";
  for (const CLI::Option* option : visible_options(app))
    out += fish_option(program, "__fish_use_subcommand", *option);
  for (const CLI::App* command : visible_commands(app)) {
    out += "complete -c " + program + " -n __fish_use_subcommand -f -a " + command->get_name() +
           " -d '" + fish_quoted(command->get_description()) + "'\n";
    for (const CLI::Option* option : visible_options(*command))
      out += fish_option(program, "__fish_seen_subcommand_from " + command->get_name(), *option);
  }
  return out;
}

}  // namespace swaptrail::manual
