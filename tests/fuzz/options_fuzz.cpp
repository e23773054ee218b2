// Any bytes as the file of --config: problems that are one line each, or arguments; and of these options within their
// bounds, or an exit code. Never an exception.
//
// Most bytes are no such file, and CLI11 takes milliseconds to define its options: they are defined anew only for
// those that are.
// To be run with -close_fd_mask=3: each refusal is reported on stderr.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <string>
#include <variant>

#include "daemon/options/config_file.h"
#include "daemon/options/options.h"
#include "tests/fuzz/fuzzed.h"

namespace swaptrail {
namespace {

using fuzz::check;

// swaptraild reads a file, so it gets one, which is in memory.
class FileInMemory {
 public:
  FileInMemory() : file_(memfd_create("swaptraild.conf", MFD_CLOEXEC)) {
    check(file_ >= 0 && fchmod(file_, 0600) == 0);
  }
  void set(std::string_view text) const {
    check(ftruncate(file_, 0) == 0);
    check(pwrite(file_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  const int file_;
};

// What the help promises.
void check_bounds(const options::Options& options) {
  check(options.ring_mib >= 1 && options.ring_mib <= 1024 && std::has_single_bit(options.ring_mib));
  check(options.max_folios >= 1024 && options.max_folios <= 1 << 24);
  check(options.validate <= 1 << 20);
  check(options.flight_minutes <= 7 * 24 * 60);
  check(options.part_mib >= 1 && options.part_mib <= 4096);
  check(options.part_age_s >= 1 && options.part_age_s <= 30 * 86400);
  check(options.total_mib >= 8 && options.total_mib <= 1 << 20);
  check(options.store_mib >= 8 && options.store_mib <= 1 << 14);
  check(options.regret_ms >= 1 && options.regret_ms <= 24 * 3600 * 1000);
  check(options.metrics_cgroups >= 1 && options.metrics_cgroups <= 10'000);
  check(options.record_dir.empty() || options.flight_dir.empty());
  check(options.listen.empty() || (!options.tls_cert.empty() && !options.tls_key.empty()));
  check(options.listen.empty() || options.tls_client_ca.empty() == options.tls_no_client_auth);
}

// What the file says, by itself.
options::ConfigFile read_alone(std::string_view text) {
  static options::Options options;
  static CLI::App app;
  static const bool defined = (options::define_options(app, options), true);
  check(defined);
  return options::parse_config_file(app, std::string(text), "swaptraild.conf", {"--store"});
}

// True: it may be options.
bool check_alone(std::string_view text) {
  const options::ConfigFile file = read_alone(text);
  check(file.problems.size() <= 20);
  for (const std::string& problem : file.problems) {
    check(problem.starts_with("swaptraild.conf") && problem.find('\n') == std::string::npos);
    check(problem.size() < 1000);
  }
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  for (const std::string& argument : file.arguments)
    check(argument.starts_with("--") && !argument.starts_with("--store=") &&
          !argument.starts_with("--config="));
  for (const auto& [option, line] : file.lines) check(line >= 1 && line <= lines);
  return file.problems.empty();
}

}  // namespace
}  // namespace swaptrail

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace swaptrail;
  static const FileInMemory file;
  if (!check_alone(fuzz::text_of(bytes, size))) return 0;
  file.set(fuzz::text_of(bytes, size));
  std::string name = "swaptraild", option = "--config=" + file.path();
  char* arguments[] = {name.data(), option.data(), nullptr};
  const auto parsed = options::parse_options(2, arguments);
  if (const options::Options* options = std::get_if<options::Options>(&parsed))
    check_bounds(*options);
  return 0;
}
