// The HTTP server of the metrics: /metrics, /-/healthy, /-/ready and a page with links to them.
//
// One thread has all sockets and never waits for any of them: a request goes to a worker only when its
// whole head is there, and an answer is written as fast as its reader takes it. So a slow client costs
// a place in a table, not a thread. When all places are taken, the client address with most of them
// loses the connection that has kept the server waiting longest. No address has more than half of the
// places, of the workers, or of the queue before them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/http/router.h"

namespace swaptrail::http {

struct HttpOptions {
  std::string listen_address = "127.0.0.1:9789";  // also "[::1]:9789", ":9789"; port 0: any
  std::string telemetry_path = "/metrics";
  std::string config_file;             // of --web.config.file, empty: none
  size_t max_connections = 256;        // 1 to 10,000
  size_t workers = 8;                  // 1 to 64
  size_t max_waiting = 64;             // requests that wait for a worker; more get 503
  uint64_t head_timeout_ms = 5'000;    // for TLS and the whole head of a request
  uint64_t idle_timeout_ms = 60'000;   // between two requests
  uint64_t write_timeout_ms = 10'000;  // for a whole answer
};

class HttpServer {
 public:
  // Binds, and answers from now on. `site.telemetry_path` is ignored: that of the options is used.
  // The site's functions must work as long as the server lives. Errors: InvalidArgument (an invalid
  // address, path or bound; the configuration file), Unavailable (the address can't be bound).
  static absl::StatusOr<std::unique_ptr<HttpServer>> start(const HttpOptions& options, Site site);
  // Checks everything that start() would refuse, except the address. Makes no thread. Errors:
  // InvalidArgument.
  static absl::Status check(const HttpOptions& options);
  // Closes all connections and waits for its threads.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;
  bool has_tls() const;

 private:
  class Reception;
  explicit HttpServer(std::unique_ptr<Reception> reception);
  std::unique_ptr<Reception> reception_;
};

}  // namespace swaptrail::http
