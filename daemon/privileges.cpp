#include "daemon/privileges.h"

#include <fcntl.h>
#include <sys/capability.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace swaptrail {

void raise_memlock() {
  rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0) return;
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_MEMLOCK, &limit);
}

absl::Status lock_memory() {
  if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "can't lock the daemon's memory");
}

absl::Status drop_capabilities() {
  struct Free {
    void operator()(void* set) const { cap_free(set); }
  };
  const std::unique_ptr<_cap_struct, Free> now(cap_get_proc()), kept(cap_init());
  if (!now || !kept) return absl::ErrnoToStatus(errno, "can't read the capabilities");
  for (const cap_value_t capability : {CAP_BPF, CAP_IPC_LOCK}) {
    cap_flag_value_t had = CAP_CLEAR;
    if (cap_get_flag(now.get(), capability, CAP_PERMITTED, &had) != 0 || had != CAP_SET) continue;
    for (const cap_flag_t flag : {CAP_PERMITTED, CAP_EFFECTIVE})
      cap_set_flag(kept.get(), flag, 1, &capability, CAP_SET);
  }
  if (cap_set_proc(kept.get()) != 0)
    return absl::ErrnoToStatus(errno, "can't drop the capabilities");
  return absl::OkStatus();
}

absl::Status take_lock(const std::string& run_dir) {
  mkdir(run_dir.c_str(), 0755);
  const std::string path = absl::StrCat(run_dir, "/swaptraild.pid");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("can't open ", path));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = {};
    if (read(fd, pid, sizeof(pid) - 1) < 0) pid[0] = '\0';
    close(fd);
    return absl::AlreadyExistsError(
        absl::StrCat("process ", absl::StripSuffix(pid, "\n"), " holds ", path));
  }
  const std::string own = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) != 0 || pwrite(fd, own.data(), own.size(), 0) < 0)
    return absl::ErrnoToStatus(errno, absl::StrCat("can't write ", path));
  return absl::OkStatus();  // the descriptor stays open: the lock ends with the process
}

}  // namespace swaptrail
