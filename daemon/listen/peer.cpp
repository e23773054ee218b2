#include "daemon/listen/peer.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

namespace swaptrail::listen {

absl::StatusOr<Peer> peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return absl::InternalError("no credentials");
  Peer peer{credentials.uid, std::vector<gid_t>(64)};
  socklen_t bytes = static_cast<socklen_t>(peer.groups.size() * sizeof(gid_t));
  int result = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &bytes);
  if (result != 0 && errno == ERANGE) {  // `bytes` now has their size: they don't change
    peer.groups.resize(bytes / sizeof(gid_t));
    result = getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &bytes);
  }
  if (result != 0) return absl::InternalError("no groups");
  peer.groups.resize(bytes / sizeof(gid_t));
  peer.groups.push_back(credentials.gid);
  return peer;
}

bool may_control(const Peer& peer, std::optional<gid_t> control_group) {
  if (peer.uid == 0) return true;
  return control_group && std::count(peer.groups.begin(), peer.groups.end(), *control_group) > 0;
}

gid_t overflow_group() {
  std::ifstream file("/proc/sys/kernel/overflowgid");
  gid_t group = 65534;
  file >> group;
  return group;
}

}  // namespace swaptrail::listen
