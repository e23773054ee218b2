#include "daemon/http/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace swaptrail::http {
namespace {

constexpr int kBacklog = 128;

struct Place {
  std::string host;  // empty: all addresses
  std::string port;
};

absl::Status no_address(const std::string& address) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", address,
                   "' is no address to listen on: say HOST:PORT, [IPv6]:PORT or :PORT, such as "
                   "127.0.0.1:9789"));
}

absl::StatusOr<Place> parse_address(const std::string& address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == std::string::npos) return no_address(address);
  Place place{address.substr(0, colon), address.substr(colon + 1)};
  if (!absl::SimpleAtoi(place.port, &port) || port > 65535) return no_address(address);
  const bool bracketed = place.host.starts_with('[') && place.host.ends_with(']');
  if (bracketed) place.host = place.host.substr(1, place.host.size() - 2);
  const bool has_colon = place.host.find(':') != std::string::npos;
  if (has_colon != bracketed) return no_address(address);
  return place;
}

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

absl::StatusOr<Addresses> resolve(const Place& place, int family) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const char* host = place.host.empty() ? nullptr : place.host.c_str();
  const int error = getaddrinfo(host, place.port.c_str(), &hints, &found);
  if (error == 0) return Addresses(found, freeaddrinfo);
  return absl::InvalidArgumentError(
      absl::StrCat("no such host '", place.host, "': ", gai_strerror(error)));
}

// Returns -1 and sets errno on failure.
int listen_at(const addrinfo& address) {
  const int on = 1, off = 0;
  const int made =
      ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, address.ai_protocol);
  if (made < 0) return -1;
  setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.ai_family == AF_INET6) {
    setsockopt(made, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
  }
  if (bind(made, address.ai_addr, address.ai_addrlen) == 0 && ::listen(made, kBacklog) == 0) {
    return made;
  }
  const int error = errno;
  close(made);
  errno = error;
  return -1;
}

uint16_t port_of(int socket) {
  sockaddr_storage name{};
  socklen_t length = sizeof(name);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&name), &length) != 0) return 0;
  // the port is at the same offset in both families
  return ntohs(reinterpret_cast<const sockaddr_in*>(&name)->sin_port);
}

}  // namespace

absl::StatusOr<Listener> listen_on(const std::string& address) {
  const auto place = parse_address(address);
  if (!place.ok()) return place.status();
  int error = EAFNOSUPPORT;
  // all addresses: an IPv6 socket accepts IPv4 too, if there is IPv6
  for (const int family : {place->host.empty() ? AF_INET6 : AF_UNSPEC, AF_INET}) {
    const auto found = resolve(*place, family);
    if (!found.ok() && family == AF_UNSPEC) return found.status();
    if (!found.ok()) continue;
    if (const int made = listen_at(**found); made >= 0) return Listener{made, port_of(made)};
    error = errno;
    if (!place->host.empty() || error != EAFNOSUPPORT) break;
  }
  return absl::UnavailableError(
      absl::StrCat("can't listen on ", address, ": ", std::strerror(error)));
}

}  // namespace swaptrail::http
