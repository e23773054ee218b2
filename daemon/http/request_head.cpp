#include "daemon/http/request_head.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "trace/text.h"

namespace swaptrail::http {
namespace {

using absl::string_view;
using Refused = std::optional<HeadRefused>;

constexpr HeadRefused kBad{400, "Bad Request"};
constexpr HeadRefused kHasBody{413, "Content Too Large"};
constexpr HeadRefused kLongLine{414, "URI Too Long"};
constexpr HeadRefused kManyHeaders{431, "Request Header Fields Too Large"};
constexpr HeadRefused kNotKnown{501, "Not Implemented"};
constexpr HeadRefused kVersion{505, "HTTP Version Not Supported"};

constexpr string_view kMethods[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                    "CONNECT", "OPTIONS", "TRACE", "PATCH"};
constexpr string_view kCodings[] = {"chunked", "gzip",     "x-gzip",
                                    "deflate", "compress", "x-compress"};

template <typename List>
bool is_one_of(string_view word, const List& list) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

bool is_token_letter(char letter) {
  return absl::ascii_isalnum(static_cast<unsigned char>(letter)) ||
         absl::StrContains("!#$%&'*+-.^_`|~", letter);
}
bool is_token(string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_letter);
}
bool is_visible(char letter) { return letter > ' ' && letter < 0x7f; }
// Bytes above 0x7f are permitted in a value, whatever they mean.
bool is_value_letter(char letter) {
  return letter == '\t' || !absl::ascii_iscntrl(static_cast<unsigned char>(letter));
}
bool is_host_letter(char letter) {
  return absl::ascii_isalnum(static_cast<unsigned char>(letter)) ||
         absl::StrContains("-._~!$&'()*+,;=%[]:", letter);
}

string_view trimmed(string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// The members of a comma-separated list, without empty ones.
std::vector<string_view> members_of(string_view list) {
  std::vector<string_view> members;
  for (const string_view member : absl::StrSplit(list, ','))
    if (!trimmed(member).empty()) members.push_back(trimmed(member));
  return members;
}

class Reader {
 public:
  std::variant<RequestHead, HeadRefused> read(string_view head) {
    absl::ConsumePrefix(&head, "\r\n");  // the end of the previous request (RFC 9112, 2.2)
    const std::vector<string_view> lines = absl::StrSplit(head, "\r\n");
    // after the last header comes the empty line, and nothing after that
    if (lines.size() < 3 || !lines.back().empty() || !lines[lines.size() - 2].empty()) return kBad;
    if (const Refused refused = read_request_line(lines.front())) return *refused;
    const size_t headers = lines.size() - 3;
    if (headers > kMostHeaders) return kManyHeaders;
    for (size_t at = 1; at <= headers; ++at)
      if (const Refused refused = read_header(lines[at])) return *refused;
    if (const Refused refused = check_host()) return *refused;
    if (const Refused refused = check_body()) return *refused;
    head_.close |= minor_ == 0 && !keeps_;
    return std::move(head_);
  }

 private:
  Refused read_request_line(string_view line) {
    if (line.size() > kMostLine_bytes) return kLongLine;
    const std::vector<string_view> words = absl::StrSplit(line, ' ');
    if (words.size() != 3 || !is_token(words[0]) || words[1].empty()) return kBad;
    if (!std::all_of(words[1].begin(), words[1].end(), is_visible)) return kBad;
    if (const Refused refused = read_version(words[2])) return refused;
    if (!is_one_of(words[0], kMethods)) return kNotKnown;
    head_.method = std::string(words[0]);
    return read_target(words[1]);
  }

  // "HTTP/1.7" is answered as HTTP/1.1 (RFC 9110, 2.5).
  Refused read_version(string_view text) {
    if (!absl::ConsumePrefix(&text, "HTTP/") || text.size() != 3 || text[1] != '.' ||
        !absl::ascii_isdigit(static_cast<unsigned char>(text[0])) ||
        !absl::ascii_isdigit(static_cast<unsigned char>(text[2])))
      return kBad;
    if (text[0] != '1') return kVersion;
    minor_ = text[2] - '0';
    return {};
  }

  Refused read_target(string_view target) {
    if (absl::StrContains(target, '#')) return kBad;
    if (head_.method == "CONNECT" || (head_.method == "OPTIONS" && target == "*")) {
      head_.target = "*";  // not served, whatever it is
      return {};
    }
    if (!absl::StartsWith(target, "/")) {
      if (const Refused refused = take_authority(target)) return refused;
    }
    head_.target = std::string(target);
    return {};
  }

  // "http://HOST/PATH", as sent to a proxy: it must be accepted, and its host replaces the
  // header's.
  static Refused take_authority(string_view& target) {
    const size_t scheme = target.find("://");
    const string_view name = target.substr(0, std::min(scheme, target.size()));
    if (scheme == string_view::npos ||
        (!absl::EqualsIgnoreCase(name, "http") && !absl::EqualsIgnoreCase(name, "https")))
      return kBad;
    target.remove_prefix(scheme + 3);
    const size_t path = std::min(target.find_first_of("/?"), target.size());
    const string_view host = target.substr(0, path);
    if (host.empty() || !std::all_of(host.begin(), host.end(), is_host_letter)) return kBad;
    target.remove_prefix(path);
    if (target.empty()) target = "/";
    return absl::StartsWith(target, "/") ? Refused() : Refused(kBad);
  }

  Refused read_header(string_view line) {
    if (line.size() > kMostLine_bytes) return kManyHeaders;
    const size_t colon = line.find(':');
    // a folded line, or a blank before the colon, has a blank in its name
    if (colon == string_view::npos || !is_token(line.substr(0, colon))) return kBad;
    const string_view value = trimmed(line.substr(colon + 1));
    if (!std::all_of(value.begin(), value.end(), is_value_letter)) return kBad;
    return take(absl::AsciiStrToLower(line.substr(0, colon)), value);
  }

  Refused take(const std::string& name, string_view value) {
    if (name == "host") {
      if (std::exchange(has_host_, true)) return kBad;
      if (!std::all_of(value.begin(), value.end(), is_host_letter)) return kBad;
    } else if (name == "authorization") {
      if (std::exchange(has_authorization_, true)) return kBad;
      head_.authorization = std::string(value);
    } else if (name == "accept") {
      absl::StrAppend(&head_.accept, head_.accept.empty() ? "" : ", ", value);
    } else if (name == "connection") {
      for (const string_view member : members_of(value)) {
        head_.close |= absl::EqualsIgnoreCase(member, "close");
        keeps_ |= absl::EqualsIgnoreCase(member, "keep-alive");
      }
    } else if (name == "content-length") {
      return take_length(value);
    } else if (name == "transfer-encoding") {
      has_coding_ = true;
      for (const string_view member : members_of(value))
        codings_.push_back(absl::AsciiStrToLower(member));
    }
    return {};
  }

  Refused take_length(string_view value) {
    if (std::exchange(has_length_, true) || value.empty()) return kBad;
    for (const char digit : value) {
      if (!absl::ascii_isdigit(static_cast<unsigned char>(digit))) return kBad;
      has_body_ |= digit != '0';
    }
    return {};
  }

  Refused check_host() const { return minor_ >= 1 && !has_host_ ? Refused(kBad) : Refused(); }

  // A body would be mistaken for the next request, or the reverse.
  Refused check_body() const {
    if (!has_coding_) return has_body_ ? Refused(kHasBody) : Refused();
    if (has_length_ || minor_ == 0 || codings_.empty()) return kBad;
    for (const std::string& coding : codings_)
      if (!is_one_of(coding, kCodings)) return kNotKnown;
    const auto chunked = std::count(codings_.begin(), codings_.end(), "chunked");
    return chunked == 1 && codings_.back() == "chunked" ? kHasBody : kBad;
  }

  RequestHead head_;
  std::vector<std::string> codings_;
  int minor_ = 0;
  bool has_host_ = false, has_authorization_ = false, has_length_ = false, has_coding_ = false;
  bool has_body_ = false, keeps_ = false;
};

}  // namespace

std::variant<RequestHead, HeadRefused> read_head(std::string_view head) {
  return Reader().read(absl_view(head));
}

std::optional<HeadRefused> refuse_early(std::string_view begun) {
  for (size_t at = begun.find('\n'); at != begun.npos; at = begun.find('\n', at + 1))
    if (at == 0 || begun[at - 1] != '\r') return kBad;
  const bool full = begun.size() >= kMostHead_bytes;
  if (begun.starts_with("\r\n")) begun.remove_prefix(2);  // as read_head() does
  if (std::min(begun.find("\r\n"), begun.size()) > kMostLine_bytes + 1) return kLongLine;
  return full ? std::optional(kManyHeaders) : std::nullopt;
}

}  // namespace swaptrail::http
