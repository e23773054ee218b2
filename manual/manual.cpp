#include "manual/manual.h"

#include <CLI/CLI.hpp>
#include <cctype>
#include <sstream>

#include "manual/visible.h"

namespace swaptrail::manual {
namespace {

constexpr std::string_view kExitCodesBegin = "Exit codes:";

// Escapes text for troff.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char character : text) {
    if (character == '\\')
      out += "\\e";
    else if (character == '-')
      out += "\\-";
    else
      out += character;
  }
  const bool is_request = !out.empty() && (out[0] == '.' || out[0] == '\'');
  return is_request ? "\\&" + out : out;
}

std::string upper(std::string text) {
  for (char& character : text)
    character = static_cast<char>(std::toupper(static_cast<unsigned char>(character)));
  return text;
}

struct Footer {
  std::string exit_codes;  // without its heading
  std::vector<std::string> examples;
  std::vector<std::string> others;
};

Footer footer_of(const CLI::App& app) {
  Footer footer;
  std::istringstream lines(app.get_footer());
  bool in_examples = false, in_list = false;
  for (std::string line; std::getline(lines, line);) {
    // A list below it repeats texts.exit_codes.
    in_list = line == kExitCodesBegin || (in_list && line.starts_with(" "));
    if (in_list) continue;
    if (line.starts_with(kExitCodesBegin))
      footer.exit_codes = line.substr(kExitCodesBegin.size());
    else if (line == "Example:" || line == "Examples:")
      in_examples = true;
    else if (!line.empty())
      (in_examples ? footer.examples : footer.others).push_back(line);
  }
  return footer;
}

// " 0 ok; 1 bad." as pairs; a part without a number belongs to the one before.
std::vector<std::pair<std::string, std::string>> parse_exit_codes(const std::string& line) {
  std::vector<std::pair<std::string, std::string>> codes;
  for (size_t at = 0; at < line.size();) {
    const size_t end = std::min(line.find("; ", at), line.size());
    const std::string item = line.substr(at, end - at);
    at = end + 2;
    const size_t digits = item.find_first_of("0123456789");
    const size_t space = item.find(' ', digits == std::string::npos ? 0 : digits);
    const bool numbered = digits != std::string::npos && item.find_first_not_of(' ') == digits &&
                          space != std::string::npos;
    if (numbered)
      codes.emplace_back(item.substr(digits, space - digits), item.substr(space + 1));
    else if (!codes.empty())
      codes.back().second += "; " + item;
  }
  return codes;
}

std::vector<const CLI::Option*> options_of_group(const CLI::App& app, const std::string& group) {
  return app.get_options([&](const CLI::Option* option) {
    return option->nonpositional() && option->get_group() == group;
  });
}

std::vector<const CLI::Option*> positionals(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->get_positional(); });
}

// "TEXT:{a,b}" as "TEXT": the values are listed below.
std::pair<std::string, std::string> value_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t brace = type.find('{');
  if (brace == std::string::npos) return {type, ""};
  std::string choices;
  for (const char character : type.substr(brace + 1, type.rfind('}') - brace - 1))
    choices += character == ',' ? ", " : std::string(1, character);
  const size_t colon = type.find(':');
  return {colon < brace ? type.substr(0, colon) : "VALUE", choices};
}

std::string paragraph(const std::string& text) { return ".PP\n" + escaped(text) + "\n"; }

std::string tagged(const std::string& tag, const std::string& text) {
  return ".TP\n" + tag + "\n" + (text.empty() ? "\\&" : escaped(text)) + "\n";
}

std::string name_section(const CLI::App& app) {
  std::string description = app.get_description();
  if (!description.empty() && description.back() == '.') description.pop_back();
  return ".SH NAME\n" + escaped(manual_name(app)) + " \\- " + escaped(description) + "\n";
}

std::string synopsis_section(const CLI::App& app) {
  std::string out =
      ".SH SYNOPSIS\n.B " + escaped(app.get_parent() == nullptr
                                        ? app.get_name()
                                        : app.get_parent()->get_name() + " " + app.get_name());
  out += "\n[\\fIOPTIONS\\fR]";
  if (!visible_commands(app).empty()) out += " \\fICOMMAND\\fR ...";
  for (const CLI::Option* option : positionals(app)) {
    const std::string name = "\\fI" + escaped(option->get_name(true)) + "\\fR" +
                             (option->get_expected_max() > 1 ? "..." : "");
    out += option->get_required() ? " " + name : " [" + name + "]";
  }
  return out + "\n";
}

std::string description_section(const CLI::App& app, const Footer& footer) {
  std::string out = ".SH DESCRIPTION\n" + escaped(app.get_description()) + "\n";
  for (const std::string& line : footer.others) {
    // Lists stay as they are.
    out += line.starts_with(" ") ? ".br\n\\&" + escaped(line) + "\n" : paragraph(line);
  }
  return out;
}

std::string commands_section(const CLI::App& app) {
  std::string out;
  std::string group;
  for (const CLI::App* command : visible_commands(app)) {
    if (out.empty()) out = ".SH COMMANDS\n";
    if (command->get_group() != group) out += ".SS " + escaped(command->get_group()) + "\n";
    group = command->get_group();
    out += tagged("\\fB" + escaped(manual_name(*command)) + "\\fR(1)", command->get_description());
  }
  return out;
}

std::string option_text(const CLI::Option& option) {
  const auto [type, choices] = value_of(option);
  std::string tag;
  for (const auto& [prefix, names] :
       {std::pair("-", option.get_snames()), std::pair("--", option.get_lnames())})
    for (const std::string& name : names)
      tag += (tag.empty() ? "" : ", ") + ("\\fB" + escaped(prefix + name)) + "\\fR";
  if (takes_value(option)) tag += " \\fI" + escaped(type) + "\\fR";
  std::string text = option.get_description();
  if (!choices.empty()) text += (text.empty() ? "" : ": ") + choices;
  if (option.get_required()) text += " (required)";
  return tagged(tag, text);
}

std::string options_section(const CLI::App& app) {
  std::string out = ".SH OPTIONS\n";
  for (const CLI::Option* option : positionals(app))
    out += tagged("\\fI" + escaped(option->get_name(true)) + "\\fR", option->get_description());
  for (const std::string& group : app.get_groups()) {
    const auto options = options_of_group(app, group);
    if (options.empty() || group.empty()) continue;
    if (group != "Options") out += ".SS " + escaped(group) + "\n";
    for (const CLI::Option* option : options) out += option_text(*option);
  }
  return out;
}

std::string pairs_section(const std::string& title,
                          const std::vector<std::pair<std::string, std::string>>& pairs) {
  if (pairs.empty()) return "";
  std::string out = ".SH " + title + "\n";
  for (const auto& [tag, text] : pairs) out += tagged("\\fB" + escaped(tag) + "\\fR", text);
  return out;
}

std::string examples_section(const Footer& footer) {
  if (footer.examples.empty()) return "";
  std::string out = ".SH EXAMPLES\n.nf\n";
  for (const std::string& line : footer.examples)
    out += escaped(line.substr(std::min(line.find_first_not_of(' '), line.size()))) + "\n";
  return out + ".fi\n";
}

std::string closing_sections(const ManualTexts& texts) {
  std::string out;
  if (!texts.overhead.empty()) out += ".SH OVERHEAD\n";
  for (size_t index = 0; index < texts.overhead.size(); ++index)
    out += index == 0 ? escaped(texts.overhead[index]) + "\n" : paragraph(texts.overhead[index]);
  if (texts.see_also.empty()) return out;
  out += ".SH SEE ALSO\n";
  for (size_t index = 0; index < texts.see_also.size(); ++index) {
    const std::string& name = texts.see_also[index];
    const size_t bracket = std::min(name.find('('), name.size());
    out += ".BR " + escaped(name.substr(0, bracket)) + " " + name.substr(bracket) +
           (index + 1 == texts.see_also.size() ? "" : ",") + "\n";
  }
  return out;
}

}  // namespace

std::string manual_name(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name()
                                     : app.get_parent()->get_name() + "-" + app.get_name();
}

std::string manual_page(const CLI::App& app, const ManualTexts& texts) {
  const Footer footer = footer_of(app);
  std::string out = ".TH " + escaped(upper(manual_name(app))) + " " +
                    std::to_string(texts.section) + " \"\" \"swaptrail " + texts.version +
                    "\" \"swaptrail\"\n.nh\n.ad l\n";
  out += name_section(app) + synopsis_section(app) + description_section(app, footer);
  out += commands_section(app) + options_section(app);
  out +=
      pairs_section("EXIT STATUS", footer.exit_codes.empty() ? texts.exit_codes
                                                             : parse_exit_codes(footer.exit_codes));
  out += pairs_section("ENVIRONMENT", texts.environment);
  return out + examples_section(footer) + closing_sections(texts);
}

}  // namespace swaptrail::manual
