#include "cli/base/atomic_file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

namespace swaptrail::cli {
namespace {

constexpr int kSignals[] = {SIGHUP, SIGINT, SIGPIPE, SIGTERM};

char to_remove[PATH_MAX];  // for the signal handler; empty: nothing

void remove_and_die(int signal_number) {
  if (to_remove[0] != '\0') unlink(to_remove);
  raise(signal_number);  // its default action: the handler is reset
}

// A signal that is ignored, as by nohup(1), stays ignored.
bool is_handled_by(void (*wanted)(int), int number) {
  struct sigaction action {};
  return sigaction(number, nullptr, &action) == 0 && action.sa_handler == wanted;
}

void watch_signals(const std::string& path) {
  if (path.size() >= sizeof(to_remove)) return;
  std::memcpy(to_remove, path.c_str(), path.size() + 1);
  struct sigaction action {};
  action.sa_handler = remove_and_die;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int number : kSignals)
    if (!is_handled_by(SIG_IGN, number)) sigaction(number, &action, nullptr);
  signal(SIGXFSZ, SIG_IGN);  // a file size limit is an error of write(2)
}

void unwatch_signals() {
  for (const int number : kSignals)
    if (is_handled_by(remove_and_die, number)) signal(number, SIG_DFL);
  to_remove[0] = '\0';
}

absl::Status exists_already(const std::string& path) {
  return absl::AlreadyExistsError(absl::StrCat(path, " exists already"));
}

absl::Status check_place(const std::string& path, bool force) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return absl::OkStatus();
  if (!S_ISREG(status.st_mode))
    return absl::InvalidArgumentError(absl::StrCat(path, " is no regular file"));
  return force ? absl::OkStatus() : exists_already(path);
}

// A link is followed and its target replaced, not the link itself.
std::string behind_links(const std::string& path) {
  std::error_code error;
  const auto real = std::filesystem::canonical(path, error);
  return error ? path : real.string();
}

int rename_to_nothing(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;  // a file system without RENAME_NOREPLACE
  if (access(to.c_str(), F_OK) == 0) {
    errno = EEXIST;
    return -1;
  }
  return rename(from.c_str(), to.c_str());
}

}  // namespace

AtomicFile::AtomicFile(std::string path, std::string temporary, bool force)
    : path_(std::move(path)), temporary_(std::move(temporary)), force_(force) {}

absl::StatusOr<std::unique_ptr<AtomicFile>> AtomicFile::create(const std::string& path,
                                                               bool force) {
  if (absl::Status status = check_place(path, force); !status.ok()) return status;
  const std::string real = behind_links(path);
  std::unique_ptr<AtomicFile> fresh(
      new AtomicFile(real, absl::StrCat(real, ".unfinished-", getpid()), force));
  unlink(fresh->temporary_.c_str());  // left by a dead process that had our number
  auto file = recording::FileSink::create(fresh->temporary_);
  if (!file.ok()) return file.status();
  watch_signals(fresh->temporary_);
  fresh->file_ = *std::move(file);
  return fresh;
}

AtomicFile::~AtomicFile() {
  if (file_ == nullptr) return;
  unlink(temporary_.c_str());
  unwatch_signals();
}

absl::Status AtomicFile::commit() {
  if (absl::Status status = file_->sync(); !status.ok()) return status;
  const int result =
      force_ ? rename(temporary_.c_str(), path_.c_str()) : rename_to_nothing(temporary_, path_);
  if (result != 0 && errno == EEXIST) return exists_already(path_);
  if (result != 0)
    return absl::InternalError(absl::StrCat("can't rename to ", path_, ": ", strerror(errno)));
  file_.reset();
  unwatch_signals();
  return absl::OkStatus();
}

}  // namespace swaptrail::cli
