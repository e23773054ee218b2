#include "daemon/http/router.h"

#include <httplib.h>

#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/http/passwords.h"
#include "daemon/http/request_head.h"
#include "trace/text.h"

namespace swaptrail::http {
namespace {

using httplib::Request;
using httplib::Response;

constexpr char kPlain[] = "text/plain; charset=utf-8";

// The request for httplib: only what was read and found valid.
std::string text_of(const RequestHead& head) {
  std::string text = absl::StrCat(head.method, " ", head.target == "*" ? "/" : head.target,
                                  " HTTP/1.1\r\nHost: localhost\r\n");
  if (!head.accept.empty()) absl::StrAppend(&text, "Accept: ", head.accept, "\r\n");
  if (!head.authorization.empty())
    absl::StrAppend(&text, "Authorization: ", head.authorization, "\r\n");
  if (head.close) text += "Connection: close\r\n";
  return text + "\r\n";
}

// A stream for one request that is already complete.
class MemoryStream : public httplib::Stream {
 public:
  MemoryStream(std::string in, const base::ClientAddress& from) : in_(std::move(in)), from_(from) {}
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
  // The address is not passed as text: respond() gets it directly.
  void get_remote_ip_and_port(std::string& address, int&) const override {
    address.assign(from_.bytes.begin(), from_.bytes.end());
  }
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return 0; }

  std::string take_out() { return std::move(out_); }

 private:
  const std::string in_;
  const base::ClientAddress from_;
  size_t at_ = 0;
  std::string out_;
};

PasswordCheck check_password(const Request& request, Passwords& passwords) {
  if (passwords.empty()) return PasswordCheck::kRight;
  base::ClientAddress from;
  request.remote_addr.copy(reinterpret_cast<char*>(from.bytes.data()), from.bytes.size());
  const std::string given = request.get_header_value("Authorization");
  std::string pair;
  const bool basic = absl::StartsWithIgnoreCase(given, "basic ");
  const bool decoded =
      basic && absl::Base64Unescape(absl::StripAsciiWhitespace(given.substr(6)), &pair);
  const size_t colon = decoded ? pair.find(':') : std::string::npos;
  if (colon == std::string::npos) return PasswordCheck::kWrong;
  return passwords.check(from, pair.substr(0, colon), pair.substr(colon + 1));
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
  return absl::StrCat("HTTP/1.1 ", status, " ", absl_view(reason),
                      "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

// httplib parses the request and writes the response; it never gets a socket, a file, or a body.
class Router::Parser : private httplib::Server {
 public:
  Parser(const Site& site, const Access& access, HttpCounts& counts)
      : site_(site), access_(access), counts_(counts) {
    set_payload_max_length(0);
    set_pre_routing_handler([this](const Request& request, Response& response) {
      respond(request, response);
      return HandlerResponse::Handled;
    });
    set_post_routing_handler([](const Request&, Response& response) {
      response.headers.erase("Accept-Ranges");  // ranges are not supported
      response.headers.erase("Keep-Alive");     // its numbers would not be ours
    });
  }

  Answer answer(std::string_view bytes, const base::ClientAddress& from) {
    const auto read = read_head(bytes);
    if (const auto* refused = std::get_if<HeadRefused>(&read)) return refusal(*refused);
    const auto& head = std::get<RequestHead>(read);
    MemoryStream stream(text_of(head), from);
    bool closed = head.close, parsed = false;
    const bool went_on =
        process_request(stream, false, closed, [&parsed](Request&) { parsed = true; });
    if (!parsed) return refusal({});
    return {stream.take_out(), !went_on || closed};
  }

 private:
  Answer refusal(const HeadRefused& refused) {
    ++counts_.refused_malformed;
    return {bare_response(refused.status, refused.reason), true};
  }

  void respond(const Request& request, Response& response) {
    response.set_header("X-Content-Type-Options", "nosniff");
    const PasswordCheck checked = check_password(request, *access_.passwords());
    if (checked == PasswordCheck::kBusy) {
      ++counts_.refused_passwords;
      return refuse(response, 503, "Too many passwords at once\n");
    }
    if (checked == PasswordCheck::kWrong) {
      response.set_header("WWW-Authenticate", "Basic realm=\"swaptraild\", charset=\"UTF-8\"");
      return refuse(response, 401, "Unauthorized\n");
    }
    if (request.method != "GET" && request.method != "HEAD") {
      response.set_header("Allow", "GET, HEAD");
      return refuse(response, 405, "Method not allowed\n");
    }
    serve(request, response);
  }

  // The path as it was sent: not decoded, joined or shortened.
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
  HttpCounts& counts_;
};

Router::Router(const Site& site, const Access& access, HttpCounts& counts)
    : parser_(std::make_unique<Parser>(site, access, counts)) {}
Router::~Router() = default;

Answer Router::answer(std::string_view head, const base::ClientAddress& from) {
  return parser_->answer(head, from);
}

}  // namespace swaptrail::http
