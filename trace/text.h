// From one kind of string view to the other: Abseil's is a type of its own where it was built for C++14, as in Debian 12. It
// appears where its functions take texts apart or put them together; else a view is std::string_view.
#pragma once

#include <string_view>

#include "absl/strings/string_view.h"

namespace swaptrail {

inline absl::string_view absl_view(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view std_view(absl::string_view text) { return {text.data(), text.size()}; }

}  // namespace swaptrail
