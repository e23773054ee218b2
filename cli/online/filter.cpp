#include "cli/online/filter.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/online/quantities.h"
#include "cli/online/words.h"

namespace swaptrail::online {
namespace {

constexpr const char* kFilterGroup = "Which lifecycles";

absl::Status of_option(const char* option, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat(option, ": ", status.message()));
}

absl::Status set_bound(const std::string& text, v1::LifecycleFilter& filter) {
  const size_t colon = text.find(':');
  const auto span = value_of<v1::LatencySpan>(text.substr(0, colon));
  if (!span || colon == std::string::npos)
    return absl::InvalidArgumentError(
        absl::StrCat("--slower-than: '", text, "' is not SPAN:DURATION, where SPAN is one of ",
                     absl::StrJoin(words_of<v1::LatencySpan>(), ", ")));
  const auto duration = parse_duration(text.substr(colon + 1));
  if (!duration.ok()) return of_option("--slower-than", duration.status());
  filter.mutable_slower_than()->set_span(*span);
  filter.mutable_slower_than()->set_longer_than_ns(
      static_cast<uint64_t>(absl::ToInt64Nanoseconds(*duration)));
  return absl::OkStatus();
}

absl::Status set_times(const FilterOptions& options, absl::Time now, v1::LifecycleFilter& filter) {
  if (!options.since.empty()) {
    const auto since = parse_moment_ago(options.since, now);
    if (!since.ok()) return of_option("--since", since.status());
    *filter.mutable_since() = timestamp_of(*since);
  }
  if (!options.until.empty()) {
    const auto until = parse_moment_ago(options.until, now);
    if (!until.ok()) return of_option("--until", until.status());
    *filter.mutable_until() = timestamp_of(*until);
  }
  const bool both = filter.has_since() && filter.has_until();
  if (both && time_of(filter.since()) >= time_of(filter.until()))
    return absl::InvalidArgumentError("--since is not before --until");
  return absl::OkStatus();
}

}  // namespace

void add_lifecycle_filter(CLI::App& command, FilterOptions& options) {
  command.add_option("--pid", options.pids, "of these processes")
      ->delimiter(',')
      ->group(kFilterGroup);
  command.add_option("--comm", options.comms, "of processes with these names")
      ->delimiter(',')
      ->group(kFilterGroup);
  command.add_option("--cgroup", options.cgroup, "charged to this cgroup or below: /system.slice")
      ->group(kFilterGroup);
  command.add_option("--area", options.areas, "numbers of swap areas: see swaptrail areas")
      ->delimiter(',')
      ->group(kFilterGroup);
  command.add_option("--outcome", options.outcomes, "how they ended")
      ->delimiter(',')
      ->check(CLI::IsMember(words_of<v1::Outcome>()))
      ->group(kFilterGroup);
  command.add_option("--origin", options.origins, "who asked for the reclaim that began it")
      ->delimiter(',')
      ->check(CLI::IsMember(words_of<v1::Origin>()))
      ->group(kFilterGroup);
  command
      .add_option("--slower-than", options.slower_than,
                  "SPAN:DURATION, only if that span took longer: device_write:50ms; spans: " +
                      absl::StrJoin(words_of<v1::LatencySpan>(), ", "))
      ->group(kFilterGroup);
  command.add_option("--since", options.since, std::string("closed since ") + kMomentWords)
      ->group(kFilterGroup);
  command.add_option("--until", options.until, "closed before that, in the same form")
      ->group(kFilterGroup);
  command.add_flag("--regretted", options.regretted, "only those that came back too soon")
      ->group(kFilterGroup);
  command
      .add_flag("--incomplete", options.incomplete, "only those of which something was not seen")
      ->group(kFilterGroup);
}

absl::StatusOr<v1::LifecycleFilter> filter_of(const FilterOptions& options, absl::Time now) {
  v1::LifecycleFilter filter;
  filter.mutable_pids()->Assign(options.pids.begin(), options.pids.end());
  filter.mutable_comms()->Assign(options.comms.begin(), options.comms.end());
  filter.set_cgroup(options.cgroup);
  filter.mutable_areas()->Assign(options.areas.begin(), options.areas.end());
  for (const std::string& word : options.outcomes)
    filter.add_outcomes(value_of<v1::Outcome>(word).value_or(v1::OUTCOME_UNSPECIFIED));
  for (const std::string& word : options.origins)
    filter.add_origins(value_of<v1::Origin>(word).value_or(v1::ORIGIN_UNSPECIFIED));
  if (!options.slower_than.empty())
    if (absl::Status status = set_bound(options.slower_than, filter); !status.ok()) return status;
  if (absl::Status status = set_times(options, now, filter); !status.ok()) return status;
  filter.set_regretted(options.regretted);
  filter.set_incomplete(options.incomplete);
  return filter;
}

}  // namespace swaptrail::online
