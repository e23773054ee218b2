#include "daemon/options/config_file.h"

#include <CLI/CLI.hpp>

#include <sstream>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "trace/utf8.h"

namespace swaptrail::options {
namespace {

constexpr size_t kMostProblems = 20;
constexpr size_t kMostNamed_bytes = 60;  // of an unknown name

// Tabs and line ends are the only control characters in a text.
bool is_text(std::string_view text) {
  for (const char one : text)
    if (absl::ascii_iscntrl(static_cast<unsigned char>(one)) && one != '\n' && one != '\t' &&
        one != '\r')
      return false;
  return utf8(text) == text;
}

// Options that don't belong in a file because they are not about the observation.
bool is_for_command_line(const std::string& option) {
  return option == "--config" || option == "--help" || option == "--version" ||
         option == "--check-config";
}

class Reader {
 public:
  Reader(const CLI::App& app, const std::string& path, const std::set<std::string>& given)
      : app_(app), path_(path), given_(given) {
    // Names contain dots. A value that contains some is taken literally: "[::1]:9789" is not a list, nor are
    // the words of a threshold.
    list_.parentSeparator('/');
    one_.parentSeparator('/')->arrayBounds('\x01', '\x02');
  }

  void take_line(absl::string_view line, size_t number) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty() || text[0] == '#' || text[0] == ';') return;
    if (text[0] == '[') return refuse(number, "sections are not known: write NAME = VALUE");
    std::vector<CLI::ConfigItem> items = parse(one_, text);
    if (!items.empty() && takes_several("--" + items[0].name)) items = parse(list_, text);
    if (items.size() != 1 || items[0].inputs.empty())
      return refuse(number, "is not NAME = VALUE: fix it");
    take(items[0], number);
  }

  ConfigFile take() { return std::move(file_); }
  void refuse_all(const std::string& what) {
    file_.problems.push_back(absl::StrCat(path_, ": ", what));
  }

 private:
  void refuse(size_t line, const std::string& what) {
    if (file_.problems.size() < kMostProblems)
      file_.problems.push_back(absl::StrCat(path_, ": line ", line, ": ", what));
  }

  static std::vector<CLI::ConfigItem> parse(const CLI::ConfigBase& format, absl::string_view line) {
    std::istringstream stream{std::string(line)};
    return format.from_config(stream);
  }

  bool takes_several(const std::string& option) const {
    const CLI::Option* known = app_.get_option_no_throw(option);
    return known != nullptr && known->get_items_expected_max() > 1;
  }

  void take(const CLI::ConfigItem& item, size_t number) {
    const std::string option = "--" + item.name;
    const CLI::Option* known = app_.get_option_no_throw(option);
    if (known == nullptr || !item.parents.empty() || is_for_command_line(option))
      return refuse(number, absl::StrCat("there is no option '",
                                         printable(item.name.substr(0, kMostNamed_bytes)),
                                         "': see swaptraild --help"));
    if (!file_.lines.emplace(option, number).second && !takes_several(option))
      return refuse(number, absl::StrCat(item.name, " is there twice, first in line ",
                                         file_.lines[option], ": remove one"));
    for (const std::string& value : item.inputs) {
      if (value.empty()) return refuse(number, absl::StrCat(item.name, " has no value"));
      if (!given_.contains(option)) file_.arguments.push_back(absl::StrCat(option, "=", value));
    }
  }

  const CLI::App& app_;
  const std::string& path_;
  const std::set<std::string>& given_;
  CLI::ConfigBase one_, list_;
  ConfigFile file_;
};

}  // namespace

ConfigFile parse_config_file(const CLI::App& app, const std::string& text, const std::string& path,
                             const std::set<std::string>& given) {
  Reader reader(app, path, given);
  if (!is_text(text)) {
    reader.refuse_all("holds bytes that are no text: is it the right file?");
    return reader.take();
  }
  size_t number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) reader.take_line(line, ++number);
  return reader.take();
}

}  // namespace swaptrail::options
