// Where a list goes on, as an opaque text for the caller.
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

// Makes tokens that belong to one list (its method, filter and order) of this process, and that
// nobody else can make. They are no secret and no right: the key is against mistakes and made-up
// numbers, and dies with the process. Const use from any thread.
class PageTokens {
 public:
  PageTokens();  // a key of its own, from the kernel's random numbers

  // What the tokens of a list belong to: `kind` is the method's, or tells orders apart.
  uint64_t list_of(uint32_t kind, const google::protobuf::MessageLite& filter) const;
  std::string make(uint64_t list, const ListPlace& place) const;
  // Errors: InvalidArgument for whatever make() of this process did not make for this list.
  absl::StatusOr<ListPlace> read(uint64_t list, const std::string& token) const;

 private:
  static constexpr size_t kKeyBytes = 192;
  std::array<unsigned char, kKeyBytes> key_;
};

}  // namespace swaptrail::api
