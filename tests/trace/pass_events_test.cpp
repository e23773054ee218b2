// Passes and the events of which they consist: what bpf/batch.bpf.h makes of events is done again here.
#include "trace/pass_events.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "trace/decode.h"
#include "trace/merger.h"
#include "trace/recording/file.h"
#include "trace/recording/reader.h"

namespace swaptrail {
namespace {

constexpr uint16_t kKindOfPage = SWAPTRAIL_STATE_ANON | SWAPTRAIL_STATE_KSM;

std::optional<size_t> part_of(const swaptrail_event& event) {
  switch (event.kind) {
    case SWAPTRAIL_UNMAPPED_ONE:
      return SWAPTRAIL_PART_UNMAPPED_ONE;
    case SWAPTRAIL_UNMAPPED:
      return SWAPTRAIL_PART_UNMAPPED;
    case SWAPTRAIL_WRITE_BEGIN:
      return SWAPTRAIL_PART_WRITE_BEGIN;
    case SWAPTRAIL_ZSWAP_STORED:
      return SWAPTRAIL_PART_ZSWAP_STORED;
    case SWAPTRAIL_WRITE_ISSUED:
      return SWAPTRAIL_PART_WRITE_ISSUED;
    case SWAPTRAIL_WRITE_COMPLETED:
      return SWAPTRAIL_PART_WRITE_COMPLETED;
    case SWAPTRAIL_WRITE_END:
      return SWAPTRAIL_PART_WRITE_END;
    case SWAPTRAIL_REMOVED:
      return SWAPTRAIL_PART_REMOVED;
    default:
      return std::nullopt;
  }
}

swaptrail_event event_of_kind(swaptrail_kind kind, uint64_t time_ns) {
  swaptrail_event event{};
  event.time_ns = time_ns;
  event.folio = 0xffffea0000123440;
  event.entry = make_entry(1, 77);
  event.batch_ns = 900;
  event.tid = 41;
  event.tgid = 40;
  event.lost = 3;
  event.nr_pages = 1;
  event.cpu = 2;
  event.state = SWAPTRAIL_STATE_ANON | SWAPTRAIL_STATE_SWAPBACKED | SWAPTRAIL_STATE_SWAPCACHE;
  event.kind = static_cast<uint8_t>(kind);
  event.origin = SWAPTRAIL_ORIGIN_KSWAPD;
  return event;
}

// A page that goes straight through, as single records.
std::vector<swaptrail_event> whole_pass() {
  std::vector<swaptrail_event> events;
  const auto add = [&](swaptrail_kind kind) -> swaptrail_event& {
    return events.emplace_back(event_of_kind(kind, 1000 + 10 * events.size()));
  };
  add(SWAPTRAIL_SLOT_ALLOCATED).u.page.cgroup = 5;
  swaptrail_event& one = add(SWAPTRAIL_UNMAPPED_ONE);
  one.result = 1;
  one.u.map.address = 0x7f0000001000;
  one.u.map.value = 5;
  one.u.map.owner = 99;
  one.u.map.ptes = 1;
  std::memcpy(one.u.map.comm, "owner", 6);
  add(SWAPTRAIL_UNMAPPED).state |= SWAPTRAIL_STATE_DIRTY;
  add(SWAPTRAIL_WRITE_BEGIN).u.page.cgroup = 5;
  swaptrail_event& issued = add(SWAPTRAIL_WRITE_ISSUED);
  issued.u.page.backend = SWAPTRAIL_BACKEND_DEVICE;
  issued.state |= SWAPTRAIL_STATE_WRITEBACK;
  swaptrail_event& completed = add(SWAPTRAIL_WRITE_COMPLETED);
  completed.batch_ns = 0;
  completed.origin = SWAPTRAIL_ORIGIN_NONE;
  add(SWAPTRAIL_WRITE_END).u.page.backend = SWAPTRAIL_BACKEND_DEVICE;
  swaptrail_event& removed = add(SWAPTRAIL_REMOVED);
  removed.result = 1;
  removed.state &= ~SWAPTRAIL_STATE_SWAPCACHE;
  return events;
}

// As the programs put events into a pass.
swaptrail_pass pass_of(const std::vector<swaptrail_event>& events) {
  swaptrail_pass pass{};
  const swaptrail_event& first = events.front();
  pass.begin_ns = first.time_ns;
  pass.folio = first.folio;
  pass.entry = first.entry;
  pass.batch_ns = first.batch_ns;
  pass.cgroup = first.u.page.cgroup;
  pass.tid = first.tid;
  pass.tgid = first.tgid;
  pass.lost = first.lost;
  pass.nr_pages = first.nr_pages;
  pass.cpu = first.cpu;
  pass.state = first.state;
  pass.origin = first.origin;
  pass.events = static_cast<uint32_t>(events.size());
  for (const swaptrail_event& event : events) {
    const auto part = part_of(event);
    if (!part) continue;
    pass.after_ns[*part] = static_cast<uint32_t>(event.time_ns - pass.begin_ns + 1);
    pass.states[*part] = event.state;
    EXPECT_EQ(event.state & kKindOfPage, first.state & kKindOfPage);
    if (event.kind == SWAPTRAIL_WRITE_END)
      pass.backend = static_cast<uint8_t>(event.u.page.backend);
    if (event.kind != SWAPTRAIL_UNMAPPED_ONE) continue;
    pass.address = event.u.map.address;
    pass.owner = event.u.map.owner;
    pass.first_page = event.u.map.first_page;
    pass.ptes = event.u.map.ptes;
    std::memcpy(pass.comm, event.u.map.comm, sizeof(pass.comm));
  }
  return pass;
}

std::vector<swaptrail_event> events_of(const swaptrail_pass& pass) {
  std::array<swaptrail_event, kMostPassEvents> events;
  const size_t count = pass_events(pass, events);
  return {events.begin(), events.begin() + static_cast<ptrdiff_t>(count)};
}

void expect_same(const std::vector<swaptrail_event>& got,
                 const std::vector<swaptrail_event>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t at = 0; at < got.size(); ++at)
    EXPECT_EQ(std::memcmp(&got[at], &wanted[at], sizeof(got[at])), 0)
        << "event " << at << ": " << kind_name(got[at].kind);
}

TEST(TracePassEvents, AreTheSingleRecordsAgain) {
  const std::vector<swaptrail_event> events = whole_pass();
  expect_same(events_of(pass_of(events)), events);
}

TEST(TracePassEvents, ThoseThatAreMissingStayAway) {
  std::vector<swaptrail_event> events = whole_pass();
  while (events.size() > 1) {
    events.erase(events.begin() + 1);
    expect_same(events_of(pass_of(events)), events);
  }
  EXPECT_EQ(events_of(pass_of(events)).size(), 1u);
}

TEST(TracePassEvents, AnEventInTheSameNanosecond) {
  std::vector<swaptrail_event> events = whole_pass();
  for (swaptrail_event& event : events) event.time_ns = 1000;
  expect_same(events_of(pass_of(events)), events);
}

// Real kernels' events, each of which was a record of its own: what the programs take as common to a pass is so. The CPU is that
// of the record.
class Passes : public EventSink {
 public:
  void on_event(const swaptrail_event& event, uint64_t) override {
    std::vector<swaptrail_event>& open = open_[event.folio];
    const bool begins = event.kind == SWAPTRAIL_SLOT_ALLOCATED && event.result == 0 &&
                        (event.state & SWAPTRAIL_STATE_ANON) && event.batch_ns != 0;
    if (begins) close(open);
    if (begins || (!open.empty() && continues(open, event)))
      open.push_back(event);
    else
      close(open);
  }
  void on_loss(const Loss&) override {}
  void finish() {
    for (auto& [folio, open] : open_) close(open);
  }

  uint64_t closed = 0, longest = 0;

 private:
  static bool continues(const std::vector<swaptrail_event>& open, const swaptrail_event& event) {
    const auto same = [&](const swaptrail_event& one) { return one.kind == event.kind; };
    const bool all = event.kind == SWAPTRAIL_UNMAPPED_ONE || event.kind == SWAPTRAIL_REMOVED;
    return part_of(event) && std::none_of(open.begin(), open.end(), same) &&
           event.tid == open.front().tid && event.result == (all ? 1 : 0) &&
           (event.batch_ns == open.front().batch_ns || event.kind == SWAPTRAIL_WRITE_COMPLETED);
  }
  void close(std::vector<swaptrail_event>& open) {
    if (open.size() > 1) {
      ++closed;
      longest = std::max<uint64_t>(longest, open.size());
      for (swaptrail_event& event : open) {
        event.cpu = open.front().cpu;
        event.lost = open.front().lost;
      }
      std::vector<swaptrail_event> again = events_of(pass_of(open));
      std::sort(again.begin(), again.end(),
                [](const auto& a, const auto& b) { return a.time_ns < b.time_ns; });
      expect_same(again, open);
    }
    open.clear();
  }

  std::map<uint64_t, std::vector<swaptrail_event>> open_;
};

TEST(TracePassEvents, OfRealKernelsHaveInCommonWhatThePassHas) {
  for (const char* name : {"5.10-zram-pageout", "6.1-zswap-pageout", "6.12-zram-pageout",
                           "7.3-zswap-pageout", "6.12-nvme-clean"}) {
    SCOPED_TRACE(name);
    const auto file = recording::FileSource::open(std::string(SWAPTRAIL_TEST_DATA) +
                                                  "/recordings/" + name + ".swaptrail");
    ASSERT_TRUE(file.ok()) << file.status();
    auto reader = recording::RecordingReader::open(**file);
    ASSERT_TRUE(reader.ok()) << reader.status();
    Passes passes;
    ASSERT_TRUE((*reader)->for_each(passes).ok());
    passes.finish();
    EXPECT_GT(passes.closed, 500u);
    EXPECT_GE(passes.longest, 5u);
  }
}

}  // namespace
}  // namespace swaptrail
