#include "daemon/host/process_memory.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/host/process_memory_child.h"

namespace swaptrail::host {

using memory_child::Answer;
using memory_child::Request;
using memory_child::SwappedAnswer;

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

absl::Status gone() {
  return absl::UnavailableError(
      "the process that reads page tables has ended: restart swaptraild to have it again");
}

absl::Status started_again(const char* why) {
  return absl::UnavailableError(absl::StrCat("the process that reads page tables ", why,
                                             " and is started again: ask again in a second"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ProcessMemory>> ProcessMemory::start(bool may_page_out) {
  int requests[2], control[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, requests) != 0)
    return absl::InternalError(absl::ErrnoToStatus(errno, "no socket pair").message());
  base::Descriptor ours(requests[0]), theirs(requests[1]);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
    return absl::InternalError(absl::ErrnoToStatus(errno, "no socket pair").message());
  base::Descriptor our_control(control[0]), their_control(control[1]);
  const timeval timeout{kAnswerTimeout_s, 0};
  setsockopt(ours.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(ours.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  const pid_t parent = getpid();
  const pid_t starter = fork();
  if (starter == 0)
    memory_child::start_children(theirs.get(), their_control.get(), may_page_out, parent);
  if (starter < 0) return absl::InternalError(absl::ErrnoToStatus(errno, "can't fork").message());
  return std::unique_ptr<ProcessMemory>(
      new ProcessMemory(std::move(ours), std::move(our_control), starter));
}

// The child ends when it finds `control` closed; if it can't, it ends with this process
// (PR_SET_PDEATHSIG).
ProcessMemory::~ProcessMemory() {
  requests_.reset();
  control_.reset();
  for (int waited_ms = 0; waited_ms < kEndTimeout_ms; ++waited_ms) {
    if (waitpid(starter_, nullptr, WNOHANG) != 0) return;  // it ended, or somebody else waited
    usleep(1000);
  }
}

template <typename Wanted>
absl::StatusOr<Wanted> ProcessMemory::ask(Request request) {
  const std::lock_guard lock(mutex_);
  request.sequence = ++sequence_;
  if (!requests_) return gone();
  const auto answer = std::make_unique<Wanted>();
  // late answers to earlier requests that nobody waited for any more
  while (recv(requests_.get(), answer.get(), sizeof(Wanted), MSG_DONTWAIT) > 0) {
  }
  ssize_t size = send(requests_.get(), &request, sizeof(request), MSG_NOSIGNAL);
  for (bool sent = size == sizeof(request); sent;) {
    size = recv(requests_.get(), answer.get(), sizeof(Wanted), MSG_TRUNC);
    if (size == sizeof(Answer) && answer->sequence == memory_child::kEndedSequence)
      return started_again("has ended");
    if (size == sizeof(Wanted) && answer->sequence == request.sequence) {
      child_ = answer->child;
      if (answer->error == 0) return *answer;
      return status_of(static_cast<int>(answer->error), request.pid);
    }
    sent = size > 0 || (size < 0 && errno == EINTR);
  }
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) &&
      send(control_.get(), "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1)
    return started_again("does not answer");
  requests_.reset();
  control_.reset();
  return gone();
}

absl::StatusOr<PageEntry> ProcessMemory::page(uint32_t pid, uint64_t address) {
  const auto answer = ask<Answer>({.kind = Request::kPage, .pid = pid, .address = address});
  if (!answer.ok()) return answer.status();
  PageEntry page = memory_child::decode(answer->values[0]);
  if (answer->values[2] != 0) page.flags = answer->values[1];
  return page;
}

absl::StatusOr<std::optional<MappedFile>> ProcessMemory::file(uint32_t pid, uint64_t address) {
  const auto answer = ask<Answer>({.kind = Request::kFile, .pid = pid, .address = address});
  if (!answer.ok()) return answer.status();
  if (answer->values[2] == 0) return std::nullopt;
  return MappedFile{static_cast<uint32_t>(answer->values[0]),
                    static_cast<uint32_t>(answer->values[1]), answer->values[2], answer->text};
}

absl::StatusOr<uint64_t> ProcessMemory::frame_flags(uint64_t pfn) {
  const auto answer = ask<Answer>({.kind = Request::kFrameFlags, .address = pfn});
  if (answer.ok()) return answer->values[0];
  if (absl::IsNotFound(answer.status()))
    return absl::NotFoundError(absl::StrCat("there is no page frame ", pfn));
  if (absl::IsPermissionDenied(answer.status()))
    return absl::PermissionDeniedError("can't read /proc/kpageflags: it needs CAP_SYS_ADMIN");
  return answer.status();
}

absl::StatusOr<RangeCount> ProcessMemory::count(uint32_t pid, uint64_t address,
                                                uint64_t length_bytes) {
  const auto answer = ask<Answer>(
      {.kind = Request::kCount, .pid = pid, .address = address, .length_bytes = length_bytes});
  if (!answer.ok()) return answer.status();
  return RangeCount{answer->values[0], answer->values[1], answer->values[2]};
}

absl::StatusOr<SwapEntries> ProcessMemory::swapped(uint32_t pid, uint64_t address) {
  const auto answer =
      ask<SwappedAnswer>({.kind = Request::kSwapped, .pid = pid, .address = address});
  if (!answer.ok()) return answer.status();
  const size_t count = std::min<uint64_t>(answer->count, SwappedAnswer::kMostEntries);
  return SwapEntries{
      {answer->entries, answer->entries + count}, answer->next_address, answer->used_cpu_ns};
}

absl::StatusOr<uint64_t> ProcessMemory::page_out(uint32_t pid, uint64_t address,
                                                 uint64_t length_bytes) {
  const auto answer = ask<Answer>(
      {.kind = Request::kPageOut, .pid = pid, .address = address, .length_bytes = length_bytes});
  if (!answer.ok()) return answer.status();
  return answer->values[0];
}

}  // namespace swaptrail::host
