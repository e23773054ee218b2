#include "daemon/host/privileges.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/base/descriptor.h"
#include "daemon/base/exit_code.h"
#include "daemon/base/folders.h"
#include "daemon/host/system_calls.h"

namespace swaptrail::host {
namespace {

constexpr const char* kLockName = "swaptraild.pid";

std::string holder_of(int lock_file) {
  char pid[32] = {};
  if (pread(lock_file, pid, sizeof(pid) - 1, 0) <= 0) return "?";
  return std::string(absl::StripSuffix(pid, "\n"));
}

// For the new handler and std::terminate(): no memory may be allocated here.
[[noreturn]] void end_with(const char* line, int code) {
  const ssize_t written = write(STDERR_FILENO, line, strlen(line));
  _exit(written < 0 ? base::kExitFailure : code);
}

[[noreturn]] void end_without_memory() {
  end_with(
      "swaptraild: no memory; raise the limit (MemoryMax= of the service, RLIMIT_AS), or give "
      "smaller --store, --max-folios and --ring-size\n",
      base::kExitNoMemory);
}

[[noreturn]] void end_unexpectedly() {
  try {
    if (std::current_exception()) std::rethrow_exception(std::current_exception());
  } catch (const std::bad_alloc&) {
    end_without_memory();
  } catch (const std::system_error&) {
    end_with(
        "swaptraild: no thread can be started; raise the limits of memory and threads "
        "(TasksMax= of the service, RLIMIT_AS, RLIMIT_NPROC)\n",
        base::kExitNoMemory);
  } catch (...) {
  }
  end_with("swaptraild: ended by an error that it does not expect: please report it\n",
           base::kExitFailure);
}

void raise_limit(__rlimit_resource resource, rlim_t wanted) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(limit.rlim_max, wanted);
  setrlimit(resource, &limit);
}

// A process without CAP_SETPCAP can't empty its bounding set; then confine() keeps programs from using it.
void empty_bounding_set() {
  for (cap_value_t capability = 0; cap_get_bound(capability) >= 0; ++capability)
    if (cap_drop_bound(capability) != 0) return;
}

}  // namespace

void begin_safely() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  umask(0077);
  std::set_new_handler(end_without_memory);
  std::set_terminate(end_unexpectedly);
  // from a library that asserts, such as gRPC without threads: it has printed the reason
  signal(SIGABRT, [](int) {
    end_with("swaptraild: a library has given up: see the line before\n", base::kExitFailure);
  });
}

uint64_t descriptors_needed() {
  // each gRPC connection has three (daemon/listen/proxy.h); the rest is programs, maps, links, files
  constexpr uint64_t kOfGrpc = 3 * (256 + 64), kOfHttp = 256, kRest = 256;
  const long cpus = sysconf(_SC_NPROCESSORS_CONF);
  return kOfGrpc + kOfHttp + kRest + static_cast<uint64_t>(std::max(cpus, 1L));
}

void raise_descriptors() { raise_limit(RLIMIT_NOFILE, descriptors_needed()); }

void raise_memlock() {
  rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0) raise_limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
}

absl::Status keep_capabilities(const std::vector<int>& wanted) {
  struct Free {
    void operator()(void* set) const { cap_free(set); }
  };
  const std::unique_ptr<_cap_struct, Free> now(cap_get_proc()), kept(cap_init());
  if (!now || !kept) return absl::ErrnoToStatus(errno, "can't read the capabilities");
  for (const cap_value_t capability : wanted) {
    cap_flag_value_t had = CAP_CLEAR;
    if (cap_get_flag(now.get(), capability, CAP_PERMITTED, &had) != 0 || had != CAP_SET) continue;
    for (const cap_flag_t flag : {CAP_PERMITTED, CAP_EFFECTIVE})
      cap_set_flag(kept.get(), flag, 1, &capability, CAP_SET);
  }
  empty_bounding_set();
  if (cap_reset_ambient() != 0 && errno != EINVAL)
    return absl::ErrnoToStatus(errno, "can't drop the ambient capabilities");
  if (cap_set_proc(kept.get()) != 0)
    return absl::ErrnoToStatus(errno, "can't drop the capabilities");
  return absl::OkStatus();
}

absl::Status drop_capabilities() { return keep_capabilities({CAP_BPF, CAP_IPC_LOCK}); }

absl::Status confine() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    return absl::InternalError(absl::ErrnoToStatus(errno, "can't give up privileges").message());
  return allow_calls_of_daemon();
}

absl::Status take_lock(const std::string& run_dir) {
  const auto folder = base::open_folder(run_dir, 0755);
  if (!folder.ok()) return folder.status();
  const std::string path = absl::StrCat(run_dir, "/", kLockName);
  base::Descriptor file(openat(folder->get(), kLockName,
                               O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!file && errno == ELOOP)
    return absl::InvalidArgumentError(absl::StrCat(path, ": is a symbolic link: remove it"));
  if (!file) return absl::InternalError(absl::StrCat(path, ": can't be opened: ", strerror(errno)));
  struct stat found {};
  if (fstat(file.get(), &found) != 0 || !S_ISREG(found.st_mode) || found.st_nlink != 1 ||
      (found.st_uid != 0 && found.st_uid != geteuid()))
    return absl::InvalidArgumentError(absl::StrCat(path, ": is no file of ours: remove it"));
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0)
    return absl::AlreadyExistsError(
        absl::StrCat("process ", holder_of(file.get()), " holds ", path));
  const std::string own = absl::StrCat(getpid(), "\n");
  if (fchmod(file.get(), 0600) != 0 || ftruncate(file.get(), 0) != 0 ||
      pwrite(file.get(), own.data(), own.size(), 0) < 0)
    return absl::InternalError(absl::StrCat(path, ": can't be written: ", strerror(errno)));
  file.release();  // it stays open: the lock ends with the process
  return absl::OkStatus();
}

}  // namespace swaptrail::host
