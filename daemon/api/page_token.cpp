#include "daemon/api/page_token.h"

#include <sys/random.h>
#include <xxhash.h>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/escaping.h"

namespace swaptrail::api {
namespace {

struct Sealed {
  uint64_t sequence;
  uint64_t oldest;
  uint64_t seal;  // of both and the list
};
static_assert(sizeof(Sealed) == 24);

absl::Status not_ours() {
  return absl::InvalidArgumentError(
      "page_token: not one that this swaptraild made for this filter and order; "
      "begin again without page_token");
}

}  // namespace

PageTokens::PageTokens() {
  size_t filled = 0;
  while (filled < key_.size()) {
    const ssize_t got = getrandom(key_.data() + filled, key_.size() - filled, 0);
    if (got < 0 && errno != EINTR) std::abort();  // every kernel that we run on has it
    if (got > 0) filled += static_cast<size_t>(got);
  }
}

uint64_t PageTokens::list_of(uint32_t kind, const google::protobuf::MessageLite& filter) const {
  std::string bytes(reinterpret_cast<const char*>(&kind), sizeof kind);
  google::protobuf::io::StringOutputStream to(&bytes);
  google::protobuf::io::CodedOutputStream coded(&to);
  coded.SetSerializationDeterministic(true);
  filter.SerializeToCodedStream(&coded);
  coded.Trim();
  return XXH3_64bits_withSecret(bytes.data(), bytes.size(), key_.data(), key_.size());
}

std::string PageTokens::make(uint64_t list, const ListPlace& place) const {
  Sealed sealed{place.sequence, place.oldest, list};
  sealed.seal = XXH3_64bits_withSecret(&sealed, sizeof sealed, key_.data(), key_.size());
  return absl::WebSafeBase64Escape(
      absl::string_view(reinterpret_cast<const char*>(&sealed), sizeof sealed));
}

absl::StatusOr<ListPlace> PageTokens::read(uint64_t list, const std::string& token) const {
  std::string bytes;
  Sealed sealed{};
  if (token.size() > 2 * sizeof sealed || !absl::WebSafeBase64Unescape(token, &bytes) ||
      bytes.size() != sizeof sealed) {
    return not_ours();
  }
  std::memcpy(&sealed, bytes.data(), sizeof sealed);
  const ListPlace place{sealed.sequence, sealed.oldest};
  // also refuses another spelling of the same bytes
  if (make(list, place) != token) return not_ours();
  return place;
}

}  // namespace swaptrail::api
