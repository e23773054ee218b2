// A free run of the engine, seen through trace/: do the lifecycles that are rebuilt from the events
// equal what really happened?
#pragma once

#include <algorithm>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "engine/machine/simulation.h"
#include "tests/scene/trace_scene.h"
#include "trace/decode.h"
#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::engine {

// Keeps every event, and gives it to a Reconstructor.
class Replay : public EventOutput {
 public:
  explicit Replay(bool keep_events = false)
      : keep_events_(keep_events), reconstructor_(lifecycles::ReconstructorOptions(), kept) {}

  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    in_order &= event.time_ns >= last_ns_;
    last_ns_ = event.time_ns;
    if (sequences_.size() <= event.cpu) sequences_.resize(event.cpu + 1);
    in_order &= sequences_[event.cpu]++ == sequence;
    valid &= is_valid_event(event);
    ++kinds[event.kind];
    if (keep_events_) events.push_back(event);
    reconstructor_.on_event(event, sequence);
  }
  void finish(uint64_t now_ns) { reconstructor_.finish(now_ns); }
  lifecycles::ReconstructorCounters counters() const { return reconstructor_.counters(); }

  Kept kept;
  std::vector<swaptrail_event> events;
  std::array<uint64_t, SWAPTRAIL_KIND_END> kinds{};
  bool in_order = true;
  bool valid = true;

 private:
  bool keep_events_;
  lifecycles::Reconstructor reconstructor_;
  uint64_t last_ns_ = 0;
  std::vector<uint64_t> sequences_;
};

// What is to be equal, as one line of text.
template <typename Story>
std::string told(const Story& story, uint32_t mappings) {
  std::ostringstream text;
  text << story.folio << " slot " << entry_type(story.entry) << ":" << entry_offset(story.entry)
       << " pages " << story.nr_pages << " " << outcome_name(story.outcome) << " backend "
       << backend_name(story.backend) << " passes " << story.passes << " mappings " << mappings
       << " stages";
  for (uint64_t at : story.stage_ns) text << " " << at;
  return text.str();
}

// Lines that only one of them has; empty: they are equal.
inline std::vector<std::string> differences(const SimulationResult& result, const Kept& kept) {
  std::vector<std::string> truth, seen, only;
  for (const TrueSwapOut& one : result.swap_outs) truth.push_back(told(one, one.mappings));
  for (const Lifecycle& one : kept.lifecycles) seen.push_back(told(one, one.mapping_count));
  std::sort(truth.begin(), truth.end());
  std::sort(seen.begin(), seen.end());
  std::set_difference(truth.begin(), truth.end(), seen.begin(), seen.end(),
                      std::back_inserter(only));
  for (std::string& line : only) line.insert(0, "machine: ");
  const size_t count = only.size();
  std::set_difference(seen.begin(), seen.end(), truth.begin(), truth.end(),
                      std::back_inserter(only));
  for (size_t i = count; i < only.size(); ++i) only[i].insert(0, "trace:   ");
  return only;
}

inline SimulatedArea simulated_area(uint32_t type, uint64_t pages, Device device) {
  SimulatedArea area;
  area.area.type = type;
  area.area.pages = pages;
  area.device = device;
  return area;
}

}  // namespace swaptrail::engine
