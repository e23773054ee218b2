#include "daemon/http/router.h"

#include <httplib.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/http/passwords.h"

namespace swaptrail::http {
namespace {

using httplib::Request;
using httplib::Response;

constexpr char kPlain[] = "text/plain; charset=utf-8";

// Only these get to the parser: no ranges, encodings or expectations.
constexpr absl::string_view kWanted[] = {"accept",         "authorization", "connection",
                                         "content-length", "host",          "transfer-encoding"};

// Empty if it is no head of a request at all.
std::string wanted_lines(std::string_view head) {
  const absl::string_view text(head.data(), head.size());
  if (absl::StrContains(text, absl::string_view("\0", 1))) return {};
  std::string kept;
  for (absl::string_view line : absl::StrSplit(text, "\r\n")) {
    if (absl::StrContains(line, '\n') || absl::StrContains(line, '\r')) return {};
    const std::string name = absl::AsciiStrToLower(line.substr(0, line.find(':')));
    const bool wanted = kept.empty() || std::find(std::begin(kWanted), std::end(kWanted), name) !=
                                            std::end(kWanted);
    if (wanted) absl::StrAppend(&kept, line, "\r\n");
  }
  return kept + "\r\n";
}

// A stream for one request that is here already.
class MemoryStream : public httplib::Stream {
 public:
  explicit MemoryStream(std::string in) : in_(std::move(in)) {}
  bool is_readable() const override { return at_ < in_.size(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    const size_t count = in_.copy(to, size, at_);
    at_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, size_t size) override {
    out_.append(from, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return 0; }

  std::string take_out() { return std::move(out_); }

 private:
  const std::string in_;
  size_t at_ = 0;
  std::string out_;
};

Verdict verdict_on(const Request& request, Passwords& passwords) {
  if (passwords.empty()) return Verdict::kRight;
  const std::string given = request.get_header_value("Authorization");
  std::string pair;
  const bool basic = absl::StartsWithIgnoreCase(given, "basic ");
  const bool decoded =
      basic && absl::Base64Unescape(absl::StripAsciiWhitespace(given.substr(6)), &pair);
  const size_t colon = decoded ? pair.find(':') : std::string::npos;
  if (colon == std::string::npos) return Verdict::kWrong;
  return passwords.check(pair.substr(0, colon), pair.substr(colon + 1));
}

bool has_body(const Request& request) {
  const std::string length = request.get_header_value("Content-Length");
  return request.has_header("Transfer-Encoding") || (!length.empty() && length != "0");
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    switch (letter) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += letter;
    }
  }
  return out;
}

std::string landing_page(const Site& site) {
  const std::string path = html_escaped(site.telemetry_path);
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>swaptraild</title>"
      "</head>\n<body><h1>swaptraild ",
      html_escaped(site.version),
      "</h1>\n<p>Follows every page that the kernel swaps out.</p>\n<ul>\n<li><a href=\"", path,
      "\">Metrics</a></li>\n<li><a href=\"/-/healthy\">Healthy</a></li>\n"
      "<li><a href=\"/-/ready\">Ready</a></li>\n</ul></body></html>\n");
}

void refuse(Response& response, int status, const char* text) {
  response.status = status;
  response.set_content(text, kPlain);
}

}  // namespace

std::string bare_response(int status, std::string_view reason) {
  return absl::StrCat("HTTP/1.1 ", status, " ", absl::string_view(reason.data(), reason.size()),
                      "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

// httplib parses the request and writes the response; it never gets to a socket, a file, or a body.
class Router::Parser : private httplib::Server {
 public:
  Parser(const Site& site, const Access& access) : site_(site), access_(access) {
    set_payload_max_length(0);
    set_pre_routing_handler([this](const Request& request, Response& response) {
      respond(request, response);
      return HandlerResponse::Handled;
    });
    set_post_routing_handler([](const Request&, Response& response) {
      response.headers.erase("Accept-Ranges");  // there are none
      response.headers.erase("Keep-Alive");     // its numbers would not be ours
    });
  }

  Answer answer(std::string_view head) {
    std::string lines = wanted_lines(head);
    if (lines.empty()) return {bare_response(400, "Bad Request"), true};
    MemoryStream stream(std::move(lines));
    bool closed = false, parsed = false, body = false;
    const bool went_on = process_request(stream, false, closed, [&](Request& request) {
      parsed = true;
      body = has_body(request);
      closed |= absl::EqualsIgnoreCase(request.get_header_value("Connection"), "close");
    });
    return {stream.take_out(), !went_on || closed || !parsed || body};
  }

 private:
  void respond(const Request& request, Response& response) {
    response.set_header("X-Content-Type-Options", "nosniff");
    const Verdict verdict = verdict_on(request, *access_.passwords());
    if (verdict == Verdict::kBusy) return refuse(response, 503, "Too many passwords at once\n");
    if (verdict == Verdict::kWrong) {
      response.set_header("WWW-Authenticate", "Basic realm=\"swaptraild\", charset=\"UTF-8\"");
      return refuse(response, 401, "Unauthorized\n");
    }
    if (has_body(request)) {
      response.set_header("Connection", "close");
      return refuse(response, 413, "A request has no body here\n");
    }
    if (request.method != "GET" && request.method != "HEAD") {
      response.set_header("Allow", "GET, HEAD");
      return refuse(response, 405, "Method not allowed\n");
    }
    serve(request, response);
  }

  // The path as it was sent: nothing is decoded, joined or shortened.
  void serve(const Request& request, Response& response) {
    const std::string path = request.target.substr(0, request.target.find('?'));
    response.status = 200;
    if (path == site_.telemetry_path) {
      const Page page = site_.metrics(request.get_header_value("Accept"));
      response.set_content(page.text, page.content_type);
    } else if (path == "/-/healthy") {
      response.set_content("Healthy\n", kPlain);
    } else if (path == "/-/ready") {
      if (!site_.ready()) return refuse(response, 503, "Not ready\n");
      response.set_content("Ready\n", kPlain);
    } else if (path == "/") {
      response.set_header("Content-Security-Policy", "default-src 'none'");
      response.set_content(landing_page(site_), "text/html; charset=utf-8");
    } else {
      refuse(response, 404, "Not found\n");
    }
  }

  const Site& site_;
  const Access& access_;
};

Router::Router(const Site& site, const Access& access)
    : parser_(std::make_unique<Parser>(site, access)) {}
Router::~Router() = default;

Answer Router::answer(std::string_view head) { return parser_->answer(head); }

}  // namespace swaptrail::http
