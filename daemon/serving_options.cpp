#include "daemon/serving_options.h"

namespace swaptrail::daemon {

listen::ListenOptions listen_options(const options::Options& options) {
  listen::ListenOptions result;
  result.socket_path = options::socket_path(options);
  result.socket_group = options.socket_group;
  result.control_group = options.control_group;
  result.tcp_address = options.listen;
  result.tls_cert = options.tls_cert;
  result.tls_key = options.tls_key;
  result.tls_client_ca = options.tls_client_ca;
  result.tls_no_client_auth = options.tls_no_client_auth;
  return result;
}

http::HttpOptions http_options(const options::Options& options) {
  http::HttpOptions result;
  result.listen_address = options.web_listen;
  result.telemetry_path = options.web_path;
  result.config_file = options.web_config;
  return result;
}

}  // namespace swaptrail::daemon
