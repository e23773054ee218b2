#include "daemon/base/folders.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "daemon/base/files.h"

namespace swaptrail::base {
namespace {

// open(2) follows a link whose path ends with a slash, whatever the flags.
std::string without_last_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

Descriptor open_existing(const std::string& path) {
  return Descriptor(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

absl::Status can_not_open(int error, const std::string& path) {
  if (error == ENOTDIR || error == ELOOP)
    return bad_path(path, "is no folder, or a symbolic link: give the path of a folder");
  return bad_path(path, absl::StrCat("can't be opened: ", strerror(error)));
}

absl::Status check_writable(int folder, const std::string& path) {
  if (faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) == 0) return absl::OkStatus();
  return bad_path(path, absl::StrCat("can't be written to: ", strerror(errno),
                                     ": give another folder, or change its mode"));
}

absl::Status check_opened(int folder, const std::string& path) {
  struct stat found {};
  if (fstat(folder, &found) != 0) return bad_path(path, strerror(errno));
  if (found.st_uid != 0 && found.st_uid != geteuid())
    return bad_path(path, absl::StrCat("belongs to user ", found.st_uid, ": chown root ", path));
  if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return bad_path(path, absl::StrCat("others may write to it: chmod go-w ", path));
  return check_writable(folder, path);
}

// For a folder that does not exist yet: can it be made?
absl::Status check_parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const Descriptor folder(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder)
    return bad_path(path, absl::StrCat("is no folder: make it with mkdir -p -m 700 ", path));
  return check_writable(folder.get(), parent);
}

}  // namespace

absl::StatusOr<Descriptor> open_folder(const std::string& named, mode_t made_mode) {
  const std::string path = without_last_slashes(named);
  const bool made = mkdir(path.c_str(), made_mode) == 0;
  if (!made && errno != EEXIST && errno != EROFS)
    return bad_path(path, absl::StrCat("can't be made: ", strerror(errno), ": make the folder"));
  Descriptor folder = open_existing(path);
  if (!folder) return can_not_open(errno, path);
  if (absl::Status status = check_opened(folder.get(), path); !status.ok()) return status;
  if (made && fchmod(folder.get(), made_mode) != 0)  // whatever the umask was
    return bad_path(path, absl::StrCat("its mode can't be set: ", strerror(errno)));
  return folder;
}

absl::Status check_folder(const std::string& named) {
  if (named.empty()) return absl::InvalidArgumentError("a path is missing: name a folder");
  const std::string path = without_last_slashes(named);
  const Descriptor folder = open_existing(path);
  if (folder) return check_opened(folder.get(), path);
  return errno == ENOENT ? check_parent(path) : can_not_open(errno, path);
}

}  // namespace swaptrail::base
