#include "daemon/start_checks.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/descriptor.h"
#include "daemon/base/folders.h"
#include "daemon/host/privileges.h"
#include "daemon/http/listener.h"
#include "daemon/http/server.h"
#include "daemon/listen/listen.h"
#include "daemon/listen/tls.h"
#include "daemon/listen/unix_socket.h"
#include "daemon/record/flight_triggers.h"
#include "daemon/serving_options.h"

namespace swaptrail::daemon {
namespace {

class Checks {
 public:
  explicit Checks(const options::Options& options) : options_(options) {}

  StartProblems all() {
    folders();
    flight_pressure();
    sampling();
    counting();
    cgroup();
    groups();
    api();
    metrics();
    limits();
    return std::move(problems_);
  }

 private:
  // Statuses about files and options begin with their subject, so only the option must be added.
  void note(const char* option, const absl::Status& status) {
    if (!status.ok()) wrong(option, std::string(status.message()));
  }
  void wrong(const char* option, const std::string& what) {
    problems_.wrong.push_back(absl::StrCat(option, " ", what));
  }

  void folders() {
    const bool absolute = options_.run_dir.starts_with('/');
    if (!absolute)
      wrong("--run-dir", absl::StrCat("'", options_.run_dir, "': give a path that begins with /"));
    else
      note("--run-dir", base::check_folder(options_.run_dir));
    if (!options_.record_dir.empty()) note("--record", base::check_folder(options_.record_dir));
    if (!options_.flight_dir.empty()) note("--flight", base::check_folder(options_.flight_dir));
    if (options_.socket.empty() && !absolute) return;
    const std::string socket = options::socket_path(options_);
    const char* const named = options_.socket.empty() ? "--run-dir" : "--socket";
    if (absl::Status status = listen::check_socket_path(socket); !status.ok())
      note(named, status);
    else if (!options_.socket.empty())
      note(named, base::check_folder(socket.substr(0, socket.rfind('/') + 1)));
  }

  // The kernel knows best. A process that may not ask it finds only texts that are no threshold
  // at all.
  void flight_pressure() {
    if (options_.flight_pressure.empty()) return;
    if (absl::Status status = record::check_pressure(options_.flight_pressure); !status.ok())
      return note("--flight-pressure", status);
    record::FlightTriggers triggers;
    const absl::Status status = triggers.watch_pressure(options_.flight_pressure);
    if (absl::IsPermissionDenied(status) && geteuid() != 0) return;
    note("--flight-pressure", status);
  }

  void sampling() {
    if (!options_.may_sample()) return;
    if (options_.validate != 0)
      wrong("--validate", "compares every step of a kernel: not with --sample or --cpu-limit");
    if (options_.mode == probe::Mode::kTracepoint)
      wrong("--mode", "tracepoint can't sample: not with --sample or --cpu-limit");
  }

  void counting() {
    if (!options_.counts_only) return;
    const bool prints_pages = options_.print == report::PrintFormat::kText ||
                              options_.print == report::PrintFormat::kJsonl;
    const std::tuple<bool, const char*, const char*> needs_pages[] = {
        {options_.validate != 0, "--validate", "compares the steps of each page"},
        {!options_.record_dir.empty(), "--record", "writes down what happens to each page"},
        {!options_.flight_dir.empty(), "--flight", "keeps what happens to each page"},
        {options_.sample > 1, "--sample", "chooses pages to follow"},
        {options_.cpu_limit != 0, "--cpu-limit", "chooses pages to follow"},
        {options_.enable_pageout, "--enable-pageout", "tells what became of each page"},
        {prints_pages, "--print", "text or jsonl has a line for each page"},
        {options_.mode == probe::Mode::kTracepoint, "--mode", "tracepoint can't count by cgroup"}};
    for (const auto& [is_given, option, why] : needs_pages)
      if (is_given) wrong(option, absl::StrCat(why, ": not with --detail=counters"));
  }

  void cgroup() {
    const std::string& path = options_.cgroup;
    if (path.empty()) return;
    const std::vector<std::string> parts = absl::StrSplit(path, '/');
    bool is_path = path.starts_with('/');
    for (const std::string& part : parts) is_path &= part != ".." && part != ".";
    if (!is_path)
      wrong("--cgroup", absl::StrCat("'", path, "': give its path from the root of all cgroups, ",
                                     "such as /system.slice"));
  }

  // A missing socket group is only a warning of the listener: root can still ask.
  void groups() {
    if (options_.control_group.empty()) return;
    const auto group = listen::group_id(options_.control_group);
    if (absl::IsNotFound(group.status()))
      return wrong("--control-group",
                   absl::StrCat(group.status().message(),
                                ": make it with groupadd --system, or give another"));
    note("--control-group", group.status());
  }

  void api() {
    if (options_.listen.empty()) return;
    address("--listen", options_.listen);
    const absl::Status tls = listen::tls_context(listen_options(options_)).status();
    if (!tls.ok()) problems_.wrong.emplace_back(tls.message());  // it names its option
  }

  void metrics() {
    if (options_.web_listen.empty()) return;
    address("--web.listen-address", options_.web_listen);
    note(options_.web_config.empty() ? "--web.telemetry-path" : "--web.config.file",
         http::HttpServer::check(http_options(options_)));
  }

  // Binds it and closes it at once.
  void address(const char* option, const std::string& text) {
    const auto listener = http::listen_on(text);
    if (listener.ok()) {
      const base::Descriptor closed(listener->socket);
      return;
    }
    if (absl::IsInvalidArgument(listener.status())) return note(option, listener.status());
    problems_.for_now.push_back(absl::StrCat(option, " ", listener.status().message()));
  }

  void limits() {
    limit(RLIMIT_NOFILE, "open files", host::descriptors_needed(),
          "RLIMIT_NOFILE (ulimit -n; LimitNOFILE= of the service)");
    limit(RLIMIT_AS, "bytes of address space", address_space_needed(),
          "RLIMIT_AS (ulimit -v; LimitAS= of the service)");
  }

  // Stacks and heaps of threads take far more address space than memory.
  uint64_t address_space_needed() const {
    constexpr uint64_t kThreadsAndLibraries = uint64_t{2} << 30, kFolio = 700, kSlot = 32;
    const auto cpus = static_cast<uint64_t>(std::max(sysconf(_SC_NPROCESSORS_CONF), 1L));
    return kThreadsAndLibraries + (uint64_t{options_.store_mib} << 20) +
           (cpus * options_.ring_mib << 21) + options_.max_folios * kFolio +
           options_.max_slots * kSlot;
  }

  void limit(__rlimit_resource resource, const char* what, uint64_t needed, const char* how) {
    rlimit most{};
    if (getrlimit(resource, &most) != 0 || most.rlim_max >= needed) return;
    problems_.wrong.push_back(absl::StrCat("at most ", most.rlim_max, " ", what,
                                           " are allowed, and ", needed, " may be needed: raise ",
                                           how));
  }

  const options::Options& options_;
  StartProblems problems_;
};

}  // namespace

StartProblems problems_at_start(const options::Options& options) { return Checks(options).all(); }

}  // namespace swaptrail::daemon
