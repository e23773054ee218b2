#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/listen/acceptor.h"
#include "daemon/listen/grpc_log.h"
#include "daemon/listen/listen.h"
#include "daemon/listen/peer.h"
#include "daemon/listen/tls.h"
#include "daemon/listen/unix_socket.h"
#include "swaptrail/v1/control.grpc.pb.h"
#include "swaptrail/v1/trace.grpc.pb.h"

namespace swaptrail::listen {
namespace {

using ConnectionDoor = std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor>;

constexpr size_t kKeptForFull = 16;  // of max_connections
constexpr int kTcpBacklog = 128;

// Of HTTP/2: a peer that has gone without a word is noticed, and one that pings for nothing goes.
constexpr int kKeepalive_ms = 60'000, kKeepaliveTimeout_ms = 20'000;
constexpr int kFewestBetweenPings_ms = 10'000, kMostPingStrikes = 2;

absl::Status check_limits(const ListenOptions& options) {
  struct Limit {
    const char* name;
    uint64_t value, least, most;
  };
  const Limit limits[] = {
      {"max_connections", options.max_connections, 2 * kKeptForFull, 4096},
      {"max_tcp_connections", options.max_tcp_connections, 1, 4096},
      {"max_concurrent_streams", static_cast<uint64_t>(options.max_concurrent_streams), 1, 10000},
      {"max_receive_bytes", static_cast<uint64_t>(options.max_receive_bytes), 1024, 64 << 20},
      {"max_send_bytes", static_cast<uint64_t>(options.max_send_bytes), 1024, 64 << 20},
      {"max_metadata_bytes", static_cast<uint64_t>(options.max_metadata_bytes), 1024, 1 << 20},
      {"max_memory_bytes", options.max_memory_bytes, 4 << 20, uint64_t{16} << 30},
      {"max_threads", static_cast<uint64_t>(options.max_threads), 8, 10000},
      {"max_idle, in ms", static_cast<uint64_t>(absl::ToInt64Milliseconds(options.max_idle)), 1,
       INT32_MAX},
      {"handshake_limit, in ms",
       static_cast<uint64_t>(absl::ToInt64Milliseconds(options.handshake_limit)), 1, INT32_MAX}};
  for (const Limit& limit : limits)
    if (limit.value < limit.least || limit.value > limit.most)
      return absl::InvalidArgumentError(
          absl::StrCat(limit.name, " must be ", limit.least, " to ", limit.most));
  return absl::OkStatus();
}

// The group whose members may open the socket; none: root only, with a warning.
absl::StatusOr<std::optional<gid_t>> socket_group(const ListenOptions& options,
                                                  std::vector<std::string>& warnings) {
  if (options.socket_group.empty()) return std::nullopt;
  const auto group = group_id(options.socket_group);
  if (group.ok()) return *group;
  if (!absl::IsNotFound(group.status())) return group.status();
  warnings.push_back(absl::StrCat("there is no group '", options.socket_group,
                                  "': only root can open ", options.socket_path,
                                  " (make it with: groupadd --system ", options.socket_group, ")"));
  return std::nullopt;
}

absl::StatusOr<std::optional<gid_t>> control_group(const ListenOptions& options) {
  if (options.control_group.empty()) return std::nullopt;
  const auto group = group_id(options.control_group);
  if (absl::IsNotFound(group.status()))
    return absl::InvalidArgumentError(absl::StrCat(group.status().message(),
                                                   " for ControlService: make it with groupadd ",
                                                   "--system, or give another"));
  if (!group.ok()) return group.status();
  if (*group == overflow_group())
    return absl::InvalidArgumentError(
        absl::StrCat("group '", options.control_group,
                     "' may not control: all groups of containers look like it; give another"));
  return *group;
}

absl::Status bad_address(const std::string& text, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("--listen '", text, "': ", why,
                                                 "; give one such as 192.0.2.1:9470 or ",
                                                 "[2001:db8::1]:9470"));
}

absl::StatusOr<Descriptor> tcp_listener(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return bad_address(text, "it has no port");
  std::string host = text.substr(0, colon);
  const bool brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (brackets) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!brackets && host.find(':') != std::string::npos))
    return bad_address(text, "it has no host");
  addrinfo hints{}, *found = nullptr;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  const int error = getaddrinfo(host.c_str(), text.c_str() + colon + 1, &hints, &found);
  if (error != 0) return bad_address(text, gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> free(found, freeaddrinfo);

  Descriptor listener(
      socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  const int on = 1;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  setsockopt(listener.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // connections inherit it
  if (listener && bind(listener.get(), found->ai_addr, found->ai_addrlen) == 0 &&
      ::listen(listener.get(), kTcpBacklog) == 0)
    return listener;
  if (errno == EADDRINUSE)
    return absl::AlreadyExistsError(
        absl::StrCat("another process listens on ", text, ": stop it, or give another --listen"));
  return absl::ErrnoToStatus(errno,
                             absl::StrCat("can't listen on ", text, ": give another --listen"));
}

uint16_t port_of(int listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  // The port is at the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

// What no connection can exceed, whatever it sends.
void set_limits(grpc::ServerBuilder& builder, const ListenOptions& options) {
  const std::pair<const char*, int> arguments[] = {
      {GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_concurrent_streams},
      {GRPC_ARG_MAX_METADATA_SIZE, options.max_metadata_bytes},
      {GRPC_ARG_MAX_CONNECTION_IDLE_MS,
       static_cast<int>(absl::ToInt64Milliseconds(options.max_idle))},
      {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
       static_cast<int>(absl::ToInt64Milliseconds(options.handshake_limit))},
      {GRPC_ARG_KEEPALIVE_TIME_MS, kKeepalive_ms},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeout_ms},
      {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kFewestBetweenPings_ms},
      {GRPC_ARG_HTTP2_MAX_PING_STRIKES, kMostPingStrikes},
      // It grows the window of a connection up to 16 MiB to make bulk transfer fast: none here.
      {GRPC_ARG_HTTP2_BDP_PROBE, 0}};
  for (const auto& [name, value] : arguments) builder.AddChannelArgument(name, value);
  builder.SetMaxReceiveMessageSize(options.max_receive_bytes);
  builder.SetMaxSendMessageSize(options.max_send_bytes);
  // A small compressed message can be a large one: the limit of size is applied before.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  grpc::ResourceQuota quota;
  quota.Resize(options.max_memory_bytes);
  quota.SetMaxThreads(options.max_threads);
  builder.SetResourceQuota(quota);
}

// Threads that are made meanwhile get no signals: those are for the main thread.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

// A server, and the ways into it.
struct Served {
  std::unique_ptr<grpc::Server> server;
  std::vector<ConnectionDoor> doors;  // in the order of the credentials
};

absl::StatusOr<Served> serve_on(const ListenOptions& options,
                                const std::vector<grpc::Service*>& services,
                                const std::vector<std::shared_ptr<grpc::ServerCredentials>>& ways) {
  grpc::ServerBuilder builder;
  set_limits(builder, options);
  for (grpc::Service* service : services) builder.RegisterService(service);
  Served served;
  using Type = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  for (const auto& credentials : ways)
    served.doors.push_back(
        builder.experimental().AddExternalConnectionAcceptor(Type::FROM_FD, credentials));
  served.server = builder.BuildAndStart();
  if (served.server == nullptr) return absl::InternalError("gRPC does not start");
  return served;
}

void set_health(grpc::Server& server, bool trace, bool control) {
  grpc::HealthCheckServiceInterface* health = server.GetHealthCheckService();
  health->SetServingStatus("", trace);
  health->SetServingStatus(v1::TraceService::service_full_name(), trace);
  health->SetServingStatus(v1::ControlService::service_full_name(), control);
}

void hand_over(grpc::experimental::ExternalConnectionAcceptor& door, int fd) {
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
  connection.fd = fd;
  door.HandleNewConnection(&connection);
}

}  // namespace

struct ApiServer::Parts {
  ListenOptions options;
  std::optional<gid_t> control_group;
  std::vector<std::string> warnings;
  std::optional<TlsFiles> tls;
  std::optional<UnixSocket> socket;
  Descriptor tcp;
  uint16_t tcp_port = 0;
  Served full, reading;
  std::unique_ptr<Acceptor> acceptor;  // null: not served
  std::atomic<bool> ending{false};
};

absl::StatusOr<std::unique_ptr<ApiServer>> ApiServer::bind(const ListenOptions& options) {
  if (absl::Status status = check_limits(options); !status.ok()) return status;
  auto parts = std::make_unique<Parts>();
  parts->options = options;
  const auto control = control_group(options);
  if (!control.ok()) return control.status();
  parts->control_group = *control;
  const auto group = socket_group(options, parts->warnings);
  if (!group.ok()) return group.status();
  if (!options.tcp_address.empty()) {
    auto tls = read_tls_files(options);
    if (!tls.ok()) return tls.status();
    parts->tls = *std::move(tls);
    auto listener = tcp_listener(options.tcp_address);
    if (!listener.ok()) return listener.status();
    parts->tcp = *std::move(listener);
    parts->tcp_port = port_of(parts->tcp.get());
  }
  auto socket = UnixSocket::create(options.socket_path, *group);
  if (!socket.ok()) return socket.status();
  parts->socket = *std::move(socket);
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(parts)));
}

absl::Status ApiServer::serve(const Services& services) {
  const SignalsBlocked blocked;
  bound_grpc_log();
  std::vector<std::shared_ptr<grpc::ServerCredentials>> ways = {grpc::InsecureServerCredentials()};
  if (parts_->tls) {
    auto tls = tls_credentials(*parts_->tls);
    if (!tls.ok()) return tls.status();
    ways.push_back(*std::move(tls));
  }
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  auto reading = serve_on(parts_->options, {services.trace, services.refusing_control}, ways);
  if (!reading.ok()) return reading.status();
  parts_->reading = *std::move(reading);
  auto full = serve_on(parts_->options, {services.trace, services.control}, {ways[0]});
  if (!full.ok()) return full.status();
  parts_->full = *std::move(full);
  set_health(*parts_->reading.server, true, false);
  set_health(*parts_->full.server, true, true);
  return accept_connections();
}

absl::Status ApiServer::accept_connections() {
  const ListenOptions& options = parts_->options;
  Acceptor::Settings settings;
  settings.unix_listener = parts_->socket->listener();
  settings.tcp_listener = parts_->tcp.get();
  settings.control_group = parts_->control_group;
  settings.limits = {options.max_connections, options.max_connections - kKeptForFull,
                     options.max_tcp_connections};
  settings.serve = [parts = parts_.get()](Access access, int fd) {
    const std::vector<ConnectionDoor>& doors =
        access == Access::kFull ? parts->full.doors : parts->reading.doors;
    hand_over(*doors[access == Access::kTcp ? 1 : 0], fd);
  };
  auto acceptor = Acceptor::start(std::move(settings));
  if (!acceptor.ok()) return acceptor.status();
  parts_->acceptor = *std::move(acceptor);
  return absl::OkStatus();
}

ApiServer::ApiServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

ApiServer::~ApiServer() { shutdown(absl::Now()); }

const std::vector<std::string>& ApiServer::warnings() const { return parts_->warnings; }

uint16_t ApiServer::tcp_port() const { return parts_->tcp_port; }

ConnectionCounts ApiServer::counts() const {
  ConnectionCounts counts = parts_->acceptor ? parts_->acceptor->counts() : ConnectionCounts();
  counts.log_lines_left_out = grpc_log_left_out();
  return counts;
}

void ApiServer::shutdown(absl::Time deadline) {
  if (parts_->ending.exchange(true)) return;
  const SignalsBlocked blocked;
  Served* const all[] = {&parts_->reading, &parts_->full};
  for (const Served* one : all)
    if (one->server) set_health(*one->server, false, false);
  if (parts_->acceptor) parts_->acceptor->stop();
  parts_->socket->remove();
  parts_->tcp.reset();
  // At once: neither takes calls while the other one waits for its own.
  std::vector<std::thread> ends;
  for (const Served* one : all)
    if (one->server)
      ends.emplace_back([=] { one->server->Shutdown(absl::ToChronoTime(deadline)); });
  for (std::thread& end : ends) end.join();
}

}  // namespace swaptrail::listen
