// The command line of swaptraild.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/base/exit_code.h"
#include "daemon/pipeline/options.h"
#include "daemon/probe/hook_catalogue.h"
#include "trace/report/printer.h"

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::options {

// The filter limits only what is printed.
struct Options : report::PrintFilter, pipeline::PipelineOptions {
  std::optional<probe::Mode> mode;  // none: the best that the kernel permits
  std::string mode_word = "auto";   // as it was given
  report::PrintFormat print = report::PrintFormat::kSummary;
  size_t ring_mib = 8;  // per CPU, a power of two
  bool allow_no_swap = false;
  std::string run_dir = "/run/swaptrail";

  // what is kept and counted
  size_t store_mib = 64;
  uint32_t inventory_cpu = 10;  // percent of one CPU, to read page tables at the start; 0: not read
  uint64_t regret_ms = 1000;    // swapped in again sooner: swapping out was a mistake
  size_t metrics_cgroups = 100;  // cgroups with series of their own
  bool bpf_statistics = false;   // runs and time of each BPF program

  // who may ask what
  std::string socket;  // of gRPC; empty: api.sock in run_dir
  std::string socket_group = "swaptrail";
  std::string control_group;  // besides uid 0; empty: nobody
  bool enable_pageout = false;
  std::string listen;  // TCP with TLS; empty: none
  std::string tls_cert, tls_key, tls_client_ca;
  bool tls_no_client_auth = false;
  std::string web_listen = "127.0.0.1:9789";  // empty: no HTTP
  std::string web_path = "/metrics";
  std::string web_config;  // TLS and passwords of HTTP

  std::string config_file;  // the source of others of these
  bool check_config = false;
  bool explain_attach = false;
  std::string btf;      // of another kernel
  std::string symbols;  // of another kernel
};

// Where the gRPC socket is.
std::string socket_path(const Options& options);

// Puts the definitions into `app`; both must stay where they are. For parsing see parse_options().
void define_options(CLI::App& app, Options& options);

// The options, or the code with which to exit at once (help, version, or an error that has been
// printed to stderr). Reads the file of --config; problems_at_start() of start_checks.h finds what
// is wrong with the other files.
std::variant<Options, base::ExitCode> parse_options(int argc, char** argv);

}  // namespace swaptrail::options
