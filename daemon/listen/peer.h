// Who is at the other end of a unix socket.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "absl/status/statusor.h"

namespace swaptrail::listen {

// As they were at its connect(), in this process's user namespace.
struct Peer {
  uid_t uid;
  std::vector<gid_t> groups;  // the effective one, and the supplementary ones
};

// Errors: Internal (no unix socket, no memory).
absl::StatusOr<Peer> peer_of(int socket);

// uid 0, and members of `control_group`.
bool may_control(const Peer& peer, std::optional<gid_t> control_group);

// Groups of other user namespaces appear here as this one: it must grant nothing.
gid_t overflow_group();

}  // namespace swaptrail::listen
