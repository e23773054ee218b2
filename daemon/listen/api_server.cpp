#include <grpc/grpc.h>
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
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/listen/grpc_log.h"
#include "daemon/listen/listen.h"
#include "daemon/listen/peer.h"
#include "daemon/listen/proxy.h"
#include "daemon/listen/tls.h"
#include "daemon/listen/unix_socket.h"
#include "swaptrail/v1/control.grpc.pb.h"
#include "swaptrail/v1/trace.grpc.pb.h"

namespace swaptrail::listen {
namespace {

using ConnectionDoor = std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor>;

constexpr size_t kKeptForFull = 16;  // of max_connections
constexpr int kTcpBacklog = 128;

// HTTP/2 keepalive: detects a peer that has gone silently.
constexpr int kKeepalive_ms = 60'000, kKeepaliveTimeout_ms = 20'000;
constexpr int kPoll_ms = 500;

absl::Status check_limits(const ListenOptions& options) {
  struct Limit {
    const char* name;
    uint64_t value, least, most;
  };
  const Limit limits[] = {
      {"max_connections", options.max_connections, 2 * kKeptForFull, 4096},
      {"max_connections_of_user", options.max_connections_of_user, 1, 4096},
      {"max_streams_of_user", options.max_streams_of_user, 1, 10000},
      {"max_tcp_connections", options.max_tcp_connections, 1, 4096},
      {"max_connections_of_address", options.max_connections_of_address, 1, 4096},
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

// The group whose members may open the socket; none: only root, with a warning.
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

absl::StatusOr<base::Descriptor> tcp_listener(const std::string& text) {
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

  base::Descriptor listener(
      ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
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
  // The port is at the same offset in both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

// The limits that no connection can exceed, whatever it sends.
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
      // Off: each PING too many would queue a GOAWAY and an error. The proxy limits their rate.
      {GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0},
      // It would grow a connection's window up to 16 MiB for fast bulk transfer: there is none
      // here.
      {GRPC_ARG_HTTP2_BDP_PROBE, 0}};
  for (const auto& [name, value] : arguments) builder.AddChannelArgument(name, value);
  builder.SetMaxReceiveMessageSize(options.max_receive_bytes);
  builder.SetMaxSendMessageSize(options.max_send_bytes);
  // A small compressed message can expand to a large one: the size limit is applied before that.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  // One queue: otherwise there is one for each CPU, with a thread that polls it. A thread that
  // misses the shutdown sees it when its poll ends.
  using Sync = grpc::ServerBuilder::SyncServerOption;
  builder.SetSyncServerOption(Sync::NUM_CQS, 1);
  builder.SetSyncServerOption(Sync::CQ_TIMEOUT_MSEC, kPoll_ms);
  grpc::ResourceQuota quota;
  quota.Resize(options.max_memory_bytes);
  quota.SetMaxThreads(options.max_threads);
  builder.SetResourceQuota(quota);
}

// Threads that are made meanwhile get no signals, which are for the main thread.
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

// A server, and the connections' way into it.
struct Served {
  std::unique_ptr<grpc::Server> server;
  ConnectionDoor door;
};

absl::StatusOr<Served> serve_on(const ListenOptions& options,
                                const std::vector<grpc::Service*>& services) {
  grpc::ServerBuilder builder;
  set_limits(builder, options);
  for (grpc::Service* service : services) builder.RegisterService(service);
  Served served;
  using Type = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  served.door = builder.experimental().AddExternalConnectionAcceptor(
      Type::FROM_FD, grpc::InsecureServerCredentials());
  served.server = builder.BuildAndStart();
  if (served.server == nullptr) return absl::InternalError("gRPC does not start");
  return served;
}

// gRPC's library shuts down with its last server, and then waits for a poll of its own that takes ten
// seconds (iomgr/tcp_posix.cc, run_poller). So keep it until the process ends.
void keep_library() {
  static std::once_flag once;
  std::call_once(once, grpc_init);
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
  std::shared_ptr<SSL_CTX> tls;  // of TCP; null: none
  std::optional<UnixSocket> socket;
  base::Descriptor tcp;
  uint16_t tcp_port = 0;
  Served full, reading;
  std::unique_ptr<Proxy> proxy;  // null: not served
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
    auto tls = tls_context(options);
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
  keep_library();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  auto reading = serve_on(parts_->options, {services.reading_trace, services.refusing_control});
  if (!reading.ok()) return reading.status();
  parts_->reading = *std::move(reading);
  auto full = serve_on(parts_->options, {services.trace, services.control});
  if (!full.ok()) return full.status();
  parts_->full = *std::move(full);
  set_health(*parts_->reading.server, true, false);
  set_health(*parts_->full.server, true, true);
  return accept_connections();
}

absl::Status ApiServer::accept_connections() {
  const ListenOptions& options = parts_->options;
  Proxy::Settings settings;
  settings.unix_listener = parts_->socket->listener();
  settings.tcp_listener = parts_->tcp.get();
  settings.tls = parts_->tls.get();
  settings.control_group = parts_->control_group;
  settings.limits = {options.max_connections, options.max_connections - kKeptForFull,
                     options.max_tcp_connections};
  settings.limits_of_user = {options.max_connections, options.max_connections_of_user,
                             options.max_connections_of_address};
  settings.streams_of_user = {SIZE_MAX, options.max_streams_of_user, options.max_streams_of_user};
  settings.handshake_limit_ns =
      static_cast<uint64_t>(absl::ToInt64Nanoseconds(options.handshake_limit));
  settings.serve = [parts = parts_.get()](Access access, int fd) {
    hand_over(access == Access::kFull ? *parts->full.door : *parts->reading.door, fd);
  };
  auto proxy = Proxy::start(std::move(settings));
  if (!proxy.ok()) return proxy.status();
  parts_->proxy = *std::move(proxy);
  return absl::OkStatus();
}

ApiServer::ApiServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

ApiServer::~ApiServer() { shutdown(absl::Now()); }

const std::vector<std::string>& ApiServer::warnings() const { return parts_->warnings; }

uint16_t ApiServer::tcp_port() const { return parts_->tcp_port; }

ConnectionCounts ApiServer::counts() const {
  ConnectionCounts counts = parts_->proxy ? parts_->proxy->counts() : ConnectionCounts();
  counts.log_lines_left_out = grpc_log_left_out();
  return counts;
}

void ApiServer::shutdown(absl::Time deadline) {
  if (parts_->ending.exchange(true)) return;
  const SignalsBlocked blocked;
  Served* const all[] = {&parts_->reading, &parts_->full};
  for (const Served* one : all)
    if (one->server) set_health(*one->server, false, false);
  if (parts_->proxy) parts_->proxy->stop_accepting();
  parts_->socket->remove();
  parts_->tcp.reset();
  // At the same time: neither takes calls while the other one waits for its own.
  std::vector<std::thread> ends;
  for (const Served* one : all)
    if (one->server)
      ends.emplace_back([=] { one->server->Shutdown(absl::ToChronoTime(deadline)); });
  for (std::thread& end : ends) end.join();
  if (parts_->proxy) parts_->proxy->finish();
}

}  // namespace swaptrail::listen
