#include "cli/online/client_call.h"

#include <CLI/CLI.hpp>
#include <map>
#include <vector>

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

CLI::App* add_online_command(CLI::App& app, const std::string& name, const std::string& summary,
                             Finds finds, const std::string& notes) {
  std::vector<cli::CommandExit> codes{
      cli::kDone,        cli::kUnusable, cli::kNotWritten,   cli::kNoConnection, cli::kRefused,
      cli::kAnswerError, cli::kTooSlow,  cli::kNothingThere, cli::kNotEnabled,   cli::kAtLimit};
  if (finds == Finds::kSomething) codes.insert(codes.begin() + 1, cli::kFound);
  CLI::App* command = app.add_subcommand(name, summary);
  command->footer(cli::exit_codes(codes) + notes);
  return command;
}

void on_run(CLI::App& command, std::function<void()> run) { command.callback(std::move(run)); }

void write_jsonl(const google::protobuf::Message& message, const std::string& field,
                 cli::StandardOutput& output) {
  const auto* rows = message.GetDescriptor()->FindFieldByName(field);
  if (rows == nullptr) return output.write(json_line(message));
  const auto* reflection = message.GetReflection();
  for (int index = 0; index < reflection->FieldSize(message, rows) && output.open(); ++index)
    output.write(json_line(reflection->GetRepeatedMessage(message, rows, index)));
}

}  // namespace swaptrail::online
