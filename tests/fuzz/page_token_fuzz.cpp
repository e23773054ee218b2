// Any bytes as a page token: none but what make() would make, for this list, is taken. (libFuzzer sees what is
// compared, and so comes to make a right one by itself; who asks over gRPC can't.)
//
// The first byte chooses. Even: the bytes are the token. Odd: they are a place (its first 16 bytes), and how the
// token that is made of it is changed.
#include <google/protobuf/wrappers.pb.h>

#include <cstring>
#include <string>

#include "daemon/api/page_token.h"
#include "tests/fuzz/fuzzed.h"

namespace swaptrail {
namespace {

using api::ListPlace;
using fuzz::check;

const api::PageTokens& tokens() {
  static const api::PageTokens all;
  return all;
}

uint64_t list_of(std::string_view filter, uint32_t kind) {
  google::protobuf::BytesValue message;
  message.set_value(std::string(filter));
  return tokens().list_of(kind, message);
}

void read_made_up(std::string_view bytes) {
  const uint64_t list = list_of("", 1);
  const std::string token(bytes);
  const auto place = tokens().read(list, token);
  check(!place.ok() || tokens().make(list, *place) == token);
}

// What is left after the place: pairs of a position and the byte to be put there.
void read_changed(std::string_view bytes) {
  ListPlace place;
  if (bytes.size() < sizeof place.sequence + sizeof place.oldest) return;
  std::memcpy(&place.sequence, bytes.data(), sizeof place.sequence);
  std::memcpy(&place.oldest, bytes.data() + sizeof place.sequence, sizeof place.oldest);
  bytes.remove_prefix(sizeof place.sequence + sizeof place.oldest);
  const uint64_t list = list_of(bytes, 1);
  const std::string made = tokens().make(list, place);
  const auto back = tokens().read(list, made);
  check(back.ok() && back->sequence == place.sequence && back->oldest == place.oldest);
  check(!tokens().read(list_of(bytes, 2), made).ok());  // of the other order
  std::string changed = made;
  for (size_t at = 0; at + 1 < bytes.size(); at += 2)
    changed[static_cast<uint8_t>(bytes[at]) % changed.size()] = bytes[at + 1];
  check(tokens().read(list, changed).ok() == (changed == made));
}

}  // namespace
}  // namespace swaptrail

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest = swaptrail::fuzz::text_of(bytes + 1, size - 1);
  bytes[0] % 2 == 0 ? swaptrail::read_made_up(rest) : swaptrail::read_changed(rest);
  return 0;
}
