// What all online commands share: a connection, a format, and one request with one answer.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>

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

// Adds the connection, -o and the group of the online commands. `call` must live as long as
// `command`.
void add_call_options(CLI::App& command, ClientCall& call);

// "Exit codes: ..." of all online commands, and kFound if this one can find something.
std::string online_exit_codes(bool finds);

// Prints rows of `field`, one a line; the whole message if it is empty.
void write_jsonl(const google::protobuf::Message& message, const std::string& field,
                 StandardOutput& output);

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
  StandardOutput output;
  if (call.format == Format::kTable) output.write(table(response, {wants_colour()}));
  if (call.format == Format::kJson) output.write(json_document(response));
  if (call.format == Format::kJsonl) write_jsonl(response, rows, output);
  return output.exit_code(kDone);
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
