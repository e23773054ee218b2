#include "daemon/host/system_calls.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <type_traits>

#include "absl/strings/str_cat.h"

namespace swaptrail::host {
namespace {

// By name: not every architecture has each of them.
constexpr const char* kAllowed[] = {
    // memory
    "brk", "madvise", "mlockall", "mremap", "munlockall", "munmap", "mincore", "membarrier",
    // threads and their waiting
    "exit", "exit_group", "futex", "futex_waitv", "gettid", "getpid", "getppid", "get_robust_list",
    "set_robust_list", "rseq", "sched_getaffinity", "sched_getparam", "sched_getscheduler",
    "sched_yield", "getcpu", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait",
    "sigaltstack", "restart_syscall", "wait4", "waitid",
    // time
    "clock_gettime", "clock_getres", "clock_nanosleep", "gettimeofday", "nanosleep", "time",
    "timerfd_create", "timerfd_settime",
    // files
    "access", "close", "close_range", "dup", "dup2", "dup3", "faccessat", "faccessat2", "fallocate",
    "fchmod", "fcntl", "fdatasync", "flock", "fstat", "fstatfs", "fsync", "ftruncate", "getcwd",
    "getdents64", "lseek", "lstat", "mkdir", "mkdirat", "newfstatat", "open", "openat", "pipe",
    "pipe2", "pread64", "preadv", "pwrite64", "pwritev", "read", "readlink", "readlinkat", "readv",
    "rename", "renameat", "renameat2", "stat", "statfs", "statx", "umask", "unlink", "unlinkat",
    "write", "writev",
    // waiting for several
    "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "poll",
    "ppoll", "pselect6", "select",
    // sockets
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen",
    "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
    "socketpair",
    // itself
    "capget", "getegid", "geteuid", "getgid", "getgroups", "getrandom", "getrlimit", "getrusage",
    "getuid", "sysinfo", "times", "uname"};

constexpr const char* kFatal[] = {"execve",
                                  "execveat",
                                  "ptrace",
                                  "process_vm_readv",
                                  "process_vm_writev",
                                  "kcmp",
                                  "pidfd_getfd",
                                  "mount",
                                  "umount2",
                                  "move_mount",
                                  "open_tree",
                                  "fsopen",
                                  "fsconfig",
                                  "fsmount",
                                  "fspick",
                                  "mount_setattr",
                                  "pivot_root",
                                  "chroot",
                                  "setns",
                                  "unshare",
                                  "init_module",
                                  "finit_module",
                                  "delete_module",
                                  "kexec_load",
                                  "kexec_file_load",
                                  "keyctl",
                                  "add_key",
                                  "request_key",
                                  "setuid",
                                  "setgid",
                                  "setreuid",
                                  "setregid",
                                  "setresuid",
                                  "setresgid",
                                  "setfsuid",
                                  "setfsgid",
                                  "setgroups",
                                  "capset",
                                  "reboot",
                                  "swapon",
                                  "swapoff",
                                  "settimeofday",
                                  "clock_settime",
                                  "clock_adjtime",
                                  "adjtimex",
                                  "sethostname",
                                  "setdomainname",
                                  "iopl",
                                  "ioperm",
                                  "userfaultfd",
                                  "perf_event_open",
                                  "mknod",
                                  "mknodat",
                                  "name_to_handle_at",
                                  "open_by_handle_at",
                                  "quotactl",
                                  "acct",
                                  "syslog",
                                  "personality",
                                  "io_uring_setup",
                                  "modify_ldt",
                                  "process_madvise",
                                  "pidfd_open"};

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};

// Keeps the first error, so that rules can follow each other.
class Filter {
 public:
  explicit Filter(uint32_t otherwise) : filter_(seccomp_init(otherwise)) {
    if (!filter_) error_ = ENOMEM;
  }

  void rule(uint32_t action, int call) { note(seccomp_rule_add(filter_.get(), action, call, 0)); }
  void rule(uint32_t action, const char* name) {
    const int call = seccomp_syscall_resolve_name(name);
    if (call != __NR_SCMP_ERROR) rule(action, call);  // else this libseccomp does not know it
  }
  void allow_if(const char* name, scmp_arg_cmp condition) {
    note(seccomp_rule_add(filter_.get(), SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(name), 1,
                          condition));
  }
  void set(scmp_filter_attr attribute, uint32_t value) {
    note(seccomp_attr_set(filter_.get(), attribute, value));
  }

  absl::Status load() {
    if (error_ == 0) note(seccomp_load(filter_.get()));
    if (error_ == 0) return absl::OkStatus();
    return absl::InternalError(
        absl::ErrnoToStatus(error_, "system calls can't be limited (seccomp)").message());
  }

 private:
  void note(int result) {
    if (error_ == 0 && result < 0) error_ = -result;
  }

  std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, Release> filter_;
  int error_ = 0;
};

// The condition on an argument of a call. Our own functions: the macros of seccomp.h leave fields
// out.
scmp_arg_cmp is(unsigned argument, uint64_t value) { return {argument, SCMP_CMP_EQ, value, 0}; }
scmp_arg_cmp has_bits(unsigned argument, uint64_t mask, uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

// Threads, signals and limits of its own. No process: glibc falls back to clone(2), whose flags can be checked.
void allow_threads(Filter& filter) {
  filter.rule(SCMP_ACT_ERRNO(ENOSYS), "clone3");
  filter.allow_if("clone", has_bits(0, CLONE_THREAD, CLONE_THREAD));
  filter.allow_if("prctl", is(0, PR_SET_NAME));
  filter.allow_if("tgkill", is(0, getpid()));  // abort()
  filter.allow_if("prlimit64", is(0, 0));
}

// No memory becomes executable.
void allow_memory(Filter& filter) {
  filter.allow_if("mmap", has_bits(2, PROT_EXEC, 0));
  filter.allow_if("mprotect", has_bits(2, PROT_EXEC, 0));
}

void allow_sockets(Filter& filter) {
  for (const int family : {AF_UNIX, AF_INET, AF_INET6}) filter.allow_if("socket", is(0, family));
  for (const uint64_t request : {uint64_t{TCGETS}, uint64_t{FIONREAD}, uint64_t{TIOCGWINSZ},
                                 uint64_t{PERF_EVENT_IOC_DISABLE}})
    filter.allow_if("ioctl", is(1, request));
}

// Reading the totals and detaching. A program that swaptraild runs itself is loaded before.
void allow_bpf(Filter& filter) {
  for (const int command : {BPF_MAP_LOOKUP_ELEM, BPF_MAP_LOOKUP_BATCH, BPF_MAP_UPDATE_ELEM,
                            BPF_OBJ_GET_INFO_BY_FD, BPF_PROG_TEST_RUN, BPF_LINK_DETACH})
    filter.allow_if("bpf", is(0, command));
}

}  // namespace

absl::Status allow_calls_of_daemon() {
  Filter filter(SCMP_ACT_ERRNO(EPERM));
  filter.set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  filter.set(SCMP_FLTATR_CTL_TSYNC, 1);
  filter.set(SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a tree: the pipeline makes calls all the time
  for (const char* name : kAllowed) filter.rule(SCMP_ACT_ALLOW, name);
  for (const char* name : kFatal) filter.rule(SCMP_ACT_KILL_PROCESS, name);
  allow_threads(filter);
  allow_memory(filter);
  allow_sockets(filter);
  allow_bpf(filter);
  return filter.load();
}

absl::Status allow_only(std::initializer_list<int> calls) {
  Filter filter(SCMP_ACT_KILL_PROCESS);
  filter.set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  for (const int call : calls) filter.rule(SCMP_ACT_ALLOW, call);
  filter.allow_if("openat", is(2, O_RDONLY | O_CLOEXEC));
  return filter.load();
}

}  // namespace swaptrail::host
