#include "cli/online/output.h"

#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "trace/report/print.h"

namespace swaptrail::online {
namespace {

using google::protobuf::util::JsonPrintOptions;

std::string json_of(const google::protobuf::Message& message, bool indented) {
  JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  options.add_whitespace = indented;
  std::string text;
  // Never fails for messages of the contract: they contain neither Any nor invalid times.
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return "{}";
  return report::with_json_escapes(text);
}

}  // namespace

bool wants_colour() {
  const char* refused = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return isatty(STDOUT_FILENO) == 1 && (refused == nullptr || *refused == '\0') &&
         terminal != nullptr && *terminal != '\0' && std::strcmp(terminal, "dumb") != 0;
}

std::string Style::paint(const char* code, std::string_view text) const {
  std::string result;
  if (colour) result.append("\x1b[").append(code).append("m");
  result.append(text);
  if (colour) result.append("\x1b[0m");
  return result;
}

std::string json_line(const google::protobuf::Message& message) {
  return json_of(message, false) + "\n";
}

std::string json_document(const google::protobuf::Message& message) {
  return json_of(message, true);
}

JsonArray::JsonArray(cli::StandardOutput& output, std::string_view field)
    : output_(output), field_(field) {
  output_.write("{\"" + field_ + "\":[");
}

void JsonArray::add(const google::protobuf::Message& message) {
  output_.write(first_ ? "\n" : ",\n");
  output_.write(json_of(message, false));
  first_ = false;
}

void JsonArray::finish(const google::protobuf::Message& rest) {
  const std::unique_ptr<google::protobuf::Message> others(rest.New());
  others->CopyFrom(rest);
  const auto* type = others->GetDescriptor();
  others->GetReflection()->ClearField(others.get(), type->FindFieldByName(field_));
  std::string text = json_of(*others, false);
  // An empty list is printed as a field too: it is the first of its message.
  const std::string empty = "{\"" + field_ + "\":[]";
  if (text.starts_with(empty)) text.erase(0, empty.size());
  output_.write("\n]" + text + "\n");
}

}  // namespace swaptrail::online
