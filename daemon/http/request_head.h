// Parses the head of a request as strictly as RFC 9112 permits: what two readers could take for
// different requests is refused, and the connection closed.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace swaptrail::http {

inline constexpr size_t kMostLine_bytes = 8192;  // of the request line, and of each header
inline constexpr size_t kMostHeaders = 100;
inline constexpr size_t kMostHead_bytes = 16 * 1024;  // request line and headers together

// The part of the head that the server uses, in one form only.
struct RequestHead {
  std::string method;  // one of RFC 9110 and PATCH
  std::string target;  // origin form: begins with '/', as it was sent; or "*" for OPTIONS
  std::string accept, authorization;  // may be empty
  bool close = false;                 // the connection, after the response
};

struct HeadRefused {
  int status = 400;
  std::string_view reason = "Bad Request";  // the phrase of the status line
};

// `head`: the request line and all headers, with the empty line at the end. Pure. Refuses with 400 (bare CR
// or LF, control characters, an invalid line, folded lines, blanks before the colon, no or several hosts,
// Content-Length twice or with Transfer-Encoding), 413 (a body: none is read here), 414, 431, 501 (an
// unknown method or coding) and 505.
std::variant<RequestHead, HeadRefused> read_head(std::string_view head);

// `begun`: a head whose end has not come yet. Returns whether it must be refused whatever follows: a line
// ends without CR (400), the request line (414) or the whole head (431) is too long. Pure.
std::optional<HeadRefused> refuse_early(std::string_view begun);

}  // namespace swaptrail::http
