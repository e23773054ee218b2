// The store as a plain vector, for the tests that compare the two.
#pragma once

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "daemon/store/filter.h"
#include "tests/scene/store_scene.h"

namespace swaptrail::store {

struct Kept {
  Lifecycle life;
  std::vector<Return> returns;
};

inline constexpr uint64_t kRegret = kStoreSecond;

// The same as the store, without any of its cleverness: [sequence - 1], never evicted.
class Model {
 public:
  void add(const Lifecycle& life) { all_.push_back({life, {}}); }
  std::vector<Kept>& all() { return all_; }

  // The first that brought something back; null: there is none.
  static const Return* first(const Kept& kept) {
    for (const Return& back : kept.returns) {
      if (back.nr_pages != 0) return &back;
    }
    return nullptr;
  }
  static uint32_t pages(const Kept& kept, bool swapped_in, bool regretted) {
    uint32_t sum = 0;
    for (const Return& back : kept.returns) {
      const bool in = back.how == ReturnHow::kSwappedIn;
      const bool soon = in && back.after_ns != 0 && back.after_ns < kRegret;
      if ((in || !swapped_in) && (soon || !regretted)) sum += back.nr_pages;
    }
    return sum;
  }
  static std::optional<uint64_t> span(const Kept& kept, Latency latency) {
    constexpr std::pair<Stage, Stage> kPairs[] = {
        {Stage::kIsolated, Stage::kSlotAllocated}, {Stage::kSlotAllocated, Stage::kUnmapped},
        {Stage::kUnmapped, Stage::kWriteBegin},    {Stage::kWriteIssued, Stage::kWriteCompleted},
        {Stage::kWriteCompleted, Stage::kRemoved}, {Stage::kIsolated, Stage::kRemoved}};
    if (latency >= Latency::kFault) {
      const Return* back = first(kept);
      if (back == nullptr || back->how != ReturnHow::kSwappedIn) return {};
      const uint64_t time = latency == Latency::kFault ? back->fault_ns : back->after_ns;
      return time == 0 ? std::nullopt : std::optional(time);
    }
    if (latency == Latency::kDeviceWrite && kept.life.backend != SWAPTRAIL_BACKEND_DEVICE)
      return {};
    const auto [from, to] = kPairs[static_cast<size_t>(latency)];
    if (kept.life.at(from) == 0 || kept.life.at(to) < kept.life.at(from)) return {};
    return kept.life.at(to) - kept.life.at(from);
  }
  static bool passes(const Kept& kept, const Filter& filter);

 private:
  std::vector<Kept> all_;
};

template <typename Values, typename Value>
bool lets(const Values& values, const Value& value) {
  return values.empty() || std::ranges::find(values, value) != values.end();
}

inline bool empty(const Mapping& mapping) { return same(mapping, Mapping{}); }

// How many mappings are looked at: those behind the last that is not empty are not there.
inline size_t mappings_of(const Lifecycle& life) {
  size_t count = kMaxMappings;
  while (count > 0 && empty(life.mappings[count - 1])) --count;
  return count;
}

inline bool Model::passes(const Kept& kept, const Filter& filter) {
  const Lifecycle& life = kept.life;
  bool pid = filter.pids.empty(), comm = filter.comms.empty();
  for (size_t at = 0; at < mappings_of(life); ++at) {
    pid = pid || lets(filter.pids, life.mappings[at].tgid);
    comm = comm || lets(filter.comms, std::string(comm_text(life.mappings[at].comm)));
  }
  const bool area =
      filter.areas.empty() || (life.entry != 0 && lets(filter.areas, entry_type(life.entry)));
  const bool cgroup =
      !filter.cgroups || std::ranges::find(*filter.cgroups, life.cgroup) != filter.cgroups->end();
  const bool slower = !filter.slower_than || span(kept, filter.slower_than->span).value_or(0) >
                                                 filter.slower_than->longer_than_ns;
  return pid && comm && area && cgroup && slower && lets(filter.outcomes, life.outcome) &&
         lets(filter.origins, life.first.origin) && life.closed_ns >= filter.since_ns &&
         life.closed_ns < filter.until_ns && (!filter.regretted || pages(kept, true, true) != 0) &&
         (!filter.incomplete || !life.complete());
}

template <typename Value, typename Make>
std::vector<Value> some(std::mt19937_64& random, const Make& make) {
  std::vector<Value> out;
  if (random() % 5 != 0) return out;
  for (size_t left = 1 + random() % 3; left > 0; --left) out.push_back(make());
  return out;
}

inline Filter random_filter(std::mt19937_64& random, uint64_t now_ns) {
  constexpr const char* kComms[] = {"",    "init",   "exactly-16-bytes",
                                    "web", "nobody", "longer than sixteen bytes"};
  Filter out;
  out.pids = some<uint32_t>(random, [&] { return random() % 8; });
  out.comms = some<std::string>(random, [&] { return kComms[random() % 6]; });
  out.areas = some<uint32_t>(random, [&] { return random() % 4 == 0 ? 77 : random() % 4; });
  out.outcomes = some<Outcome>(random, [&] { return static_cast<Outcome>(random() % 7); });
  out.origins = some<uint8_t>(random, [&] { return random() % SWAPTRAIL_ORIGIN_END; });
  if (random() % 5 == 0) {
    out.cgroups.emplace();
    for (size_t left = random() % 4; left > 0; --left) out.cgroups->push_back(random() % 7);
  }
  if (random() % 4 == 0) {
    out.slower_than = SlowerThan{.span = static_cast<Latency>(random() % kLatencyCount),
                                 .longer_than_ns = random() % 3 == 0 ? kStoreSecond : 3000};
  }
  if (random() % 5 == 0) out.since_ns = now_ns - std::min(now_ns, random() % 100'000);
  if (random() % 5 == 0) out.until_ns = now_ns - std::min(now_ns, random() % 100'000);
  out.regretted = random() % 6 == 0;
  out.incomplete = random() % 6 == 0;
  return out;
}

}  // namespace swaptrail::store
