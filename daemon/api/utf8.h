// Text that goes into a protobuf string.
#pragma once

#include <string>
#include <string_view>

namespace swaptrail::api {

// Each byte that is not of valid UTF-8 becomes U+FFFD: at most three times as long.
std::string utf8(std::string_view text);

}  // namespace swaptrail::api
