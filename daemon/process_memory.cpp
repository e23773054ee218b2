#include "daemon/process_memory.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/process_memory_child.h"

namespace swaptrail {

using memory_child::Answer;
using memory_child::Request;

namespace {

constexpr int kAnswerTimeout_s = 10;
constexpr int kEndTimeout_ms = 1000;

absl::Status status_of(int error, uint32_t pid) {
  switch (error) {
    case ENOENT:
    case ESRCH:
      return absl::NotFoundError(absl::StrCat("there is no process ", pid));
    case ENXIO:
      return absl::NotFoundError(absl::StrCat(
          "process ", pid, " has no memory of its own: a kernel thread, or it has just ended"));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(absl::StrCat(
          "the memory of process ", pid, " may not be looked at: swaptraild needs CAP_SYS_PTRACE, ",
          "CAP_DAC_READ_SEARCH and, to swap out, CAP_SYS_NICE"));
    case EFAULT:
      return absl::InvalidArgumentError("not an address of user space");
    case EINVAL:
      return absl::InvalidArgumentError(absl::StrCat(
          "a range begins at a page, and has whole pages of ", memory_child::page_bytes(),
          " bytes, at most ", ProcessMemory::kMaxRange_bytes, " bytes in all"));
    case ECANCELED:
      return absl::FailedPreconditionError("swaptraild was not started with page-out enabled");
    case EBUSY:
      return absl::FailedPreconditionError(
          "these pages can't be swapped out: they are locked, huge, or belong to a device");
    case ENOMEM:
      return absl::OutOfRangeError("a part of the range is not mapped");
    case ENOSYS:
      return absl::UnimplementedError("this kernel has no process_madvise: it needs Linux 5.10");
    default:
      return absl::ErrnoToStatus(error, absl::StrCat("the memory of process ", pid));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ProcessMemory>> ProcessMemory::start(bool may_page_out) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return absl::InternalError(absl::ErrnoToStatus(errno, "no socket pair").message());
  const timeval timeout{kAnswerTimeout_s, 0};
  setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) memory_child::serve(ends[1], may_page_out, parent);
  const int error = errno;
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    return absl::InternalError(absl::ErrnoToStatus(error, "can't fork").message());
  }
  return std::unique_ptr<ProcessMemory>(new ProcessMemory(ends[0], child));
}

ProcessMemory::~ProcessMemory() {
  if (socket_ >= 0) close(socket_);
  for (int waited_ms = 0; waited_ms < kEndTimeout_ms; waited_ms++) {
    if (waitpid(child_, nullptr, WNOHANG) != 0) return;  // it ended, or somebody else waited
    usleep(1000);
  }
  kill(child_, SIGKILL);
  waitpid(child_, nullptr, 0);
}

absl::StatusOr<Answer> ProcessMemory::ask(Request request) {
  const std::lock_guard lock(mutex_);
  request.sequence = ++sequence_;
  const auto gone = [] {
    return absl::UnavailableError(
        "the process that reads page tables has ended: restart swaptraild to have it again");
  };
  if (socket_ < 0) return gone();
  Answer answer;
  ssize_t size = send(socket_, &request, sizeof(request), MSG_NOSIGNAL);
  while (size == sizeof(request)) {
    size = recv(socket_, &answer, sizeof(answer), MSG_TRUNC);
    if (size == sizeof(answer) && answer.sequence == request.sequence) {
      if (answer.error == 0) return answer;
      return status_of(static_cast<int>(answer.error), request.pid);
    }
    if (size < 0 && errno == EINTR) size = sizeof(request);
  }
  // A late answer must not be taken for that of the next question: no more questions.
  close(socket_);
  socket_ = -1;
  kill(child_, SIGKILL);
  return gone();
}

absl::StatusOr<PageEntry> ProcessMemory::page(uint32_t pid, uint64_t address) {
  const auto answer = ask({.kind = Request::kPage, .pid = pid, .address = address});
  if (!answer.ok()) return answer.status();
  PageEntry page = memory_child::decode(answer->values[0]);
  if (answer->values[2] != 0) page.flags = answer->values[1];
  return page;
}

absl::StatusOr<std::optional<MappedFile>> ProcessMemory::file(uint32_t pid, uint64_t address) {
  const auto answer = ask({.kind = Request::kFile, .pid = pid, .address = address});
  if (!answer.ok()) return answer.status();
  if (answer->values[2] == 0) return std::nullopt;
  return MappedFile{static_cast<uint32_t>(answer->values[0]),
                    static_cast<uint32_t>(answer->values[1]), answer->values[2], answer->text};
}

absl::StatusOr<uint64_t> ProcessMemory::frame_flags(uint64_t pfn) {
  const auto answer = ask({.kind = Request::kFrameFlags, .address = pfn});
  if (answer.ok()) return answer->values[0];
  if (absl::IsNotFound(answer.status()))
    return absl::NotFoundError(absl::StrCat("there is no page frame ", pfn));
  if (absl::IsPermissionDenied(answer.status()))
    return absl::PermissionDeniedError("can't read /proc/kpageflags: it needs CAP_SYS_ADMIN");
  return answer.status();
}

absl::StatusOr<RangeCount> ProcessMemory::count(uint32_t pid, uint64_t address,
                                                uint64_t length_bytes) {
  const auto answer =
      ask({.kind = Request::kCount, .pid = pid, .address = address, .length_bytes = length_bytes});
  if (!answer.ok()) return answer.status();
  return RangeCount{answer->values[0], answer->values[1], answer->values[2]};
}

absl::StatusOr<uint64_t> ProcessMemory::page_out(uint32_t pid, uint64_t address,
                                                 uint64_t length_bytes) {
  const auto answer = ask(
      {.kind = Request::kPageOut, .pid = pid, .address = address, .length_bytes = length_bytes});
  if (!answer.ok()) return answer.status();
  return answer->values[0];
}

}  // namespace swaptrail
