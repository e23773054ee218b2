// The daemon's unix socket: made so that nobody else can interfere, and removed again.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/descriptor.h"

namespace swaptrail::listen {

// A group's number. Errors: NotFound, Internal (the group database can't be read).
absl::StatusOr<gid_t> group_id(const std::string& name);

// Whether a socket can be at `path`: absolute, and not longer than an AF_UNIX address allows. Errors:
// InvalidArgument.
absl::Status check_socket_path(const std::string& path);

class UnixSocket {
 public:
  // Listens at `path`, with mode 0660 and `group`; without one, mode 0600. It appears at its path
  // complete, or not at all. Symbolic links are not followed, neither for the socket nor for its
  // folder. The daemon's lock file, not this, keeps apart two daemons that start at the same
  // moment. Errors: as ApiServer::bind.
  static absl::StatusOr<UnixSocket> create(const std::string& path, std::optional<gid_t> group);

  UnixSocket(UnixSocket&&) = default;
  UnixSocket& operator=(UnixSocket&&) = default;

  // Non-blocking.
  int listener() const { return listener_.get(); }
  // Removes it from its path, if it is still this one.
  void remove();

 private:
  UnixSocket() = default;
  absl::Status bind_and_publish(std::optional<gid_t> group);

  std::string path_, name_;
  base::Descriptor folder_, listener_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace swaptrail::listen
