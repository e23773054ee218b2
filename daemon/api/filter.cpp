#include "daemon/api/filter.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "daemon/api/values.h"

namespace swaptrail::api {
namespace {

constexpr int kMostPids = 64, kMostComms = 64, kMostAreas = 32, kMostValues = 16;
constexpr size_t kCommBytes = 15, kCgroupBytes = 4096;
constexpr uint32_t kAreas = 64;  // 6 bits of an entry
constexpr size_t kMostResults = 1000;
// The range of google.protobuf.Timestamp: the years 1 to 9999.
constexpr int64_t kFirstSecond = -62'135'596'800, kLastSecond = 253'402'300'799;

absl::Status check_size(absl::string_view field, int size, int most) {
  if (size <= most) return absl::OkStatus();
  return out_of_bounds(field, absl::StrCat(size, " values"), absl::StrCat("at most ", most));
}

std::string place(absl::string_view field, int at) { return absl::StrCat(field, "[", at, "]"); }

absl::Status check_comms(const v1::LifecycleFilter& filter) {
  for (int at = 0; at < filter.comms_size(); ++at) {
    const std::string& comm = filter.comms(at);
    if (!comm.empty() && comm.size() <= kCommBytes) continue;
    return out_of_bounds(place("filter.comms", at), absl::StrCat(comm.size(), " bytes"),
                         "1 to 15 bytes: the kernel keeps no more of a name");
  }
  return absl::OkStatus();
}

absl::Status check_cgroup(const std::string& path) {
  if (path.size() > kCgroupBytes) {
    return out_of_bounds("filter.cgroup", absl::StrCat(path.size(), " bytes"),
                         "at most 4096 bytes");
  }
  if (path.empty() || path.front() == '/') return absl::OkStatus();
  return out_of_bounds("filter.cgroup", absl::StrCat("'", path.substr(0, 64), "'"),
                       "a path below the root of the hierarchy, which begins with '/'");
}

absl::Status check_sizes(const v1::LifecycleFilter& filter) {
  const absl::Status all[] = {check_size("filter.pids", filter.pids_size(), kMostPids),
                              check_size("filter.comms", filter.comms_size(), kMostComms),
                              check_size("filter.areas", filter.areas_size(), kMostAreas),
                              check_size("filter.outcomes", filter.outcomes_size(), kMostValues),
                              check_size("filter.origins", filter.origins_size(), kMostValues),
                              check_comms(filter),
                              check_cgroup(filter.cgroup())};
  for (const absl::Status& status : all) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status put_values(const v1::LifecycleFilter& filter, store::Filter& out) {
  for (int at = 0; at < filter.areas_size(); ++at) {
    if (filter.areas(at) >= kAreas) {
      return out_of_bounds(place("filter.areas", at), absl::StrCat(filter.areas(at)), "0 to 63");
    }
    out.areas.push_back(filter.areas(at));
  }
  for (int at = 0; at < filter.outcomes_size(); ++at) {
    const int value = filter.outcomes(at);
    const auto outcome = outcome_of(value);
    if (!outcome) {
      return out_of_bounds(place("filter.outcomes", at), absl::StrCat(value),
                           absl::StrCat("1 to ", static_cast<int>(v1::Outcome_MAX)));
    }
    out.outcomes.push_back(*outcome);
  }
  for (int at = 0; at < filter.origins_size(); ++at) {
    const int value = filter.origins(at);
    const auto origin = origin_of(value);
    if (!origin) {
      return out_of_bounds(place("filter.origins", at), absl::StrCat(value),
                           absl::StrCat("1 to ", static_cast<int>(v1::Origin_MAX)));
    }
    out.origins.push_back(*origin);
  }
  return absl::OkStatus();
}

absl::Status put_slower_than(const v1::LifecycleFilter& filter, store::Filter& out) {
  if (!filter.has_slower_than()) return absl::OkStatus();
  const int value = filter.slower_than().span();
  const auto span = latency_of(value);
  if (!span) {
    return out_of_bounds("filter.slower_than.span", absl::StrCat(value),
                         absl::StrCat("1 to ", static_cast<int>(v1::LatencySpan_MAX)));
  }
  out.slower_than = store::SlowerThan{*span, filter.slower_than().longer_than_ns()};
  return absl::OkStatus();
}

absl::Status check_time(absl::string_view field, const google::protobuf::Timestamp& time) {
  if (time.seconds() < kFirstSecond || time.seconds() > kLastSecond) {
    return out_of_bounds(absl::StrCat(field, ".seconds"), absl::StrCat(time.seconds()),
                         "those of the years 1 to 9999");
  }
  if (time.nanos() < 0 || time.nanos() > 999'999'999) {
    return out_of_bounds(absl::StrCat(field, ".nanos"), absl::StrCat(time.nanos()),
                         "0 to 999999999");
  }
  return absl::OkStatus();
}

bool is_before(const google::protobuf::Timestamp& a, const google::protobuf::Timestamp& b) {
  return a.seconds() != b.seconds() ? a.seconds() < b.seconds() : a.nanos() < b.nanos();
}

absl::Status put_times(const v1::LifecycleFilter& filter, const Moment& moment,
                       store::Filter& out) {
  if (filter.has_since()) {
    if (auto status = check_time("filter.since", filter.since()); !status.ok()) return status;
    out.since_ns = moment.monotonic(filter.since());
  }
  if (filter.has_until()) {
    if (auto status = check_time("filter.until", filter.until()); !status.ok()) return status;
    out.until_ns = moment.monotonic(filter.until());
  }
  if (filter.has_since() && filter.has_until() && !is_before(filter.since(), filter.until())) {
    return absl::InvalidArgumentError(
        "filter.until: not after filter.since, so nothing could be between them");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status out_of_bounds(absl::string_view field, absl::string_view value,
                           absl::string_view limit) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", value, "; allowed: ", limit));
}

absl::StatusOr<size_t> to_count(absl::string_view field, int32_t wanted, size_t usual) {
  if (wanted == 0) return usual;
  if (wanted < 0 || static_cast<size_t>(wanted) > kMostResults) {
    return out_of_bounds(field, absl::StrCat(wanted), absl::StrCat("1 to 1000, or 0 for ", usual));
  }
  return static_cast<size_t>(wanted);
}

absl::StatusOr<store::Filter> to_filter(const v1::LifecycleFilter& filter, host::Cgroups& cgroups,
                                        const Moment& moment) {
  store::Filter out;
  if (auto status = check_sizes(filter); !status.ok()) return status;
  if (auto status = put_values(filter, out); !status.ok()) return status;
  if (auto status = put_slower_than(filter, out); !status.ok()) return status;
  if (auto status = put_times(filter, moment, out); !status.ok()) return status;
  out.pids.assign(filter.pids().begin(), filter.pids().end());
  out.comms.assign(filter.comms().begin(), filter.comms().end());
  // everything is below the root, also what is charged to a cgroup that was never found
  if (!filter.cgroup().empty() && filter.cgroup().find_first_not_of('/') != std::string::npos) {
    out.cgroups = cgroups.at_or_below(filter.cgroup(), moment.now_ns());
  }
  out.regretted = filter.regretted();
  out.incomplete = filter.incomplete();
  return out;
}

}  // namespace swaptrail::api
