#include "daemon/options/options.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <sstream>

#include "daemon/base/files.h"
#include "daemon/base/log.h"
#include "daemon/options/config_file.h"
#include "daemon/probe/attach_plan.h"
#include "trace/decode.h"

namespace swaptrail::options {
namespace {

constexpr const char* kFooter = R"(Exit codes:
  0  stopped by SIGINT or SIGTERM, or the answer was printed
  1  something broke while running
  2  bad flag, or a file that can't be used
  3  no permission to load BPF programs
  4  no BTF, or no mode that this kernel permits
  5  another swaptraild is running
  6  no swap area is on
  7  no memory for a ring or a table, or no thread

Examples:
  swaptraild                             follow every page on its way to swap
  swaptraild --print=jsonl --pid=4711    one process, for a tool
  swaptraild --config=/etc/swaptrail/swaptraild.conf    as the service does
  swaptraild --explain-attach            what this kernel lets swaptraild see
)";

std::string check_power_of_two(const std::string& text) {
  size_t value = 0;
  if (!CLI::detail::lexical_cast(text, value) || value == 0 || value > 1024 ||
      !std::has_single_bit(value))
    return "must be a power of two from 1 to 1024 (MiB)";
  return {};
}

std::string check_sample(const std::string& text) {
  uint32_t value = 0;
  if (!CLI::detail::lexical_cast(text, value) || value > 32768 || !std::has_single_bit(value))
    return "must be a power of two from 1 to 32768";
  return {};
}

void add_observation(CLI::App& app, Options& options) {
  app.add_option("--mode", options.mode_word,
                 "how to hook the kernel: auto, full, kprobe or tracepoint")
      ->check(CLI::IsMember({"auto", "full", "kprobe", "tracepoint"}));
  const std::map<std::string, bool> details{{"lifecycles", false}, {"counters", true}};
  app.add_option(
         "--detail", options.counts_only,
         "lifecycles: follow each page; counters: only count them in the kernel, by who asked, "
         "where they went and cgroup, which costs far less [lifecycles]")
      ->transform(CLI::CheckedTransformer(details).description(""))
      ->type_name("DETAIL");
  app.add_option("--ring-size", options.ring_mib, "MiB of ring buffer for each CPU [8]")
      ->check(CLI::Validator(check_power_of_two, "POWER_OF_TWO"));
  app.add_option("--max-folios", options.max_folios, "folios followed at the same time [1048576]")
      ->check(CLI::Range(size_t{1024}, size_t{1} << 24));
  app.add_option("--max-slots", options.max_slots,
                 "used swap slots that are followed, 32 bytes each [4194304]")
      ->check(CLI::Range(size_t{1} << 12, size_t{1} << 30));
  app.add_flag("--validate{16}", options.validate,
               "compare one folio in N with a kernel model, 16 without N; report what differs")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option(
         "--sample", options.sample,
         "record one page in N only, all of its way; totals count every page, all else is an "
         "estimate [1]")
      ->check(CLI::Validator(check_sample, "POWER_OF_TWO"));
  app.add_option(
         "--cpu-limit", options.cpu_limit,
         "percent of one CPU; above it record fewer pages, as with --sample, and say so [0: no "
         "limit]")
      ->check(CLI::Range(0, 10'000));
  app.add_option(
         "--inventory-cpu", options.inventory_cpu,
         "percent of one CPU for reading the page tables of all processes at the start, to find "
         "out who holds swap already; 0: they are not read [10]")
      ->check(CLI::Range(0, 100));
  app.add_flag(
      "--bpf-statistics", options.bpf_statistics,
      "let the kernel count runs and time of each BPF program; costs two clock reads a run");
  app.add_flag("--allow-no-swap", options.allow_no_swap,
               "start although no swap area is on, and wait for one");
  app.add_option("--run-dir", options.run_dir, "where lock and socket are [/run/swaptrail]");
}

void add_printing(CLI::App& app, Options& options) {
  const std::map<std::string, report::PrintFormat> formats{
      {"text", report::PrintFormat::kText},
      {"jsonl", report::PrintFormat::kJsonl},
      {"summary", report::PrintFormat::kSummary},
      {"none", report::PrintFormat::kNone}};
  app.add_option(
         "--print", options.print,
         "what goes to standard output: each page as text or jsonl, only the summary at the end, "
         "or none [summary]")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->type_name("FORMAT");
  app.add_option("--pid", options.pids, "print only pages of these processes");
  app.add_option("--cgroup", options.cgroup,
                 "print only pages charged to this cgroup or below, e.g. /system.slice");
  std::string outcomes = "print only lifecycles with these outcomes:";
  for (const auto& [name, outcome] : outcomes_by_name()) outcomes += " " + name;
  app.add_option("--outcome", options.outcomes, outcomes)
      ->transform(CLI::CheckedTransformer(outcomes_by_name()).description(""))
      ->type_name("OUTCOME");
}

void add_recording(CLI::App& app, Options& options) {
  CLI::Option* record =
      app.add_option("--record", options.record_dir, "write recordings into this directory");
  CLI::Option* flight = app.add_option(
      "--flight", options.flight_dir,
      "keep the last events in memory; write them here at SIGUSR2 and at an OOM kill");
  record->excludes(flight);
  app.add_option("--flight-pressure", options.flight_pressure,
                 "also at this threshold of /proc/pressure/memory, e.g. 'some 150000 2000000'")
      ->needs(flight);
  app.add_option("--flight-minutes", options.flight_minutes, "forget what is older than this")
      ->check(CLI::Range(1, 7 * 24 * 60))
      ->needs(flight);
  app.add_option("--record-part", options.part_mib, "MiB after which a new file begins [64]")
      ->check(CLI::Range(1, 4096))
      ->needs(record);
  app.add_option("--record-age", options.part_age_s, "seconds after which a new file begins [3600]")
      ->check(CLI::Range(1, 30 * 86400));
  app.add_option("--record-files", options.most_files,
                 "files of --record or --flight in the folder; the oldest go [10000]")
      ->check(CLI::Range(8, 10000));
  app.add_option("--flight-every", options.flight_every_s,
                 "seconds between two writings that pressure or OOM kills ask for [60]")
      ->check(CLI::Range(1, 86400))
      ->needs(flight);
  app.add_option("--record-total", options.total_mib,
                 "MiB of all files, or of memory with --flight and 16 times that of files; "
                 "the oldest go [1024, 64]")
      ->check(CLI::Range(8, 1 << 20));
}

void add_serving(CLI::App& app, Options& options) {
  app.add_option("--store", options.store_mib, "MiB of memory for lifecycles to query [64]")
      ->check(CLI::Range(8, 1 << 14));
  app.add_option("--regret", options.regret_ms,
                 "ms within which a page that is used again was swapped out in vain [1000]")
      ->check(CLI::Range(1, 24 * 3600 * 1000));
  app.add_option("--socket", options.socket, "of gRPC [api.sock in --run-dir]");
  app.add_option("--socket-group", options.socket_group,
                 "group that may ask, beside root; none = only root [swaptrail]");
  app.add_option(
      "--control-group", options.control_group,
      "group that may also write flight recordings and page out; its members need --socket-group too");
  app.add_flag("--enable-pageout", options.enable_pageout,
               "permit PageOut: swap out a range of a process on request");
  CLI::Option* listen = app.add_option(
      "--listen", options.listen, "also serve gRPC on this IP:PORT, with TLS; for reading only");
  app.add_option("--tls-cert", options.tls_cert, "certificate chain (PEM) of --listen")
      ->needs(listen);
  app.add_option("--tls-key", options.tls_key, "its key (PEM)")->needs(listen);
  app.add_option("--tls-client-ca", options.tls_client_ca,
                 "clients must have a certificate signed by one of these (PEM)")
      ->needs(listen);
  app.add_flag("--tls-no-client-auth", options.tls_no_client_auth,
               "let in clients without a certificate")
      ->needs(listen);
}

void add_web(CLI::App& app, Options& options) {
  app.add_option("--metrics-cgroups", options.metrics_cgroups,
                 "cgroups with series of their own; the others are summed [100]")
      ->check(CLI::Range(1, 10000));
  app.add_option("--web.listen-address", options.web_listen,
                 "where Prometheus metrics are served; none = nowhere [127.0.0.1:9789]");
  app.add_option("--web.telemetry-path", options.web_path, "path of the metrics [/metrics]");
  app.add_option("--web.config.file", options.web_config,
                 "YAML with TLS and passwords of HTTP, as other exporters have it");
}

void add_explaining(CLI::App& app, Options& options) {
  app.add_flag(
      "--explain-attach", options.explain_attach,
      "print what would be hooked, and why the rest would not, and exit; needs no privilege");
  app.add_option("--btf", options.btf, "with --explain-attach: the BTF of another kernel")
      ->check(CLI::ExistingFile);
  app.add_option("--symbols", options.symbols,
                 "with --btf: that kernel's symbol names (kallsyms or System.map)")
      ->check(CLI::ExistingFile);
}

// Not CLI11's own option for it, which would open whatever is at the path.
void add_config_file(CLI::App& app, Options& options) {
  app.add_option("--config", options.config_file,
                 "read options from this file: NAME = VALUE lines");
  app.add_flag(
      "--check-config", options.check_config,
      "check all options and the files that they name, print OK or what is wrong, and exit");
}

void check_together(const Options& options) {
  if (!options.btf.empty() && !options.explain_attach)
    throw CLI::ValidationError("--btf", "goes with --explain-attach only");
  if (!options.symbols.empty() && options.btf.empty())
    throw CLI::ValidationError("--symbols", "goes with --btf only");
  if (options.listen.empty()) return;
  if (options.tls_cert.empty() || options.tls_key.empty())
    throw CLI::ValidationError("--listen",
                               "needs --tls-cert and --tls-key: TCP is never served "
                               "without TLS");
  if (options.tls_client_ca.empty() == !options.tls_no_client_auth)
    throw CLI::ValidationError("--listen", "needs either --tls-client-ca or --tls-no-client-auth");
}

// What can be learnt from a command line before CLI11 parses it.
struct CommandLine {
  std::set<std::string> given;  // options, with their "--"
  std::string config;           // the value of --config
  std::vector<std::string> problems;
};

// CLI11 takes "--x= NEXT" for "--x NEXT", and reports only the first of several problems.
CommandLine look_at(const CLI::App& app, const std::vector<std::string>& arguments) {
  CommandLine line;
  for (size_t at = 0; at < arguments.size() && arguments[at] != "--"; ++at) {
    if (!arguments[at].starts_with("--")) continue;
    const size_t equals = arguments[at].find('=');
    const std::string name = arguments[at].substr(0, equals);
    const CLI::Option* option = app.get_option_no_throw(name);
    if (option == nullptr) continue;  // CLI11 reports it
    if (!line.given.insert(name).second && option->get_items_expected_max() <= 1)
      line.problems.push_back(name + " is given twice: remove one");
    const bool apart = equals == std::string::npos && option->get_items_expected_min() > 0;
    const bool has_next = at + 1 < arguments.size();
    const std::string value = equals != std::string::npos ? arguments[at].substr(equals + 1)
                              : apart && has_next         ? arguments[at + 1]
                                                          : "";
    if (value.empty() && (equals != std::string::npos || (apart && has_next)))
      line.problems.push_back(name + " has no value: give one, or leave the option out");
    if (name == "--config") line.config = value;
  }
  return line;
}

// Adds the file's options to `arguments`; problems with it go to `line`.
ConfigFile read_config_file(const CLI::App& app, CommandLine& line,
                            std::vector<std::string>& arguments) {
  const auto text = base::read_named_file(line.config, base::Secrecy::kPublic);
  if (!text.ok()) {
    line.problems.push_back("--config " + std::string(text.status().message()));
    return {};
  }
  ConfigFile file = parse_config_file(app, *text, line.config, line.given);
  for (const std::string& problem : file.problems) line.problems.push_back("--config " + problem);
  arguments.insert(arguments.begin(), file.arguments.begin(), file.arguments.end());
  return file;
}

// Adds the line of the file, if the error is about an option that comes from there.
std::string what_to_say(const CLI::ParseError& error, const ConfigFile& file,
                        const CommandLine& line) {
  const std::string what = error.what();
  const std::string option = what.substr(0, what.find_first_of(": "));
  const auto found = file.lines.find(option);
  const bool from_file = found != file.lines.end() && !line.given.contains(option);
  const std::string place =
      from_file ? " (" + line.config + ", line " + std::to_string(found->second) + ")" : "";
  return what + place + "; see swaptraild --help";
}

base::ExitCode refuse(const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) base::log_always(problem);
  return base::kExitUsage;
}

// Completes what depends on more than one option, or on how it was written.
void complete(const CLI::App& app, Options& options) {
  const bool total_given = app.get_option("--record-total")->count() > 0;
  if (!options.flight_dir.empty() && !total_given) options.total_mib = 64;
  if (options.mode_word != "auto") options.mode = *probe::parse_mode(options.mode_word);
  for (std::string* text : {&options.socket_group, &options.web_listen})
    if (*text == "none") text->clear();
}

}  // namespace

std::string socket_path(const Options& options) {
  return options.socket.empty() ? options.run_dir + "/api.sock" : options.socket;
}

void define_options(CLI::App& app, Options& options) {
  app.description("Watches the kernel swap pages out and reports the whole trail of each.");
  app.set_version_flag("--version", "swaptraild " SWAPTRAIL_VERSION);
  app.footer(kFooter);
  add_observation(app, options);
  add_printing(app, options);
  add_recording(app, options);
  add_serving(app, options);
  add_web(app, options);
  add_explaining(app, options);
  add_config_file(app, options);
}

std::variant<Options, base::ExitCode> parse_options(int argc, char** argv) {
  Options options;
  CLI::App app;
  define_options(app, options);
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  CommandLine line = look_at(app, arguments);
  ConfigFile file;
  if (!line.config.empty()) file = read_config_file(app, line, arguments);
  if (!line.problems.empty()) return refuse(line.problems);
  try {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    app.parse(std::move(arguments));
    check_together(options);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      std::ostringstream text;
      app.exit(error, text, text);
      const absl::Status printed = base::print_whole(text.str());
      return printed.ok() ? base::kExitOk
                          : (refuse({std::string(printed.message())}), base::kExitFailure);
    }
    return refuse({what_to_say(error, file, line)});
  }
  complete(app, options);
  return options;
}

}  // namespace swaptrail::options
