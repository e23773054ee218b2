// A memory of Linux 2.6 that a test drives step by step, and a look at all of it that must hold between steps.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/generations/linux_2_6.h"
#include "tests/scene/slot_scene.h"
#include "trace/decode.h"

namespace swaptrail::engine::linux_2_6 {

inline GenerationOptions options_of(uint64_t frames, const std::vector<Area>& areas,
                                    double error_rate = 0) {
  GenerationOptions options;
  options.frames = frames;
  options.page_cluster = 0;
  for (const Area& area : areas) options.areas.push_back({area, error_rate});
  return options;
}

// What is wrong with the memory, "" if nothing is. Looks at each entry, page and slot.
class Audit {
 public:
  explicit Audit(const Linux26& linux) : linux_(linux) {}

  std::string run() {
    for (uint32_t process = 0; process < kMostWorkloadProcesses; ++process)
      look_at_process(process);
    look_at_list(LruList::kActive);
    look_at_list(LruList::kInactive);
    look_at_pages();
    look_at_slots();
    return wrong_;
  }

 private:
  void expect(bool holds, std::string_view what, uint64_t where) {
    if (!holds && wrong_.empty()) wrong_ = std::string(what) + " of " + std::to_string(where);
  }

  void look_at_process(uint32_t process) {
    const Mm* mm = linux_.mm(process);
    if (mm == nullptr) return;
    uint64_t pages = 0;
    mm->tables.for_each([&](uint64_t address, Pte& pte) {
      ++pages;
      if (pte.present()) {
        ++mapped_[pte.page()];
        expect(linux_.zone().content(pte.page()) == pte.token, "content", pte.page());
        expect(linux_.zone().page(pte.page()).index == address, "index", pte.page());
        expect(pte.writable() ? linux_.zone().page(pte.page()).mapcount == 1 : true, "share",
               pte.page());
        return;
      }
      ++users_[pte.entry()];
      const uint32_t page = linux_.cached(pte.entry());
      if (page != kNoPage) expect(linux_.zone().content(page) == pte.token, "cached content", page);
    });
    expect(pages == mm->total_vm, "total_vm", process);
  }

  void look_at_list(LruList list) {
    uint64_t count = 0;
    const Zone& zone = linux_.zone();
    for (uint32_t page = zone.tail(list); page != kNoPage;
         page = zone.towards_head(page), ++count) {
      expect(++listed_[page] == 1, "second place on a list", page);
      expect(zone.page(page).has(kPageLru) && zone.list_of(page) == list, "flags", page);
    }
    expect(count == zone.nr_list(list), "length of list", static_cast<uint64_t>(list));
  }

  void look_at_pages() {
    const Zone& zone = linux_.zone();
    uint64_t free = 0, anon = 0;
    for (uint32_t page = 0; page < zone.frames(); ++page) {
      const Page& of = zone.page(page);
      if (of.count == 0) {
        ++free;
        expect(!listed_.contains(page) && !mapped_.contains(page), "use though free", page);
        continue;
      }
      const bool cached = of.has(kPageSwapCache);
      expect(listed_.contains(page), "list", page);
      expect(!of.has(kPageLocked), "lock", page);
      expect(of.mapcount == mapped_[page], "mapcount", page);
      expect(of.count == of.mapcount + (cached ? 1u : 0u), "count", page);
      anon += of.mapcount > 0 ? 1 : 0;
      if (!cached) continue;
      ++users_[of.entry];
      expect(linux_.cached(of.entry) == page, "place in the cache", page);
    }
    expect(free == zone.nr_free(), "free pages", free);
    expect(anon == zone.nr_anon_pages, "mapped pages", anon);
    expect(linux_.resident() == zone.frames() - free, "resident pages", linux_.resident());
  }

  void look_at_slots() {
    uint64_t all = 0, all_free = 0;
    for (uint32_t type = 0; type < kMostAreaTypes; ++type) {
      const SwapInfo& info = linux_.areas().swap_info(type);
      uint64_t used = 0;
      for (uint64_t slot = 0; slot < info.max; ++slot) {
        const uint16_t count = info.swap_map[slot];
        if (count == kSwapMapBad) continue;
        ++all;
        const uint64_t entry = make_entry(type, slot);
        const auto users = users_.find(entry);
        expect(count == (users == users_.end() ? 0 : users->second), "swap_map", slot);
        if (count == 0) {
          ++all_free;
          expect(info.lowest_bit <= slot && slot <= info.highest_bit, "bounds", slot);
        }
        used += count > 0 ? 1 : 0;
      }
      expect(used == info.inuse_pages, "inuse_pages", type);
    }
    expect(all == linux_.areas().total_swap_pages(), "total_swap_pages", all);
    expect(all_free == linux_.areas().nr_swap_pages(), "nr_swap_pages", all_free);
  }

  const Linux26& linux_;
  std::map<uint32_t, uint32_t> mapped_, listed_;
  std::map<uint64_t, uint32_t> users_;
  std::string wrong_;
};

class Scene {
 public:
  explicit Scene(const GenerationOptions& options) : linux(options) {}
  Scene(uint64_t frames, const std::vector<Area>& areas, double error_rate = 0)
      : linux(options_of(frames, areas, error_rate)) {}

  void step(const WorkloadStep& step) { ASSERT_TRUE(linux.step(step).ok()); }
  void read(uint32_t process, uint64_t address) { touch(process, address, false); }
  void write(uint32_t process, uint64_t address) { touch(process, address, true); }
  void fork(uint32_t process, uint32_t child) {
    step({.kind = StepKind::kFork, .process = process, .child = child});
  }
  void exit(uint32_t process) { step({.kind = StepKind::kExit, .process = process}); }

  const Pte& pte(uint32_t process, uint64_t address) const {
    return *linux.mm(process)->tables.find(address);
  }
  uint32_t page(uint32_t process, uint64_t address) const { return pte(process, address).page(); }
  const Page& of(uint32_t page) const { return linux.zone().page(page); }
  const GenerationCounters& counters() const { return linux.counters(); }
  uint16_t users(uint64_t entry) const { return linux.areas().swap_map(entry); }

  // As if nobody had used the page for a while.
  void age(uint32_t page) { linux.page_referenced(page); }
  // The page alone goes through shrink_page_list. How many were freed.
  uint64_t shrink(uint32_t page) {
    ScanControl sc;
    const std::array<uint32_t, 1> pages = {linux.isolate(page)};
    return linux.shrink_page_list(pages, sc);
  }
  // Swaps the page out; the entry that the process has for it then.
  uint64_t swap_out(uint32_t process, uint64_t address) {
    const uint32_t frame = page(process, address);
    age(frame);
    EXPECT_EQ(shrink(frame), 1u);
    EXPECT_TRUE(pte(process, address).swapped());
    return pte(process, address).entry();
  }
  // Names of the functions that `work` calls.
  template <typename Work>
  std::vector<std::string_view> calls(Work work) {
    std::vector<std::string_view> names;
    linux.record_calls(&names);
    work();
    linux.record_calls(nullptr);
    return names;
  }
  std::string audit() const { return Audit(linux).run(); }

  Linux26 linux;

 private:
  void touch(uint32_t process, uint64_t address, bool write) {
    step({.kind = StepKind::kTouch, .write = write, .process = process, .page = address});
  }
};

}  // namespace swaptrail::engine::linux_2_6
