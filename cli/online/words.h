// The enums of the contract as people write them: OUTCOME_FREED_DEVICE is "freed_device".
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/generated_enum_reflection.h>

#include <optional>
#include <string>
#include <vector>

namespace swaptrail::online {

// "-" for the value 0; "value 42" for an unknown one of a newer swaptraild.
std::string enum_word(const google::protobuf::EnumDescriptor& type, int value);
// The words of all values except 0, in their order.
std::vector<std::string> enum_words(const google::protobuf::EnumDescriptor& type);
std::optional<int> enum_value(const google::protobuf::EnumDescriptor& type,
                              const std::string& word);

template <typename Enum>
std::string word_of(Enum value) {
  return enum_word(*google::protobuf::GetEnumDescriptor<Enum>(), value);
}

template <typename Enum>
std::vector<std::string> words_of() {
  return enum_words(*google::protobuf::GetEnumDescriptor<Enum>());
}

// nullopt: there is no such word. 0 has none.
template <typename Enum>
std::optional<Enum> value_of(const std::string& word) {
  const auto value = enum_value(*google::protobuf::GetEnumDescriptor<Enum>(), word);
  if (!value) return std::nullopt;
  return static_cast<Enum>(*value);
}

}  // namespace swaptrail::online
