// Any bytes from a client of the metrics' server, as many requests as there are in them: a response to each, in order, and
// nothing served of what could be read in two ways.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "daemon/http/router.h"
#include "tests/fuzz/fuzzed.h"

namespace swaptrail::http {
namespace {

using fuzz::check;

constexpr int kStatuses[] = {200, 400, 401, 404, 405, 413, 414, 431, 501, 505};
constexpr int kClosing[] = {400, 413, 414, 431, 501, 505};

bool is_one_of(int status, const auto& list) {
  return std::find(std::begin(list), std::end(list), status) != std::end(list);
}

// "secret", at the least cost.
constexpr std::string_view kUsers =
    "basic_auth_users:\n  ann: $2b$04$iJgubGOExXU/amb91fjNK.7lesVkOmHt9VbM6sn2eQYooNEksXlK2\n";

struct Served {
  explicit Served(const std::string& config) : access(*Access::open(config)) {
    site.metrics = [](std::string_view) { return Page{"text/plain", "metric 1\n"}; };
    site.ready = [] { return true; };
  }
  Site site;
  HttpCounts counts;
  std::unique_ptr<Access> access;
  Router router{site, *access, counts};
};

std::string config_with_users() {
  static const int file = memfd_create("web.yml", MFD_CLOEXEC);
  check(fchmod(file, 0600) == 0);
  check(pwrite(file, kUsers.data(), kUsers.size(), 0) == static_cast<ssize_t>(kUsers.size()));
  return "/proc/self/fd/" + std::to_string(file);
}

// By other means than the reader's: what must be so in a request that was served.
void check_served(absl::string_view head) {
  check(!absl::StrContains(head, absl::string_view("\0", 1)));
  const auto cr = std::count(head.begin(), head.end(), '\r');
  const auto lf = std::count(head.begin(), head.end(), '\n');
  const std::vector<absl::string_view> lines = absl::StrSplit(head, "\r\n");
  check(cr == lf && static_cast<size_t>(cr) + 1 == lines.size());
  int hosts = 0, lengths = 0;
  for (const absl::string_view line : lines) {
    check(!absl::StartsWith(line, " ") && !absl::StartsWith(line, "\t"));
    const auto colon = line.find(':');
    // a longer name that begins so is another header; a blank before the colon, or no colon, hides none
    const auto name = absl::StripTrailingAsciiWhitespace(line.substr(0, colon));
    check(!absl::EqualsIgnoreCase(name, "transfer-encoding"));
    if (colon == absl::string_view::npos) continue;
    hosts += absl::EqualsIgnoreCase(name, "host") ? 1 : 0;
    if (!absl::EqualsIgnoreCase(name, "content-length")) continue;
    check(line.find_first_not_of("0 \t", colon + 1) == absl::string_view::npos);
    ++lengths;
  }
  const absl::string_view start = lines[0].empty() ? lines[1] : lines[0];
  check(absl::StartsWith(start, "GET ") || absl::StartsWith(start, "HEAD "));
  check(hosts == 1 || (hosts == 0 && absl::EndsWith(start, " HTTP/1.0")));
  check(lengths <= 1);
}

int answered(Router& router, std::string_view head, bool& closed) {
  const Answer answer = router.answer(head, {});
  check(answer.bytes.rfind("HTTP/1.1 ", 0) == 0 && answer.bytes.size() > 12);
  const int status = std::atoi(answer.bytes.c_str() + 9);
  check(is_one_of(status, kStatuses));
  check(!is_one_of(status, kClosing) || answer.close);
  closed = answer.close;
  return status;
}

}  // namespace
}  // namespace swaptrail::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace swaptrail::http;
  static Served open(""), guarded(config_with_users());
  std::string_view rest = swaptrail::fuzz::text_of(bytes, size);
  bool closed = false, closed_too = false;
  for (size_t end = 0; !closed && (end = rest.find("\r\n\r\n")) != std::string_view::npos;) {
    const std::string_view head = rest.substr(0, end + 4);
    const int status = answered(open.router, head, closed);
    if (status == 200) check_served({head.data(), head.size()});
    // framing is reported before who may read; nothing else is
    const int other = answered(guarded.router, head, closed_too);
    swaptrail::fuzz::check(is_one_of(status, kClosing) ? other == status
                                                       : other == 401 || other == status);
    swaptrail::fuzz::check(closed == closed_too);
    rest.remove_prefix(end + 4);
  }
  return 0;
}
