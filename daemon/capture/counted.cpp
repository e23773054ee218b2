#include "daemon/capture/counted.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace swaptrail::capture {
namespace {

// By way, the busiest first.
bool comes_before(const CountedRow& a, const CountedRow& b) {
  const auto order = [](const CountedRow& row) {
    return std::tuple(row.key.way, ~row.counts.operations, row.key.cgroup, row.key.origin,
                      row.key.backend);
  };
  return order(a) < order(b);
}

absl::Status cannot_read(int error) {
  return absl::InternalError(absl::StrCat("can't read what was counted: ", std::strerror(-error)));
}

}  // namespace

std::string_view way_name(uint8_t way) { return way == SWAPTRAIL_WAY_OUT ? "out" : "in"; }

bool is_nothing(const swaptrail_counted& counts) {
  return counts.operations == 0 && counts.wait_ns == 0;
}

void add_counted(const swaptrail_counted& other, swaptrail_counted& sum) {
  sum.operations += other.operations;
  sum.pages += other.pages;
  sum.failed += other.failed;
  sum.wait_ns += other.wait_ns;
  sum.major += other.major;
  for (size_t place = 0; place < std::size(sum.times); ++place)
    sum.times[place] += other.times[place];
}

absl::StatusOr<std::vector<CountedRow>> read_counted(int counted, int beyond, size_t cpus) {
  constexpr uint32_t kAtOnce = 64;
  std::vector<CountedRow> rows;
  std::vector<swaptrail_counted_key> keys(kAtOnce);
  std::vector<swaptrail_counted> values(kAtOnce * cpus);
  const auto add_row = [&](const swaptrail_counted_key& key, const swaptrail_counted* by_cpu) {
    CountedRow& row = rows.emplace_back(CountedRow{.key = key});
    for (size_t cpu = 0; cpu < cpus; ++cpu) add_counted(by_cpu[cpu], row.counts);
  };

  uint32_t place = 0;  // the kernel's, from one call to the next
  for (bool first = true, more = true; more; first = false) {
    uint32_t count = kAtOnce;
    const int error = bpf_map_lookup_batch(counted, first ? nullptr : &place, &place, keys.data(),
                                           values.data(), &count, nullptr);
    more = error == 0;
    if (!more && error != -ENOENT) return cannot_read(error);
    for (uint32_t at = 0; at < count; ++at) add_row(keys[at], &values[at * cpus]);
  }
  std::sort(rows.begin(), rows.end(), comes_before);
  for (uint32_t way = 0; way < SWAPTRAIL_WAYS; ++way) {
    if (int error = bpf_map_lookup_elem(beyond, &way, values.data()); error != 0)
      return cannot_read(error);
    swaptrail_counted_key key{};
    key.way = static_cast<uint8_t>(way);
    add_row(key, values.data());
    rows.back().beyond = true;
    if (is_nothing(rows.back().counts)) rows.pop_back();
  }
  return rows;
}

}  // namespace swaptrail::capture
