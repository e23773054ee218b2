// The identity of a client, as far as limits distinguish clients.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace swaptrail::base {

// An IPv4 address (as ::ffff:a.b.c.d), or the first 64 bits of an IPv6 address: a host can use as many
// addresses below that as it likes. All zero: another family.
struct ClientAddress {
  std::array<uint8_t, 16> bytes{};
  bool operator==(const ClientAddress&) const = default;
  bool operator<(const ClientAddress& other) const { return bytes < other.bytes; }
};

inline ClientAddress client_address(const sockaddr_storage& from) {
  ClientAddress address;
  if (from.ss_family == AF_INET) {
    address.bytes[10] = address.bytes[11] = 0xff;
    const auto& name = reinterpret_cast<const sockaddr_in&>(from);
    std::memcpy(address.bytes.data() + 12, &name.sin_addr, 4);
  } else if (from.ss_family == AF_INET6) {
    const in6_addr& name = reinterpret_cast<const sockaddr_in6&>(from).sin6_addr;
    std::memcpy(address.bytes.data(), &name, 16);
    if (!IN6_IS_ADDR_V4MAPPED(&name))
      std::fill(address.bytes.begin() + 8, address.bytes.end(), uint8_t{0});
  }
  return address;
}

}  // namespace swaptrail::base
