#include "cli/online/client_call.h"

#include <CLI/CLI.hpp>
#include <map>

namespace swaptrail::online {

void add_call_options(CLI::App& command, ClientCall& call) {
  const std::map<std::string, Format> formats{
      {"table", Format::kTable}, {"json", Format::kJson}, {"jsonl", Format::kJsonl}};
  command
      .add_option("-o,--output", call.format,
                  "a table, one JSON document, or an object a line [table]")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("TEXT:{table,json,jsonl}");
  add_connection_options(command, call.connection);
  command.group("Ask a running swaptraild");
}

std::string online_exit_codes(bool finds) {
  if (finds)
    return exit_codes({kDone, kFound, kUnusable, kNotWritten, kNoConnection, kRefused, kAnswerError,
                       kTooSlow, kNothingThere, kNotEnabled, kAtLimit});
  return exit_codes({kDone, kUnusable, kNotWritten, kNoConnection, kRefused, kAnswerError, kTooSlow,
                     kNothingThere, kNotEnabled, kAtLimit});
}

void write_jsonl(const google::protobuf::Message& message, const std::string& field,
                 StandardOutput& output) {
  const auto* rows = message.GetDescriptor()->FindFieldByName(field);
  if (rows == nullptr) return output.write(json_line(message));
  const auto* reflection = message.GetReflection();
  for (int index = 0; index < reflection->FieldSize(message, rows) && output.open(); ++index)
    output.write(json_line(reflection->GetRepeatedMessage(message, rows, index)));
}

}  // namespace swaptrail::online
