// Small streams, as the hooks of Linux make them, and what the lockstep says of them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/lockstep/lockstep.h"
#include "trace/decode.h"
#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::engine {

inline constexpr uint16_t kAnon = SWAPTRAIL_STATE_ANON | SWAPTRAIL_STATE_SWAPBACKED;
inline constexpr uint16_t kCached = kAnon | SWAPTRAIL_STATE_SWAPCACHE;
inline constexpr uint16_t kDirty = SWAPTRAIL_STATE_DIRTY;
inline constexpr uint16_t kWriteback = SWAPTRAIL_STATE_WRITEBACK;

struct Page {
  uint64_t folio = 0xffffea0000010000;
  uint64_t entry = make_entry(0, 512);
  uint16_t nr_pages = 1;
};

// A stream as the hooks of Linux 6.12 make it; the helpers add what the kernel does.
class Story {
 public:
  std::vector<swaptrail_event> events;
  std::vector<uint64_t> sequences;
  uint64_t now = 1'000'000'000;
  uint32_t tid = 7;
  uint16_t cpu = 0;
  uint64_t batch_ns = 0;
  uint32_t event_abi = SWAPTRAIL_ABI_VERSION;

  swaptrail_event& add(uint8_t kind, const Page& page, uint16_t state, int32_t result = 0) {
    swaptrail_event event{};
    event.time_ns = now += 1000;
    event.folio = page.folio;
    event.entry = page.entry;
    event.nr_pages = page.nr_pages;
    event.state = state;
    event.kind = kind;
    event.result = result;
    event.cpu = cpu;
    event.tid = event.tgid = tid;
    event.batch_ns = batch_ns;
    event.origin = batch_ns != 0 ? uint8_t{SWAPTRAIL_ORIGIN_DIRECT} : uint8_t{0};
    sequences.push_back(next_[cpu]++);
    events.push_back(event);
    return events.back();
  }
  void begin() {
    batch_ns = now + 500;
    swaptrail_event& event = add(SWAPTRAIL_RECLAIM_BEGIN, {0, 0, 0}, 0);
    event.u.begin.gfp = 0xc0;
    event.u.begin.may_writepage = event.u.begin.may_unmap = event.u.begin.may_swap = 1;
  }
  void end(int32_t reclaimed) {
    add(SWAPTRAIL_RECLAIM_END, {0, 0, 0}, 0, reclaimed).u.end.nr_scanned = 4096;
    batch_ns = 0;
  }
  void slot(const Page& page) { add(SWAPTRAIL_SLOT_ALLOCATED, page, kCached | kDirty); }
  void unmap(const Page& page, uint16_t more = kDirty) {
    swaptrail_event& one = add(SWAPTRAIL_UNMAPPED_ONE, page, kCached | more, 1);
    one.u.map.owner = 100;
    one.u.map.address = 0x7f0000000000 + entry_offset(page.entry) * 4096;
    one.u.map.ptes = page.nr_pages;
    add(SWAPTRAIL_UNMAPPED, page, kCached | more);
  }
  void write(const Page& page, bool done) {
    add(SWAPTRAIL_WRITE_BEGIN, page, kCached);
    add(SWAPTRAIL_WRITE_ISSUED, page, kCached);
    if (done) completed(page);
    add(SWAPTRAIL_WRITE_END, page, done ? kCached : kCached | kWriteback).u.page.backend =
        SWAPTRAIL_BACKEND_DEVICE;
  }
  void completed(const Page& page, uint16_t more = 0) {
    const uint64_t saved = std::exchange(batch_ns, 0);
    add(SWAPTRAIL_WRITE_COMPLETED, page, kCached | kWriteback | more);
    batch_ns = saved;
  }
  void removed(const Page& page) { add(SWAPTRAIL_REMOVED, page, kAnon, 1); }
  void out(const Page& page) {
    slot(page);
    unmap(page);
    write(page, true);
    removed(page);
  }
  void freed(const Page& page) { add(SWAPTRAIL_SLOT_FREED, {0, page.entry, page.nr_pages}, 0); }
  swaptrail_event& fault(const Page& page, uint64_t took_ns, uint32_t owner = 100) {
    swaptrail_event& event = add(SWAPTRAIL_SWAP_IN, {0, page.entry, 1}, 0);
    event.u.map.owner = owner;
    event.u.map.address = 0x7f0000000000 + entry_offset(page.entry) * 4096;
    event.u.map.value = took_ns;
    event.u.map.ptes = 1;
    return event;
  }

 private:
  std::array<uint64_t, 4> next_{};
};

class KeptFindings : public FindingSink, public lifecycles::LifecycleSink {
 public:
  void on_finding(const Finding& finding) override { findings.push_back(finding); }
  void on_lifecycle(const Lifecycle& lifecycle) override { told.emplace_back(lifecycle); }
  void on_return(const Return& back) override { told.emplace_back(back); }
  void on_stay(const Stay& stay) override { told.emplace_back(stay); }
  void on_violation(const Violation&) override {}
  void on_loss(const Loss&) override {}

  std::vector<Finding> findings;
  std::vector<std::variant<Lifecycle, Return, Stay>> told;
};

struct Validated {
  std::vector<Finding> findings;
  LockstepCounters counters;

  std::string rules() const {
    std::string names;
    for (const Finding& one : findings) {
      names += (names.empty() ? "" : " ") + std::string(rule_text(one.rule).name);
    }
    return names;
  }
};

// What trace/ made of the stream, passed to the lockstep with changes: `change` may suppress it
// (false), or alter it.
struct Changes {
  std::function<bool(Return&)> back = {};
  std::function<bool(Stay&)> stay = {};
  size_t times = 1;  // each return
};

inline void hand_on(KeptFindings& kept, Lockstep& lockstep, const Changes& changes) {
  for (auto& one : std::exchange(kept.told, {})) {
    if (const auto* lifecycle = std::get_if<Lifecycle>(&one)) lockstep.on_lifecycle(*lifecycle);
    if (auto* back = std::get_if<Return>(&one)) {
      if (changes.back && !changes.back(*back)) continue;
      for (size_t i = 0; i < changes.times; ++i) lockstep.on_return(*back);
    }
    if (auto* stay = std::get_if<Stay>(&one)) {
      if (!changes.stay || changes.stay(*stay)) lockstep.on_stay(*stay);
    }
  }
}

inline Validated validate(
    const Story& story, std::string_view kernel = "6.12",
    const std::function<void(Lockstep&, lifecycles::Reconstructor&, size_t)>& before = {},
    const Changes& changes = {}, uint32_t sample = 1) {
  KeptFindings kept;
  LockstepOptions options;
  options.sample = sample;
  options.features = *features_named(kernel);
  options.cpus = 2;
  options.event_abi = story.event_abi;
  Lockstep lockstep(options, kept);
  lifecycles::ReconstructorOptions reconstruction;
  reconstruction.event_abi = story.event_abi;
  lifecycles::Reconstructor reconstructor(reconstruction, kept);
  Area area;
  area.pages = 100'000;
  lockstep.on_area(area, 1000);  // empty when we began to look
  const auto pass_on = [&] { hand_on(kept, lockstep, changes); };
  for (size_t i = 0; i < story.events.size(); ++i) {
    if (before) before(lockstep, reconstructor, i);
    reconstructor.on_event(story.events[i], story.sequences[i]);
    lockstep.on_event(story.events[i], story.sequences[i]);
    pass_on();
  }
  reconstructor.finish(story.now + 1);
  pass_on();
  lockstep.finish(story.now + 1);
  return {kept.findings, lockstep.counters()};
}

}  // namespace swaptrail::engine
