#include "daemon/probe/symbol_table.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/match.h"

namespace swaptrail::probe {
namespace {

constexpr size_t kBytesOfLine = 44;  // of /proc/kallsyms, about

// Takes the text up to the next blank from a line. A table has more than 100,000 lines, and this is most of
// the time to read one.
absl::string_view next_word(absl::string_view& line) {
  const auto is_blank = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  size_t first = 0;
  while (first < line.size() && is_blank(line[first])) first++;
  size_t last = first;
  while (last < line.size() && !is_blank(line[last])) last++;
  const absl::string_view word = line.substr(first, last - first);
  line.remove_prefix(last);
  return word;
}

// The name in a line, if it is a function of the kernel proper; empty otherwise.
absl::string_view function_name(absl::string_view line) {
  constexpr absl::string_view kText = "tTwW";
  const absl::string_view first = next_word(line), type = next_word(line);
  if (type.empty()) return first;
  if (type.size() != 1 || !absl::StrContains(kText, type[0])) return {};
  const absl::string_view name = next_word(line);
  return next_word(line).empty() ? name : absl::string_view();
}

}  // namespace

SymbolTable::SymbolTable(std::string text) : text_(std::move(text)) {
  functions_.reserve(text_.size() / kBytesOfLine);
  for (absl::string_view rest = text_; !rest.empty();) {
    const absl::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const absl::string_view name = function_name(line);
    if (name.empty()) continue;
    const size_t dot = name.find('.');
    if (dot == absl::string_view::npos)
      ++functions_[name];
    else if (!absl::EndsWith(name, ".cold"))
      clones_[name.substr(0, dot)].push_back(name);
  }
}

Symbol SymbolTable::function(absl::string_view name) const {
  Symbol symbol;
  if (const auto clones = clones_.find(name); clones != clones_.end()) {
    for (const absl::string_view clone : clones->second) symbol.twins.emplace_back(clone);
    std::sort(symbol.twins.begin(), symbol.twins.end());
  }
  const auto exact = functions_.find(name);
  const uint32_t count = exact == functions_.end() ? 0 : exact->second;
  symbol.state = count > 1              ? SymbolState::kAmbiguous
                 : count == 1           ? SymbolState::kExact
                 : symbol.twins.empty() ? SymbolState::kAbsent
                                        : SymbolState::kSuffixOnly;
  return symbol;
}

uint64_t SymbolTable::address(absl::string_view name) const {
  const absl::string_view text = text_;
  uint64_t address = 0;
  for (size_t at = 0; (at = text.find(name, at)) != absl::string_view::npos; at += name.size()) {
    const size_t end = at + name.size();
    if (at == 0 || text[at - 1] != ' ') continue;
    if (end < text.size() && text[end] != '\n') continue;
    if (address != 0) return 0;
    const size_t line = text.rfind('\n', at) + 1;  // npos + 1 = 0
    std::from_chars(text.data() + line, text.data() + at, address, 16);
  }
  return address;
}

}  // namespace swaptrail::probe
