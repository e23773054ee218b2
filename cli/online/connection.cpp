#include "cli/online/connection.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "cli/base/errors.h"
#include "cli/online/quantities.h"
#include "daemon/base/files.h"

namespace swaptrail::online {
namespace {

constexpr const char* kConnectionGroup = "Connection";
constexpr int kMaxAnswer_bytes = 64 << 20;

struct Refusal {
  absl::StatusCode status;
  cli::CommandExit code;
  const char* what_to_do;
};
constexpr Refusal kOther = {absl::StatusCode::kUnknown, cli::kAnswerError,
                            "its log may say more: journalctl -u swaptraild"};
constexpr Refusal kRefusals[] = {
    {absl::StatusCode::kInvalidArgument, cli::kUnusable, "see --help of this command"},
    {absl::StatusCode::kUnavailable, cli::kNoConnection,
     "is swaptraild running? systemctl status swaptraild"},
    {absl::StatusCode::kPermissionDenied, cli::kRefused,
     "join the group swaptrail (usermod -aG swaptrail USER, then log in again), or be root"},
    {absl::StatusCode::kUnauthenticated, cli::kRefused,
     "give a certificate that swaptraild knows: --tls-cert and --tls-key"},
    {absl::StatusCode::kDeadlineExceeded, cli::kTooSlow,
     "ask for less, or give a longer --timeout"},
    {absl::StatusCode::kNotFound, cli::kNothingThere, "it may have ended, or left the store"},
    {absl::StatusCode::kFailedPrecondition, cli::kNotEnabled,
     "swaptrail status shows what swaptraild was started with"},
    {absl::StatusCode::kResourceExhausted, cli::kAtLimit, "try again in a moment, or ask for less"},
    {absl::StatusCode::kUnimplemented, cli::kAnswerError,
     "this swaptraild is of another version: see swaptrail status and swaptrail --version"},
    kOther,
};

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// About a socket, gRPC reports only that it does not work: the kernel knows why.
absl::Status try_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return absl::InvalidArgumentError(absl::StrCat(path, ": the path of a socket has at most ",
                                                   sizeof(address.sun_path) - 1, " bytes"));
  path.copy(address.sun_path, path.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return absl::UnavailableError(absl::StrCat("no socket: ", strerror(errno)));
  const int result =
      ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = result == 0 ? 0 : errno;
  ::close(socket);
  if (error == 0) return absl::OkStatus();
  const std::string text = absl::StrCat("can't reach swaptraild at ", path, ": ", strerror(error));
  if (error == EACCES || error == EPERM) return absl::PermissionDeniedError(text);
  return absl::UnavailableError(text);
}

absl::Status read_pem(const char* option, const std::string& path, base::Secrecy secrecy,
                      std::string& contents) {
  if (path.empty()) return absl::OkStatus();
  auto text = base::read_named_file(path, secrecy);
  if (!text.ok())
    return absl::InvalidArgumentError(absl::StrCat(option, " ", text.status().message()));
  contents = *std::move(text);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> tls_channel(const std::string& address,
                                                           const ConnectionOptions& options,
                                                           grpc::ChannelArguments& arguments) {
  if (options.tls_cert.empty() != options.tls_key.empty())
    return absl::InvalidArgumentError("--tls-cert and --tls-key need each other");
  grpc::SslCredentialsOptions tls;
  struct {
    const char* option;
    const std::string& path;
    base::Secrecy secrecy;
    std::string& contents;
  } const files[] = {{"--tls-ca", options.tls_ca, base::Secrecy::kPublic, tls.pem_root_certs},
                     {"--tls-cert", options.tls_cert, base::Secrecy::kPublic, tls.pem_cert_chain},
                     {"--tls-key", options.tls_key, base::Secrecy::kSecret, tls.pem_private_key}};
  for (const auto& file : files)
    if (absl::Status status = read_pem(file.option, file.path, file.secrecy, file.contents);
        !status.ok())
      return status;
  if (!options.tls_server_name.empty()) arguments.SetSslTargetNameOverride(options.tls_server_name);
  return grpc::CreateCustomChannel(address, grpc::SslCredentials(tls), arguments);
}

}  // namespace

void add_connection_options(CLI::App& command, ConnectionOptions& options) {
  CLI::Option* socket = command
                            .add_option("--socket", options.socket,
                                        std::string("swaptraild's socket [SWAPTRAIL_SOCKET, or ") +
                                            kDefaultSocket + "]")
                            ->type_name("PATH")
                            ->group(kConnectionGroup);
  command
      .add_option("--address", options.address,
                  "a swaptraild elsewhere, always over TLS [SWAPTRAIL_ADDRESS]")
      ->type_name("HOST:PORT")
      ->excludes(socket)
      ->group(kConnectionGroup);
  struct {
    const char* name;
    std::string& value;
    const char* type;
    const char* description;
  } const options_of_tls[] = {
      {"--tls-ca", options.tls_ca, "FILE", "who may vouch for it [the host's certificates]"},
      {"--tls-cert", options.tls_cert, "FILE", "who we are"},
      {"--tls-key", options.tls_key, "FILE", "... and its private key"},
      {"--tls-server-name", options.tls_server_name, "NAME", "its name, if not that of --address"}};
  for (const auto& row : options_of_tls)
    command.add_option(row.name, row.value, row.description)
        ->type_name(row.type)
        ->group(kConnectionGroup);
  command.add_option("--timeout", options.timeout, "give up after this long [10s]")
      ->type_name("DURATION")
      ->group(kConnectionGroup);
}

Connection::Connection(std::shared_ptr<grpc::Channel> channel, absl::Duration timeout)
    : channel_(std::move(channel)),
      trace_(v1::TraceService::NewStub(channel_)),
      control_(v1::ControlService::NewStub(channel_)),
      timeout_(timeout) {}

absl::StatusOr<std::unique_ptr<Connection>> Connection::open(const ConnectionOptions& options) {
  const auto timeout = parse_duration(options.timeout);
  if (!timeout.ok())
    return absl::InvalidArgumentError(absl::StrCat("--timeout: ", timeout.status().message()));
  std::string address = options.address;
  if (address.empty() && options.socket.empty()) address = from_environment("SWAPTRAIL_ADDRESS");
  std::string path = options.socket;
  if (path.empty()) path = from_environment("SWAPTRAIL_SOCKET");
  if (path.empty()) path = kDefaultSocket;

  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxAnswer_bytes);
  std::shared_ptr<grpc::Channel> channel;
  if (address.empty()) {
    if (absl::Status status = try_socket(path); !status.ok()) return status;
    // A bare name would be taken for a host.
    channel =
        grpc::CreateCustomChannel("unix:" + path, grpc::InsecureChannelCredentials(), arguments);
  } else {
    auto made = tls_channel(address, options, arguments);
    if (!made.ok()) return made.status();
    channel = *std::move(made);
  }
  std::unique_ptr<Connection> connection(new Connection(std::move(channel), *timeout));
  if (absl::Status status = connection->wait(address.empty() ? path : address); !status.ok())
    return status;
  return connection;
}

// Waits until it works, or has failed once: then the call fails too, with the reason.
absl::Status Connection::wait(const std::string& target) {
  const auto deadline = absl::ToChronoTime(absl::Now() + timeout_);
  for (auto state = channel_->GetState(true);
       state != GRPC_CHANNEL_READY && state != GRPC_CHANNEL_TRANSIENT_FAILURE;
       state = channel_->GetState(true))
    if (!channel_->WaitForStateChange(state, deadline))
      return absl::DeadlineExceededError(
          absl::StrCat("no connection to ", target, " within ", absl::FormatDuration(timeout_)));
  return absl::OkStatus();
}

absl::Status status_of(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  // Both enums define the same numbers.
  const std::string text =
      status.error_message().empty() ? "swaptraild gives no reason" : status.error_message();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), text);
}

int complain_of_answer(const absl::Status& status) {
  const Refusal* refusal = &kOther;
  for (const Refusal& row : kRefusals)
    if (row.status == status.code()) refusal = &row;
  return cli::complain(
      refusal->code, absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message()),
      refusal->what_to_do);
}

}  // namespace swaptrail::online
