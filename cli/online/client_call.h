// What all online commands share: a connection, a format, and one request with one answer.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "cli/base/errors.h"
#include "cli/online/connection.h"
#include "cli/online/output.h"

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::online {

struct ClientCall {
  ConnectionOptions connection;
  Format format = Format::kTable;
};

// What the command does; CLI::App::callback without its header.
void on_run(CLI::App& command, std::function<void()> run);

// Adds the connection, -o and the group of the online commands. `call` must live as long as
// `command`.
void add_call_options(CLI::App& command, ClientCall& call);

// Whether a command ends with kFound if it finds something.
enum class Finds : bool { kNothing, kSomething };

// Adds a subcommand that asks swaptraild. Its help ends with the exit codes and `notes`.
CLI::App* add_online_command(CLI::App& app, const std::string& name, const std::string& summary,
                             Finds finds, const std::string& notes);
// Likewise, with options that live as long as the command.
template <typename Options>
std::pair<CLI::App*, std::shared_ptr<Options>> add_online_command(CLI::App& app,
                                                                  const std::string& name,
                                                                  const std::string& summary,
                                                                  Finds finds,
                                                                  const std::string& notes) {
  return {add_online_command(app, name, summary, finds, notes), std::make_shared<Options>()};
}

// Ends the definition of a command: adds the options of the call, and sets what runs.
template <typename Options, typename Run>
void set_run(CLI::App& command, const std::shared_ptr<Options>& options, int& code, Run run) {
  add_call_options(command, *options);
  on_run(command, [options, run, &code] { code = run(*options); });
}

// Prints rows of `field`, one a line; the whole message if it is empty.
void write_jsonl(const google::protobuf::Message& message, const std::string& field,
                 cli::StandardOutput& output);

// Sends one request. Errors: those of the connection and of swaptraild.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> ask(Connection& connection, Stub& stub,
                             grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Response*),
                             const Request& request) {
  grpc::ClientContext context;
  connection.limit(context);
  Response response;
  const absl::Status status = status_of((stub.*method)(&context, request, &response));
  if (!status.ok()) return status;
  return response;
}

// Prints the answer. `rows`: the field that jsonl prints line by line; empty: none.
template <typename Response>
int print_answer(const ClientCall& call, const Response& response, const std::string& rows,
                 std::string (*table)(const Response&, const Style&)) {
  cli::StandardOutput output;
  if (call.format == Format::kTable) output.write(table(response, {wants_colour()}));
  if (call.format == Format::kJson) output.write(json_document(response));
  if (call.format == Format::kJsonl) write_jsonl(response, rows, output);
  return output.exit_code(cli::kDone);
}

// Sends the request and prints the answer. Returns the exit code.
template <typename Request, typename Response>
int ask_and_print(const ClientCall& call,
                  grpc::Status (v1::TraceService::Stub::*method)(grpc::ClientContext*,
                                                                 const Request&, Response*),
                  const Request& request, const std::string& rows,
                  std::string (*table)(const Response&, const Style&)) {
  auto connection = Connection::open(call.connection);
  if (!connection.ok()) return complain_of_answer(connection.status());
  const auto response = ask(**connection, (*connection)->trace(), method, request);
  if (!response.ok()) return complain_of_answer(response.status());
  return print_answer(call, *response, rows, table);
}

}  // namespace swaptrail::online
