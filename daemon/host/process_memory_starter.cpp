// The process that starts the readers of page tables: see process_memory_child.h.
#include <fcntl.h>
#include <poll.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <vector>

#include "daemon/host/privileges.h"
#include "daemon/host/process_memory_child.h"
#include "daemon/host/system_calls.h"

namespace swaptrail::host::memory_child {
namespace {

constexpr int kLeastLife_ms = 1000;  // no more than one start a second

// Keeps only two descriptors, with new numbers.
void close_all_but(int& one, int& other) {
  one = fcntl(one, F_DUPFD_CLOEXEC, 10);
  other = fcntl(other, F_DUPFD_CLOEXEC, 10);
  if (one < 0 || other < 0) _exit(1);
  for (int fd = 0; fd < std::max(one, other); ++fd)
    if (fd != one && fd != other) close(fd);
  closefrom(std::max(one, other) + 1);
}

// A seccomp filter is inherited, so these are also the calls that a new process needs until it has
// its own.
bool allow_only_what_is_needed() {
  return allow_only({SYS_clone,
                     SYS_wait4,
                     SYS_ppoll,
#ifdef SYS_poll
                     SYS_poll,
#endif
                     SYS_kill,
                     SYS_clock_nanosleep,
                     SYS_clock_gettime,
                     SYS_recvfrom,
                     SYS_sendto,
                     SYS_pread64,
                     SYS_close,
                     SYS_pidfd_open,
                     SYS_process_madvise,
                     SYS_exit_group,
                     SYS_prctl,
                     SYS_seccomp,
                     SYS_getppid,
                     SYS_getpid,
                     SYS_gettid,
                     SYS_set_robust_list,
                     SYS_rt_sigprocmask,
                     SYS_sigaltstack,  // AddressSanitizer, before what does not return
                     SYS_brk,
                     SYS_mmap,
                     SYS_munmap})
      .ok();
}

bool give_up_privileges(bool may_page_out) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
  std::vector<int> kept = {CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};
  if (may_page_out) kept.push_back(CAP_SYS_NICE);
  return keep_capabilities(kept).ok();
}

// Returns when another process must follow `child`. Ends this process with the parent, or if `child` ended
// because nobody asks any more.
void watch(pid_t child, int control) {
  const int ended = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  std::array<pollfd, 2> watched = {pollfd{control, POLLIN, 0}, pollfd{ended, POLLIN, 0}};
  while (poll(watched.data(), watched.size(), -1) < 0 && errno == EINTR) {
  }
  char asked = 0;
  const bool is_over = watched[0].revents != 0 && recv(control, &asked, 1, MSG_DONTWAIT) <= 0;
  if (watched[1].revents == 0) kill(child, SIGKILL);
  int how = 0;
  while (waitpid(child, &how, 0) < 0 && errno == EINTR) {
  }
  if (ended >= 0) close(ended);
  if (is_over || (WIFEXITED(how) && WEXITSTATUS(how) == 0)) _exit(0);
}

}  // namespace

void start_children(int requests, int control, bool may_page_out, pid_t parent) {
  // The parent handles signals to the process group: it may still ask while it shuts down.
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE})
    signal(number, SIG_IGN);
  close_all_but(requests, control);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);  // it ended before the line above
  prctl(PR_SET_NAME, "swaptraild-mem");
  prctl(PR_SET_DUMPABLE, 0);
  if (!give_up_privileges(may_page_out) || !allow_only_what_is_needed()) _exit(1);
  const pid_t own = getpid();
  for (;;) {
    const pid_t child = fork();
    if (child == 0) {
      close(control);
      serve(requests, may_page_out, own);
    }
    if (child < 0) _exit(1);
    watch(child, control);
    const Answer ended{.sequence = kEndedSequence};
    send(requests, &ended, sizeof(ended), MSG_NOSIGNAL | MSG_DONTWAIT);
    const timespec pause{kLeastLife_ms / 1000, 0};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace swaptrail::host::memory_child
