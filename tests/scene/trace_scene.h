// A tiny builder of event streams for the tests of trace/, and a sink that keeps what comes out.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "trace/decode.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/merger.h"

namespace swaptrail {

inline constexpr uint64_t kMs = 1'000'000;
inline constexpr uint64_t kSecond = 1'000 * kMs;
inline constexpr uint16_t kAnon =
    SWAPTRAIL_STATE_ANON | SWAPTRAIL_STATE_SWAPBACKED | SWAPTRAIL_STATE_SWAPCACHE;
inline constexpr uint16_t kShmem = SWAPTRAIL_STATE_SWAPBACKED | SWAPTRAIL_STATE_SWAPCACHE;
inline constexpr uint16_t kDirty = SWAPTRAIL_STATE_DIRTY;
inline constexpr uint16_t kWriteback = SWAPTRAIL_STATE_WRITEBACK;

inline uint64_t folio_at(uint64_t index) { return 0xffffea0000000000 + index * 64; }

class Kept : public lifecycles::LifecycleSink {
 public:
  void on_lifecycle(const Lifecycle& lifecycle) override { lifecycles.push_back(lifecycle); }
  void on_return(const Return& entry_return) override { returns.push_back(entry_return); }
  void on_stay(const Stay& stay) override { stays.push_back(stay); }
  void on_violation(const Violation& violation) override { violations.push_back(violation); }
  void on_loss(const Loss& loss) override { losses.push_back(loss); }

  std::vector<Lifecycle> lifecycles;
  std::vector<Return> returns;
  std::vector<Stay> stays;
  std::vector<Violation> violations;
  std::vector<Loss> losses;
};

struct Outcomes {
  Kept kept;
  lifecycles::ReconstructorCounters counters;
  size_t swapped = 0;
};

// One folio of a scene.
struct Page {
  uint64_t folio;
  uint64_t entry;
  uint16_t nr_pages = 1;
  uint16_t state = kAnon;
  uint32_t owner = 100;
};

class Scene {
 public:
  uint64_t now = 10 * kSecond;
  uint32_t tid = 7;
  uint16_t cpu = 0;
  uint8_t origin = SWAPTRAIL_ORIGIN_KSWAPD;
  uint64_t batch_ns = 0;
  std::vector<swaptrail_event> events;

  swaptrail_event& add(uint8_t kind, const Page& page, uint16_t more_state = 0, int result = 0) {
    swaptrail_event event{};
    event.time_ns = now += 1000;
    event.folio = page.folio;
    event.entry = page.entry;
    event.nr_pages = page.nr_pages;
    event.state = page.state | more_state;
    event.kind = kind;
    event.result = result;
    event.cpu = cpu;
    event.tid = event.tgid = tid;
    event.batch_ns = batch_ns;
    event.origin = batch_ns != 0 ? origin : uint8_t{SWAPTRAIL_ORIGIN_NONE};
    const bool of_file = kind == SWAPTRAIL_WRITE_BEGIN && !(page.state & SWAPTRAIL_STATE_ANON);
    if (of_file) event.u.page.inode = 77;
    events.push_back(event);
    return events.back();
  }

  void begin(bool may_writepage = true) {
    batch_ns = now + 1000;
    swaptrail_event& event = add(SWAPTRAIL_RECLAIM_BEGIN, {0, 0, 0, 0});
    event.u.begin.may_writepage = may_writepage;
    event.u.begin.cgroup = 55;
    std::strcpy(event.u.begin.comm, "kswapd0");
  }
  void end(uint32_t activated = 0) {
    add(SWAPTRAIL_RECLAIM_END, {0, 0, 0, 0}).u.end.nr_activate = activated;
    batch_ns = 0;
  }
  void slot(const Page& page, int result = 0) {
    Page shown = page;
    if (result != 0) shown.entry = 0;
    add(SWAPTRAIL_SLOT_ALLOCATED, shown, kDirty, result).u.page.cgroup = 42;
  }
  void unmap_one(const Page& page, uint32_t owner, uint64_t address, uint16_t first_page = 0) {
    swaptrail_event& event = add(SWAPTRAIL_UNMAPPED_ONE, page, 0, 1);
    event.u.map.owner = owner;
    event.u.map.address = address;
    event.u.map.value = 42;
    event.u.map.first_page = first_page;
    event.u.map.ptes = page.nr_pages;
    std::strcpy(event.u.map.comm, "victim");
  }
  void unmap(const Page& page, bool mapped = false) {
    unmap_one(page, page.owner, 0x7f0000000000 + page.folio % 4096 * 4096);
    add(SWAPTRAIL_UNMAPPED, page, mapped ? SWAPTRAIL_STATE_MAPPED : 0);
  }
  void write_end(const Page& page, uint32_t backend, uint16_t more_state = 0, int result = 0) {
    add(SWAPTRAIL_WRITE_END, page, more_state, result).u.page.backend = backend;
  }
  void write_sync(const Page& page) {
    add(SWAPTRAIL_WRITE_BEGIN, page);
    add(SWAPTRAIL_WRITE_ISSUED, page);
    add(SWAPTRAIL_WRITE_COMPLETED, page);
    write_end(page, SWAPTRAIL_BACKEND_DEVICE);
  }
  void write_async(const Page& page) {
    add(SWAPTRAIL_WRITE_BEGIN, page);
    add(SWAPTRAIL_WRITE_ISSUED, page);
    write_end(page, SWAPTRAIL_BACKEND_DEVICE, kWriteback);
  }
  // From an interrupt: in the middle of whatever thread.
  void complete(const Page& page, uint16_t more_state = 0) {
    const uint64_t saved = batch_ns;
    const uint32_t saved_tid = tid;
    batch_ns = 0;
    tid = 999;
    add(SWAPTRAIL_WRITE_COMPLETED, page, kWriteback | more_state);
    batch_ns = saved;
    tid = saved_tid;
  }
  void removed(const Page& page, int result = 1, uint16_t more_state = 0) {
    add(SWAPTRAIL_REMOVED, page, more_state, result);
  }
  void out_sync(const Page& page) {
    slot(page);
    unmap(page);
    write_sync(page);
    removed(page);
  }
  // Written in one pass, left in flight.
  void out_async(const Page& page) {
    begin();
    slot(page);
    unmap(page);
    write_async(page);
    end();
    complete(page);
  }
  void whole_sync(const Page& page) {
    begin();
    out_sync(page);
    end();
  }
  swaptrail_event& swap_in(uint64_t entry, int result = 0, uint16_t nr_pages = 1) {
    swaptrail_event& event = add(SWAPTRAIL_SWAP_IN, {0, entry, nr_pages, 0}, 0, result);
    event.tid = event.tgid = 100;
    event.u.map.address = 0x7fff0000;
    event.u.map.value = 5000;
    event.u.map.owner = 100;
    event.u.map.ptes = result & 0x453 ? 0 : nr_pages;
    std::strcpy(event.u.map.comm, "victim");
    return event;
  }
  // A pass that waited for the page, 5 ms after the one before; `state`: its flags.
  swaptrail_event& swap_in_pass(uint64_t entry, int result, uint16_t state) {
    now += 5 * kMs;
    swaptrail_event& event = swap_in(entry, result);
    event.u.map.value = 5 * kMs;
    event.state = state;
    return event;
  }
  swaptrail_event& shmem_swap_in(uint64_t entry, int result, uint16_t state) {
    swaptrail_event& event = add(SWAPTRAIL_SHMEM_SWAP_IN, {0, entry, 1, state}, 0, result);
    event.tid = event.tgid = 100;
    event.u.map.address = 77;
    event.u.map.owner = 21;
    event.u.map.value = 6 * kMs;
    event.u.map.ptes = result < 0 ? 0 : 1;
    std::strcpy(event.u.map.comm, "reader");
    return event;
  }
  void swap_read(const Page& page) { add(SWAPTRAIL_SWAP_READ, page).tid = 100; }
  void slot_freed(uint64_t entry, uint16_t nr_pages = 1, uint16_t state = 0) {
    add(SWAPTRAIL_SLOT_FREED, {0, entry, nr_pages, state}).tid = 100;
  }
  void cache_deleted(const Page& page) { add(SWAPTRAIL_CACHE_DELETED, page).tid = 100; }

  // Loses event `index`, as the ring would.
  void lose(size_t index) {
    const uint16_t on_cpu = events[index].cpu;
    events.erase(events.begin() + static_cast<ptrdiff_t>(index));
    for (size_t later = index; later < events.size(); ++later) {
      if (events[later].cpu == on_cpu) ++events[later].lost;
    }
  }

  Outcomes run(lifecycles::ReconstructorOptions options = {}, uint32_t lost_at_end = 0) const {
    Outcomes out;
    lifecycles::Reconstructor reconstructor(options, out.kept);
    Merger merger;
    for (const swaptrail_event& event : events) merger.push(event.cpu, event);
    merger.flush(reconstructor);
    if (lost_at_end != 0) merger.report_drops(0, lost_at_end, now + 500);
    merger.flush(reconstructor);
    out.swapped = reconstructor.swapped_folios();
    reconstructor.finish(now + 1000);
    out.counters = reconstructor.counters();
    return out;
  }
};

inline Page page_at(uint64_t index) { return {folio_at(index), make_entry(1, 1000 + index)}; }

}  // namespace swaptrail
