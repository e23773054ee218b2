// Turns one request into one response. No socket: server.cpp has those.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/client_address.h"
#include "daemon/http/access.h"
#include "daemon/http/counts.h"

namespace swaptrail::http {

struct Page {
  std::string content_type;
  std::string text;
};

// What is served. The functions may be called by several threads at once.
struct Site {
  std::string telemetry_path = "/metrics";
  std::function<Page(std::string_view accept)> metrics;  // `accept`: the header, may be empty
  std::function<bool()> ready;
  std::string version;
  std::shared_ptr<HttpCounts> counts;  // to read them elsewhere; null: nobody does
};

struct Answer {
  std::string bytes;
  bool close = true;  // close the connection after it
};

// A response without a parsed request: for what is refused before it is read.
std::string bare_response(int status, std::string_view reason);

// Any thread.
class Router {
 public:
  // All must outlive it.
  Router(const Site& site, const Access& access, HttpCounts& counts);
  ~Router();

  // `head`: the request line and all headers, with the empty line at the end. `from`: the client whose
  // turn it is if a password must be compared; the call waits for that.
  Answer answer(std::string_view head, const base::ClientAddress& from);

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace swaptrail::http
