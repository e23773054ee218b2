#include "daemon/options.h"

#include <CLI/CLI.hpp>

#include <bit>
#include <cstdio>
#include <map>

#include "daemon/attach_plan.h"
#include "trace/decode.h"

namespace swaptrail {
namespace {

constexpr const char* kFooter = R"(Exit codes:
  0  stopped by SIGINT or SIGTERM, or the answer was printed
  1  something broke while running
  2  bad flag, or a file that can't be used
  3  no permission to load BPF programs
  4  no BTF, or no mode that this kernel permits
  5  another swaptraild is running
  6  no swap area is on
  7  no memory for a ring or a table

Examples:
  swaptraild                             follow every page on its way to swap
  swaptraild --print=jsonl --pid=4711    one process, for a tool
  swaptraild --explain-attach            what this kernel lets swaptraild see
)";

std::map<std::string, Outcome> outcome_names() {
  std::map<std::string, Outcome> names;
  for (int i = 0; i < static_cast<int>(Outcome::kCount); i++)
    names.emplace(outcome_name(static_cast<Outcome>(i)), static_cast<Outcome>(i));
  return names;
}

std::string check_power_of_two(const std::string& text) {
  size_t value = 0;
  if (!CLI::detail::lexical_cast(text, value) || value == 0 || value > 1024 ||
      !std::has_single_bit(value))
    return "must be a power of two from 1 to 1024 (MiB)";
  return {};
}

}  // namespace

std::variant<Options, ExitCode> parse_options(int argc, char** argv) {
  Options options;
  std::string mode = "auto";
  CLI::App app{"Watches the kernel swap pages out and tells the whole trail of each."};
  app.set_version_flag("--version", "swaptraild " SWAPTRAIL_VERSION);
  app.footer(kFooter);
  app.add_option("--print", options.print, "what goes to standard output: text, jsonl or none")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, PrintFormat>{{"text", PrintFormat::kText},
                                             {"jsonl", PrintFormat::kJsonl},
                                             {"none", PrintFormat::kNone}}));
  app.add_option("--mode", mode, "how to hook the kernel: auto, full, kprobe or tracepoint")
      ->check(CLI::IsMember({"auto", "full", "kprobe", "tracepoint"}));
  app.add_option("--ring-size", options.ring_mib, "MiB of ring buffer for each CPU [8]")
      ->check(CLI::Validator(check_power_of_two, "POWER_OF_TWO"));
  app.add_option("--max-folios", options.max_folios, "folios followed at the same time [1048576]")
      ->check(CLI::Range(size_t{1024}, size_t{1} << 24));
  app.add_option("--pid", options.pids, "print only pages of these processes");
  app.add_option("--cgroup", options.cgroup,
                 "print only pages charged to this cgroup or below, e.g. /system.slice");
  app.add_option("--outcome", options.outcomes, "print only lifecycles with these outcomes")
      ->transform(CLI::CheckedTransformer(outcome_names()));
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
  CLI::Option* total =
      app.add_option("--record-total", options.total_mib,
                     "MiB of all files, or of memory with --flight; the oldest go [1024, 64]")
          ->check(CLI::Range(8, 1 << 20));
  app.add_flag("--validate{16}", options.validate,
               "hold one folio in N against a model of the kernel, 16 without N; tell what differs")
      ->check(CLI::Range(1, 1 << 20));
  app.add_flag("--allow-no-swap", options.allow_no_swap,
               "start although no swap area is on, and wait for one");
  app.add_option("--run-dir", options.run_dir, "where the lock is [/run/swaptrail]");
  app.add_flag(
      "--explain-attach", options.explain_attach,
      "print what would be hooked, and why the rest would not, and exit; needs no privilege");
  app.add_option("--btf", options.btf, "with --explain-attach: the BTF of another kernel")
      ->check(CLI::ExistingFile);
  app.add_option("--symbols", options.symbols,
                 "with --btf: that kernel's symbol names (kallsyms or System.map)")
      ->check(CLI::ExistingFile);
  try {
    app.parse(argc, argv);
    if (!options.btf.empty() && !options.explain_attach)
      throw CLI::ValidationError("--btf", "goes with --explain-attach only");
    if (!options.symbols.empty() && options.btf.empty())
      throw CLI::ValidationError("--symbols", "goes with --btf only");
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);
      return kExitOk;
    }
    std::fprintf(stderr, "swaptraild: %s; see swaptraild --help\n", error.what());
    return kExitUsage;
  }
  if (!options.flight_dir.empty() && total->count() == 0) options.total_mib = 64;
  if (mode != "auto") options.mode = *parse_mode(mode);
  return options;
}

}  // namespace swaptrail
