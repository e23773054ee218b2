#include "daemon/listen/unix_socket.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/base/folders.h"

namespace swaptrail::listen {
namespace {

constexpr int kBacklog = 128;
constexpr size_t kMostName_bytes = 64;        // leaves room for address_in()
constexpr size_t kMostGroup_bytes = 1 << 20;  // an entry of the group database

absl::Status failed(int error, const std::string& what) { return absl::ErrnoToStatus(error, what); }

// bind() and connect() take only a path: this one leads through the open folder, wherever the
// folder's own path leads by now.
sockaddr_un address_in(int folder, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = absl::StrCat("/proc/self/fd/", folder, "/", name);
  memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  return address;
}

}  // namespace

absl::Status check_socket_path(const std::string& path) {
  const size_t most = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() > most)
    return absl::InvalidArgumentError(absl::StrCat("the socket's path has ", path.size(),
                                                   " bytes, but a socket's may have ", most,
                                                   ": give a shorter one: ", path));
  const size_t slash = path.rfind('/');
  if (path.empty() || path[0] != '/' || slash + 1 == path.size() ||
      path.find('\0') != std::string::npos)
    return absl::InvalidArgumentError(
        absl::StrCat("the socket's path must be absolute and end with a name: '", path, "'"));
  if (path.size() - slash - 1 > kMostName_bytes)
    return absl::InvalidArgumentError(absl::StrCat("the socket's name may have ", kMostName_bytes,
                                                   " bytes: give a shorter one: ", path));
  return absl::OkStatus();
}

namespace {

// May whatever is at the path be replaced? Yes if nothing is there, or a socket on which nobody
// listens.
absl::Status check_replaceable(int folder, const std::string& name, const std::string& path) {
  struct stat found {};
  if (fstatat(folder, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? absl::OkStatus() : failed(errno, absl::StrCat("can't look at ", path));
  if (!S_ISSOCK(found.st_mode))
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is there and no socket: remove it, or give another path"));
  const base::Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe) return failed(errno, "no socket");
  const sockaddr_un address = address_in(folder, name);
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 &&
      (errno == ECONNREFUSED || errno == ENOENT))
    return absl::OkStatus();
  return absl::AlreadyExistsError(
      absl::StrCat("a process listens on ", path, ": stop it, or give another path"));
}

}  // namespace

absl::StatusOr<gid_t> group_id(const std::string& name) {
  for (size_t size = 4096; size <= kMostGroup_bytes; size *= 4) {
    std::vector<char> room(size);
    group entry{};
    group* found = nullptr;
    const int error = getgrnam_r(name.c_str(), &entry, room.data(), room.size(), &found);
    if (found != nullptr) return entry.gr_gid;
    if (error == ERANGE) continue;
    if (error == 0 || error == ENOENT || error == ESRCH)
      return absl::NotFoundError(absl::StrCat("there is no group '", name, "'"));
    return absl::InternalError(absl::StrCat("can't look up group '", name, "': ", strerror(error)));
  }
  return absl::InternalError(absl::StrCat("group '", name, "' has too many members"));
}

absl::StatusOr<UnixSocket> UnixSocket::create(const std::string& path, std::optional<gid_t> group) {
  if (absl::Status status = check_socket_path(path); !status.ok()) return status;
  UnixSocket made;
  made.path_ = path;
  const size_t slash = path.rfind('/');
  made.name_ = path.substr(slash + 1);
  auto folder = base::open_folder(path.substr(0, slash + 1), 0755);
  if (!folder.ok()) return folder.status();
  made.folder_ = *std::move(folder);
  absl::Status status = check_replaceable(made.folder_.get(), made.name_, path);
  if (status.ok()) status = made.bind_and_publish(group);
  if (!status.ok()) return status;
  return made;
}

// First under another name: when it appears at its path it has its owner and mode, and listens.
absl::Status UnixSocket::bind_and_publish(std::optional<gid_t> group) {
  const std::string draft = ".new.sock";
  const int folder = folder_.get();
  listener_ = base::Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener_) return failed(errno, "no socket");
  unlinkat(folder, draft.c_str(), 0);  // of a daemon that was killed at this point
  const sockaddr_un address = address_in(folder, draft);
  // bind() gives its file the mode of the unbound socket: it never has another mode.
  if (fchmod(listener_.get(), 0600) != 0 ||
      bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return failed(errno, absl::StrCat("can't make the socket ", path_));
  const auto give_up = [&](const char* what) {
    const int error = errno;
    unlinkat(folder, draft.c_str(), 0);
    return failed(error, absl::StrCat(what, path_));
  };
  if (group) {
    if (fchownat(folder, draft.c_str(), static_cast<uid_t>(-1), *group, AT_SYMLINK_NOFOLLOW) != 0)
      return give_up("run it as root: can't set the group of ");
    if (fchmodat(folder, draft.c_str(), 0660, 0) != 0) return give_up("can't set the mode of ");
  }
  struct stat made {};
  if (fstatat(folder, draft.c_str(), &made, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::listen(listener_.get(), kBacklog) != 0 ||
      renameat(folder, draft.c_str(), folder, name_.c_str()) != 0)
    return give_up("can't listen on ");
  device_ = made.st_dev;
  inode_ = made.st_ino;
  return absl::OkStatus();
}

void UnixSocket::remove() {
  listener_.reset();
  if (!folder_) return;
  struct stat found {};
  if (fstatat(folder_.get(), name_.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
      found.st_dev == device_ && found.st_ino == inode_)
    unlinkat(folder_.get(), name_.c_str(), 0);
  folder_.reset();
}

}  // namespace swaptrail::listen
