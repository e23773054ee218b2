#include "cli/top/top_keys.h"

#include <algorithm>
#include <iterator>

namespace swaptrail::top {
namespace {

struct PivotRow {
  std::string_view name;
  v1::CounterGroup group;
};
constexpr PivotRow kPivots[] = {
    {"process", v1::COUNTER_GROUP_PROCESS},     {"cgroup", v1::COUNTER_GROUP_CGROUP},
    {"device", v1::COUNTER_GROUP_DEVICE},       {"origin", v1::COUNTER_GROUP_ORIGIN},
    {"reclaimer", v1::COUNTER_GROUP_RECLAIMER},
};
static_assert(std::size(kPivots) == static_cast<size_t>(Pivot::kCount));

// Options of the filter, and the pivots that count by their values.
struct OptionRow {
  std::string_view name;
  bool (*is_given)(const v1::LifecycleFilter&);
  std::vector<Pivot> pivots;
};
using Filter = v1::LifecycleFilter;
const OptionRow kOptions[] = {
    {"--pid",
     [](const Filter& filter) { return filter.pids_size() != 0; },
     {Pivot::kProcess, Pivot::kReclaimer}},
    {"--comm",
     [](const Filter& filter) { return filter.comms_size() != 0; },
     {Pivot::kProcess, Pivot::kReclaimer}},
    {"--cgroup",
     [](const Filter& filter) { return !filter.cgroup().empty(); },
     {Pivot::kProcess, Pivot::kCgroup}},
    {"--area", [](const Filter& filter) { return filter.areas_size() != 0; }, {Pivot::kDevice}},
    {"--origin", [](const Filter& filter) { return filter.origins_size() != 0; }, {Pivot::kOrigin}},
    {"--outcome", [](const Filter& filter) { return filter.outcomes_size() != 0; }, {}},
    {"--slower-than", [](const Filter& filter) { return filter.has_slower_than(); }, {}},
    {"--since", [](const Filter& filter) { return filter.has_since(); }, {}},
    {"--until", [](const Filter& filter) { return filter.has_until(); }, {}},
    {"--regretted", [](const Filter& filter) { return filter.regretted(); }, {}},
    {"--incomplete", [](const Filter& filter) { return filter.incomplete(); }, {}},
};

constexpr std::string_view kSorts[] = {"rate", "wait", "regret"};

struct KeyName {
  std::string_view bytes;
  Key key;
};
constexpr KeyName kKeys[] = {
    {"p", Key::kPivot},          {"r", Key::kSortRate},  {"w", Key::kSortWait},
    {"g", Key::kSortRegret},     {"+", Key::kSlower},    {"-", Key::kFaster},
    {" ", Key::kPause},          {"q", Key::kQuit},      {"k", Key::kUp},
    {"j", Key::kDown},           {"\x1b[A", Key::kUp},   {"\x1b[B", Key::kDown},
    {"\x1bOA", Key::kUp},        {"\x1bOB", Key::kDown}, {"\x1b[5~", Key::kPageUp},
    {"\x1b[6~", Key::kPageDown},
};

// '+' and '-' step through these.
const absl::Duration kIntervals[] = {
    absl::Milliseconds(250), absl::Milliseconds(500), absl::Seconds(1),  absl::Seconds(2),
    absl::Seconds(5),        absl::Seconds(10),       absl::Seconds(30), absl::Seconds(60)};

// ESC alone, ESC [ or ESC O with a first byte to come, or with parameters and no final byte yet.
bool is_complete(std::string_view sequence) {
  if (sequence[0] != '\x1b') return true;
  if (sequence.size() < 2) return false;
  if (sequence[1] != '[' && sequence[1] != 'O') return true;
  return sequence.size() > 2 && sequence.back() >= 0x40 && sequence.back() <= 0x7e;
}

void scroll(int64_t by, size_t rows, size_t visible, TopState& state) {
  const int64_t last = rows > visible ? static_cast<int64_t>(rows - visible) : 0;
  const int64_t wanted = static_cast<int64_t>(state.first_row) + by;
  state.first_row = static_cast<size_t>(std::clamp<int64_t>(wanted, 0, last));
}

void change_interval(bool longer, TopState& state) {
  const auto begin = std::begin(kIntervals), end = std::end(kIntervals);
  if (longer) {
    const auto next = std::upper_bound(begin, end, state.interval);
    if (next != end) state.interval = *next;
  } else {
    const auto same = std::lower_bound(begin, end, state.interval);
    if (same != begin) state.interval = *std::prev(same);
  }
}

}  // namespace

v1::CounterGroup group_of(Pivot pivot) { return kPivots[static_cast<size_t>(pivot)].group; }
std::string_view pivot_name(Pivot pivot) { return kPivots[static_cast<size_t>(pivot)].name; }
std::string_view sort_name(SortBy sort) { return kSorts[static_cast<size_t>(sort)]; }

std::string_view unanswerable(const v1::LifecycleFilter& filter, Pivot pivot) {
  for (const OptionRow& option : kOptions) {
    const bool counted = std::ranges::find(option.pivots, pivot) != option.pivots.end();
    if (option.is_given(filter) && !counted) return option.name;
  }
  return {};
}

std::vector<Key> KeyReader::read(std::string_view bytes) {
  constexpr size_t kLongest = 16;  // no key is longer; a longer sequence is dropped
  std::vector<Key> keys;
  for (const char byte : bytes) {
    if (byte == '\x1b') begun_.clear();
    begun_.push_back(byte);
    if (!is_complete(begun_) && begun_.size() < kLongest) continue;
    for (const KeyName& row : kKeys)
      if (row.bytes == begun_) keys.push_back(row.key);
    begun_.clear();
  }
  return keys;
}

void next_pivot(TopState& state) {
  state.pivot = static_cast<Pivot>((static_cast<size_t>(state.pivot) + 1) %
                                   static_cast<size_t>(Pivot::kCount));
}

bool press(Key key, size_t rows, size_t visible, TopState& state) {
  const auto page = static_cast<int64_t>(visible);
  switch (key) {
    case Key::kPivot:
      next_pivot(state);
      state.first_row = 0;
      return true;
    case Key::kSortRate:
    case Key::kSortWait:
    case Key::kSortRegret:
      state.sort =
          static_cast<SortBy>(static_cast<size_t>(key) - static_cast<size_t>(Key::kSortRate));
      break;
    case Key::kSlower:
    case Key::kFaster:
      change_interval(key == Key::kSlower, state);
      break;
    case Key::kPause:
      state.paused = !state.paused;
      break;
    case Key::kQuit:
      state.quit = true;
      break;
    case Key::kUp:
    case Key::kDown:
      scroll(key == Key::kUp ? -1 : 1, rows, visible, state);
      break;
    case Key::kPageUp:
    case Key::kPageDown:
      scroll(key == Key::kPageUp ? -page : page, rows, visible, state);
      break;
  }
  return false;
}

}  // namespace swaptrail::top
