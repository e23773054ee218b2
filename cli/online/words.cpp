#include "cli/online/words.h"

#include <cctype>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace swaptrail::online {
namespace {

using google::protobuf::EnumDescriptor;

// LatencySpan -> LATENCY_SPAN_
size_t prefix_length(const EnumDescriptor& type) {
  size_t length = type.name().size() + 1;
  for (size_t index = 1; index < type.name().size(); ++index)
    if (std::isupper(static_cast<unsigned char>(type.name()[index])) != 0) ++length;
  return length;
}

}  // namespace

std::string enum_word(const EnumDescriptor& type, int value) {
  if (value == 0) return "-";
  const auto* found = type.FindValueByNumber(value);
  if (found == nullptr) return absl::StrCat("value ", value);
  return absl::AsciiStrToLower(found->name().substr(prefix_length(type)));
}

std::vector<std::string> enum_words(const EnumDescriptor& type) {
  std::vector<std::string> words;
  for (int index = 0; index < type.value_count(); ++index)
    if (type.value(index)->number() != 0)
      words.push_back(enum_word(type, type.value(index)->number()));
  return words;
}

std::optional<int> enum_value(const EnumDescriptor& type, const std::string& word) {
  for (int index = 0; index < type.value_count(); ++index) {
    const int number = type.value(index)->number();
    if (number != 0 && enum_word(type, number) == word) return number;
  }
  return std::nullopt;
}

}  // namespace swaptrail::online
