// Streams as a kernel makes them, out of a seed: for the tests and benchmarks of recordings.
//
// Modelled on the order of real ones: per CPU, batches of up to 32 folios; per folio the stages;
// faults between them. Folios come in runs of neighbours, as the page allocator gives them out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <random>
#include <vector>

#include "trace/decode.h"
#include "trace/merger.h"

namespace swaptrail {

// What a sink received, in order.
struct StreamItem {
  bool is_loss = false;
  swaptrail_event event{};
  uint64_t sequence = 0;
  Loss loss;
};

inline bool operator==(const StreamItem& a, const StreamItem& b) {
  if (a.is_loss != b.is_loss) return false;
  if (a.is_loss)
    return a.loss.from_ns == b.loss.from_ns && a.loss.to_ns == b.loss.to_ns &&
           a.loss.count == b.loss.count && a.loss.cpu == b.loss.cpu;
  return a.sequence == b.sequence && std::memcmp(&a.event, &b.event, sizeof(a.event)) == 0;
}

class StreamSink : public EventSink {
 public:
  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    items.push_back({false, event, sequence, {}});
  }
  void on_loss(const Loss& loss) override { items.push_back({true, {}, 0, loss}); }
  std::vector<StreamItem> items;
};

struct StreamOptions {
  uint32_t cpus = 2;
  uint32_t events_per_cpu = 1000;
  bool synchronous = true;   // the device: zram, else a disk
  uint32_t fault_share = 8;  // one fault for this many folios, 0 = none
  uint32_t lose_every = 0;   // so many events, some are lost; 0 = none
  uint32_t seed = 1;
};

class CpuStream {
 public:
  CpuStream(const StreamOptions& options, uint16_t cpu)
      : options_(options),
        cpu_(cpu),
        random_(options.seed * 1000u + cpu),
        now_(1'000'000'000 + cpu) {
    folio_ = 0xffffea0000000000 + (cpu + 1) * (64u << 20);
    entry_ = make_entry(0, 1000 + cpu * 100'000u);
  }

  std::vector<swaptrail_event> make() {
    while (events_.size() < options_.events_per_cpu) batch();
    events_.resize(options_.events_per_cpu);
    std::stable_sort(events_.begin(), events_.end(),
                     [](const auto& a, const auto& b) { return a.time_ns < b.time_ns; });
    return std::move(events_);
  }

 private:
  struct Page {
    uint64_t folio, entry, address;
    uint32_t owner;
  };

  uint32_t any(uint32_t below) { return static_cast<uint32_t>(random_() % below); }

  void step() { now_ += 900 + any(1800) + (any(16) == 0 ? any(17'000) : 0); }

  swaptrail_event& add(uint8_t kind, const Page& page, uint16_t state, int result = 0) {
    step();
    swaptrail_event event{};
    event.time_ns = now_;
    event.folio = page.folio;
    event.entry = page.entry;
    event.kind = kind;
    event.state = state;
    event.result = result;
    event.nr_pages = page.folio != 0 || page.entry != 0 ? 1 : 0;
    event.cpu = cpu_;
    event.tid = event.tgid = kReclaimer + cpu_;
    event.batch_ns = batch_ns_;
    event.origin = batch_ns_ != 0 ? uint8_t{SWAPTRAIL_ORIGIN_KSWAPD} : uint8_t{0};
    events_.push_back(event);
    return events_.back();
  }

  Page next_page() {
    if (any(24) == 0) folio_ = 0xffffea0000000000 + any(1 << 20) * 64ull;
    if (any(48) == 0) address_ = 0x7f0000000000 + any(1 << 18) * 4096ull;
    folio_ += 64;
    address_ += 4096;
    entry_ += any(64) == 0 ? 1 + any(256) : 1;
    return {folio_, entry_, address_, 500 + (any(32) == 0 ? owner_ = any(4) : owner_)};
  }

  void batch() {
    batch_ns_ = now_ + 700;
    swaptrail_event& begin = add(SWAPTRAIL_RECLAIM_BEGIN, {}, 0);
    begin.u.begin = {55, 0xcc0, 8, 1, 1, 1, "kswapd0", 0};
    const size_t second_pass = std::min<size_t>(written_.size(), 16);
    for (size_t i = 0; i < second_pass; ++i) {
      remove(written_.front());
      written_.pop_front();
    }
    for (int i = 0; i < 32; ++i) out(next_page());
    swaptrail_event& end = add(SWAPTRAIL_RECLAIM_END, {}, 0, 20 + static_cast<int>(any(12)));
    end.u.end.nr_scanned = 32;
    end.u.end.nr_activate = any(3);
    end.u.end.nr_dirty = 32;
    batch_ns_ = 0;
    step();
  }

  void remove(const Page& page) {
    add(SWAPTRAIL_REMOVED, page, kCached, 1);
    swapped_.push_back(page);
  }

  void out(const Page& page) {
    add(SWAPTRAIL_SLOT_ALLOCATED, page, kCached | SWAPTRAIL_STATE_DIRTY).u.page.cgroup = 42;
    swaptrail_event& unmapped = add(SWAPTRAIL_UNMAPPED_ONE, page, kCached, 1);
    unmapped.u.map = {page.address, 42, page.owner, 0, 1, "victim"};
    unmapped.u.map.comm[6] = static_cast<char>('0' + page.owner % 10);
    add(SWAPTRAIL_UNMAPPED, page, kCached);
    add(SWAPTRAIL_WRITE_BEGIN, page, kCached).u.page.cgroup = 42;
    add(SWAPTRAIL_WRITE_ISSUED, page, kCached);
    if (options_.synchronous) complete(page, now_);
    const uint16_t writing = options_.synchronous ? 0 : SWAPTRAIL_STATE_WRITEBACK;
    add(SWAPTRAIL_WRITE_END, page, static_cast<uint16_t>(kCached | writing)).u.page.backend =
        SWAPTRAIL_BACKEND_DEVICE;
    if (options_.synchronous) {
      remove(page);
    } else {
      complete(page, now_ + 80'000 + any(40'000));
      written_.push_back(page);
    }
    if (options_.fault_share != 0 && any(options_.fault_share) == 0) fault();
  }

  // On an asynchronous device, by an interrupt: it does not move the clock of this CPU.
  void complete(const Page& page, uint64_t at_ns) {
    const uint64_t saved = now_;
    now_ = at_ns;
    swaptrail_event& event =
        add(SWAPTRAIL_WRITE_COMPLETED, page, kCached | SWAPTRAIL_STATE_WRITEBACK);
    event.batch_ns = 0;
    event.origin = 0;
    if (!options_.synchronous) now_ = saved;
  }

  void fault() {
    if (swapped_.empty()) return;
    const Page page = swapped_[any(static_cast<uint32_t>(swapped_.size()))];
    const uint64_t saved = batch_ns_;
    const uint64_t began = now_;
    batch_ns_ = 0;
    add(SWAPTRAIL_SWAP_READ, {folio_ ^ any(1 << 14) * 64ull, page.entry, 0, 0}, kCached);
    add(SWAPTRAIL_SLOT_FREED, {0, page.entry, 0, 0}, 0);
    swaptrail_event& in = add(SWAPTRAIL_SWAP_IN, {0, page.entry, 0, 0}, 0, 4);
    in.u.map = {page.address, now_ - began, page.owner, 0, 1, "victim"};
    for (size_t i = events_.size() - 3; i < events_.size(); ++i)
      events_[i].tid = events_[i].tgid = page.owner;
    batch_ns_ = saved;
  }

  static constexpr uint32_t kReclaimer = 80;
  static constexpr uint16_t kCached =
      SWAPTRAIL_STATE_ANON | SWAPTRAIL_STATE_SWAPBACKED | SWAPTRAIL_STATE_SWAPCACHE;

  const StreamOptions options_;
  const uint16_t cpu_;
  std::mt19937_64 random_;
  uint64_t now_;
  uint64_t folio_, entry_, address_ = 0x7f0000000000, batch_ns_ = 0;
  uint32_t owner_ = 0;
  std::deque<Page> written_;
  std::vector<Page> swapped_;
  std::vector<swaptrail_event> events_;
};

// Loses runs of events, as a full ring does.
inline void lose_some(std::vector<swaptrail_event>& events, uint32_t every) {
  std::vector<swaptrail_event> kept;
  uint32_t lost = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    if (every != 0 && i % every == every - 1) {
      lost += 1 + static_cast<uint32_t>(i) % 5;
      i += i % 5;
      continue;
    }
    kept.push_back(events[i]);
    kept.back().lost = lost;
  }
  events = std::move(kept);
}

// The ordered stream, as the merger gives it to the reconstructor.
inline std::vector<StreamItem> make_stream(const StreamOptions& options) {
  Merger merger;
  for (uint32_t cpu = 0; cpu < options.cpus; ++cpu) {
    auto events = CpuStream(options, static_cast<uint16_t>(cpu)).make();
    lose_some(events, options.lose_every);
    for (const swaptrail_event& event : events) merger.push(cpu, event);
  }
  StreamSink sink;
  merger.flush(sink);
  return std::move(sink.items);
}

// Any bytes at all: nothing can be predicted.
inline std::vector<StreamItem> make_noise(uint32_t count, uint32_t seed) {
  std::mt19937_64 random(seed);
  std::vector<StreamItem> items(count);
  for (StreamItem& item : items) {
    item.is_loss = random() % 16 == 0;
    item.sequence = random();
    uint64_t words[sizeof(item.event) / 8];
    for (uint64_t& word : words) word = random();
    if (item.is_loss) {
      item.loss = {random(), random(), random(), static_cast<uint32_t>(random() % 65536)};
      item.sequence = 0;
    } else {
      std::memcpy(&item.event, words, sizeof(words));
    }
  }
  return items;
}

}  // namespace swaptrail
