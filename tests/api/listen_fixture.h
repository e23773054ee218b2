// Stand-ins for the services, and clients of every kind, for the tests of daemon/listen.
#pragma once

#include <fcntl.h>
#include <grp.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "daemon/api/control_service.h"
#include "daemon/listen/listen.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "swaptrail/v1/control.grpc.pb.h"
#include "swaptrail/v1/trace.grpc.pb.h"

namespace swaptrail::listen {

// WatchLifecycles lasts until it is cancelled.
class TraceStandIn : public v1::TraceService::Service {
 public:
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse* response) override {
    response->set_version("stand-in");
    return grpc::Status::OK;
  }
  grpc::Status WatchLifecycles(grpc::ServerContext* context, const v1::WatchLifecyclesRequest*,
                               grpc::ServerWriter<v1::WatchLifecyclesResponse>* writer) override {
    const int now = ++watching;
    for (int most = most_watching; most < now && !most_watching.compare_exchange_weak(most, now);) {
    }
    writer->Write({});
    while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    --watching;
    return grpc::Status::CANCELLED;
  }

  std::atomic<int> watching{0}, most_watching{0};
};

class ControlStandIn : public v1::ControlService::Service {
 public:
  grpc::Status TriggerFlightRecorder(grpc::ServerContext*,
                                     const v1::TriggerFlightRecorderRequest* request,
                                     v1::TriggerFlightRecorderResponse* response) override {
    response->add_paths("written");
    longest_reason = std::max<size_t>(longest_reason, request->reason().size());
    return grpc::Status::OK;
  }

  std::atomic<size_t> longest_reason{0};
};

// Waits for something that will come; false after a minute, which no test expects.
inline bool eventually(const std::function<bool()>& happened) {
  for (int i = 0; i < 6000; ++i) {
    if (happened()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

inline long resident_kib() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::stol(line.substr(6));
  return 0;
}

// Connects as somebody else: a child becomes them and sends its connection back. -errno: refused.
inline int connect_as(const std::string& path, uid_t uid, const std::vector<gid_t>& groups) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -errno;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  const pid_t child = fork();
  if (child == 0) {  // system calls only: other threads may have held any lock
    const bool changed = uid == 0 || (syscall(SYS_setgroups, groups.size(), groups.data()) == 0 &&
                                      syscall(SYS_setresgid, 65534, 65534, 65534) == 0 &&
                                      syscall(SYS_setresuid, uid, uid, uid) == 0);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    int error = changed ? 0 : EPERM;
    if (changed && connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
      error = errno;
    iovec text{&error, sizeof(error)};
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = sizeof(room);
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
    sendmsg(ends[1], &message, 0);
    _exit(0);
  }
  close(ends[1]);
  int error = EIO, fd = -1;
  iovec text{&error, sizeof(error)};
  alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = room;
  message.msg_controllen = sizeof(room);
  if (recvmsg(ends[0], &message, MSG_CMSG_CLOEXEC) > 0)
    if (const cmsghdr* rights = CMSG_FIRSTHDR(&message); rights != nullptr)
      memcpy(&fd, CMSG_DATA(rights), sizeof(fd));
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (error == 0) return fd;
  if (fd >= 0) close(fd);
  return -error;
}

class ListenTest : public testing::Test {
 protected:
  void SetUp() override {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 8192);
    setrlimit(RLIMIT_NOFILE, &limit);
    char name[] = "/tmp/swaptrail-listen-XXXXXX";
    folder_ = mkdtemp(name);
    chmod(folder_.c_str(), 0755);
    options_.socket_path = folder_ + "/api.sock";
    // Any group that is there; a system's `root` group always is.
    options_.socket_group = "root";
    options_.handshake_limit = absl::Seconds(10);
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  absl::Status start() {
    auto bound = ApiServer::bind(options_);
    if (!bound.ok()) return bound.status();
    server_ = *std::move(bound);
    return server_->serve({&trace_, &trace_, &control_, &refusing_});
  }
  // The text of the error that start() must give.
  std::string start_error(absl::StatusCode code) {
    const absl::Status status = start();
    EXPECT_EQ(status.code(), code) << status;
    server_.reset();
    return std::string(status.message());
  }

  std::shared_ptr<grpc::Channel> channel(grpc::ChannelArguments arguments = {}) const {
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel("unix:" + options_.socket_path,
                                     grpc::InsecureChannelCredentials(), arguments);
  }
  static std::shared_ptr<grpc::Channel> channel_of(int fd) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return grpc::CreateInsecureChannelFromFd("swaptraild", fd);
  }
  int connect_raw() const {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, options_.socket_path.c_str(), sizeof(address.sun_path) - 1);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return fd;
    close(fd);
    return -1;
  }
  static grpc::Status get_status(const std::shared_ptr<grpc::Channel>& to) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1::GetStatusResponse response;
    return v1::TraceService::NewStub(to)->GetStatus(&context, {}, &response);
  }
  static grpc::Status trigger(const std::shared_ptr<grpc::Channel>& to,
                              const std::string& reason = "x", bool compressed = false) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    if (compressed) context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    v1::TriggerFlightRecorderRequest request;
    request.set_reason(reason);
    v1::TriggerFlightRecorderResponse response;
    return v1::ControlService::NewStub(to)->TriggerFlightRecorder(&context, request, &response);
  }
  uint64_t open() const {
    const ConnectionCounts counts = server_->counts();
    return counts.full.open + counts.reading.open + counts.tcp.open;
  }

  std::string folder_;
  ListenOptions options_;
  TraceStandIn trace_;
  ControlStandIn control_;
  api::RefusingControlService refusing_;
  std::unique_ptr<ApiServer> server_;
};

}  // namespace swaptrail::listen
