// The place where a list continues, as an opaque text for the caller.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/message_lite.h"

namespace swaptrail::api {

// What a token stands for.
struct ListPlace {
  uint64_t sequence = 0;
  uint64_t oldest = 0;
};

// Makes tokens that belong to one list (its method, filter and order) of this process; nobody else
// can make them. They are no secret and grant no right: the key protects against mistakes and
// invented numbers, and is gone with the process. Const use from any thread.
class PageTokens {
 public:
  PageTokens();  // with its own key, from the kernel's random numbers

  // What the tokens of a list belong to. `kind` stands for the method, or separates orders.
  uint64_t list_of(uint32_t kind, const google::protobuf::MessageLite& filter) const;
  std::string make(uint64_t list, const ListPlace& place) const;
  // Errors: InvalidArgument for any text that make() of this process did not make for this list.
  absl::StatusOr<ListPlace> read(uint64_t list, const std::string& token) const;

 private:
  static constexpr size_t kKeyBytes = 192;
  std::array<unsigned char, kKeyBytes> key_;
};

}  // namespace swaptrail::api
