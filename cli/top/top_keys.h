// The keys of `swaptrail top`, and what they change. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "cli/top/top_rounds.h"

namespace swaptrail::top {

enum class Pivot : uint8_t { kProcess, kCgroup, kDevice, kOrigin, kReclaimer, kCount };

v1::CounterGroup group_of(Pivot pivot);
std::string_view pivot_name(Pivot pivot);  // "process"
// The first option of the filter that counts by this pivot can't answer, such as "--outcome"; empty:
// there is none.
std::string_view unanswerable(const v1::LifecycleFilter& filter, Pivot pivot);
std::string_view sort_name(SortBy sort);  // "rate"

struct TopState {
  Pivot pivot = Pivot::kProcess;
  SortBy sort = SortBy::kRate;
  absl::Duration interval = absl::Seconds(2);
  bool paused = false;
  bool quit = false;
  size_t first_row = 0;  // of those on the screen
};

enum class Key : uint8_t {
  kPivot,
  kSortRate,
  kSortWait,
  kSortRegret,
  kSlower,
  kFaster,
  kPause,
  kQuit,
  kUp,
  kDown,
  kPageUp,
  kPageDown,
};

// Turns bytes of a terminal into keys; bytes that are no key are dropped. An escape sequence may
// arrive in pieces.
class KeyReader {
 public:
  std::vector<Key> read(std::string_view bytes);

 private:
  std::string begun_;  // of an escape sequence
};

void next_pivot(TopState& state);
// `rows`: how many there are; `visible`: how many fit on the screen. True: another pivot was
// chosen, so the rows shown are of no use.
bool press(Key key, size_t rows, size_t visible, TopState& state);

}  // namespace swaptrail::top
