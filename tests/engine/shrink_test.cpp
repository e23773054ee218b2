// The steps of shrink_folio_list: what each way out reports, in order, and the state in which it
// leaves the folio.
#include "engine/steps/shrink.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

// Gives the answers that it was given, and notes what is reported.
class FakeWorld : public World {
 public:
  bool locks = true, is_pinned = false, splits_first = false, can_split = true,
       has_reference = false;
  bool used = true, is_prepared = true, is_zero = false, zswap = false, only_zswap = false;
  bool relocks = true, freezes = true, completes = true, dirtied_in_write = false;
  References young = References::kReclaim;
  std::vector<int> slot_errors;  // of one try after the other; then 0
  UnmapAnswer unmapped;
  std::vector<std::string> told;
  std::vector<uint16_t> dirty_at;  // whether the folio was dirty then
  int left = 0;

  bool lock(Folio&) override { return locks; }
  References references(Folio&) override { return young; }
  bool pinned(Folio& folio) override { return folio.swapcache == pinned_late && is_pinned; }
  bool split_first(Folio&) override { return splits_first; }
  bool split(Folio& folio) override {
    if (can_split) folio.nr_pages = 1;
    return can_split;
  }
  SlotAnswer allocate(Folio&) override {
    if (slot_errors.empty()) return {0, make_entry(0, 512)};
    const int error = slot_errors.front();
    slot_errors.erase(slot_errors.begin());
    return {error, error == 0 ? make_entry(0, 512) : 0};
  }
  UnmapAnswer unmap(Folio&) override { return unmapped; }
  bool extra_reference(Folio&) override { return has_reference; }
  bool has_user(Folio&) override { return used; }
  bool prepares(Folio&) override { return is_prepared; }
  bool zero_filled(Folio&) override { return is_zero; }
  bool zswap_stores(Folio&) override { return zswap; }
  bool zswap_only(Folio&) override { return only_zswap; }
  void device_write(Folio& folio) override {
    folio.writeback = !completes;
    folio.dirty = dirtied_in_write;
  }
  bool relock(Folio&) override { return relocks; }
  bool freeze(Folio&) override { return freezes; }
  void report(swaptrail_kind kind, const Folio& folio, int32_t result, uint8_t backend) override {
    std::string one(kind_name(kind));
    if (kind == SWAPTRAIL_WRITE_END) one += "=" + std::string(backend_name(backend));
    if (result != 0) one += ":" + std::to_string(result);
    told.push_back(one);
    dirty_at.push_back(folio.dirty);
  }
  void leave_cache(Folio&, bool) override { ++left; }

  bool pinned_late = false;
};

struct Case {
  std::string name;
  std::function<void(Folio&, FakeWorld&, ScanControl&, Features&)> prepare;
  Exit exit;
  Why why;
  std::vector<std::string> told;
};

const std::vector<std::string> kOut = {"slot_allocated", "unmapped"};

std::vector<std::string> out_and(std::vector<std::string> more) {
  std::vector<std::string> all = kOut;
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

std::vector<Case> cases() {
  using F = Folio;
  using W = FakeWorld;
  using C = ScanControl;
  using X = Features;
  return {
      {"device_done", [](F&, W&, C&, X&) {}, Exit::kFreed, Why::kNothing,
       out_and({"write_begin", "write_issued", "write_end=device", "removed:1"})},
      {"device_queued", [](F&, W& w, C&, X&) { w.completes = false; }, Exit::kInFlight,
       Why::kWriteback, out_and({"write_begin", "write_issued", "write_end=device"})},
      {"zero", [](F&, W& w, C&, X&) { w.is_zero = true; }, Exit::kFreed, Why::kNothing,
       out_and({"write_begin", "write_end=zero", "removed:1"})},
      {"no_zero_map", [](F&, W& w, C&, X& x) { w.is_zero = true, x.zero_map = false; },
       Exit::kFreed, Why::kNothing,
       out_and({"write_begin", "write_issued", "write_end=device", "removed:1"})},
      {"zswap", [](F&, W& w, C&, X&) { w.zswap = true; }, Exit::kFreed, Why::kNothing,
       out_and({"write_begin", "write_end=zswap", "removed:1"})},
      {"zswap_fake_writeback", [](F&, W& w, C&, X& x) { w.zswap = x.fake_zswap_writeback = true; },
       Exit::kFreed, Why::kNothing,
       out_and({"write_begin", "write_completed", "write_end=zswap", "removed:1"})},
      {"zswap_only", [](F&, W& w, C&, X&) { w.only_zswap = true; }, Exit::kActivated, Why::kRefused,
       out_and({"write_begin", "write_end=none:524288"})},
      {"no_user", [](F&, W& w, C&, X&) { w.used = false; }, Exit::kKept, Why::kNoUser,
       out_and({"write_begin", "cache_deleted", "write_end=none"})},
      {"not_prepared", [](F&, W& w, C&, X&) { w.is_prepared = false; }, Exit::kKept,
       Why::kWriteError, out_and({"write_begin", "write_end=none:-1"})},
      {"write_error", [](F&, W& w, C&, X&) { w.dirtied_in_write = true; }, Exit::kKept,
       Why::kWriteError, out_and({"write_begin", "write_issued", "write_end=device"})},
      {"relock", [](F&, W& w, C&, X&) { w.relocks = false; }, Exit::kKept, Why::kRelock,
       out_and({"write_begin", "write_issued", "write_end=device"})},
      {"not_frozen", [](F&, W& w, C&, X&) { w.freezes = false; }, Exit::kKept, Why::kExtraReference,
       out_and({"write_begin", "write_issued", "write_end=device", "removed"})},
      {"extra_reference", [](F&, W& w, C&, X&) { w.has_reference = true; }, Exit::kKept,
       Why::kExtraReference, kOut},
      {"may_not_write", [](F&, W&, C& c, X&) { c.may_writepage = false; }, Exit::kKept,
       Why::kMayNotWrite, kOut},
      {"pinned_late", [](F&, W& w, C&, X&) { w.is_pinned = w.pinned_late = true; },
       Exit::kActivated, Why::kPinned, kOut},
      {"pinned_late_unchecked",
       [](F&, W& w, C&, X& x) {
         w.is_pinned = w.pinned_late = true;
         x.pinned_check_after_unmap = false;
       },
       Exit::kFreed, Why::kNothing,
       out_and({"write_begin", "write_issued", "write_end=device", "removed:1"})},
      {"still_mapped", [](F&, W& w, C&, X&) { w.unmapped.still_mapped = 1; }, Exit::kActivated,
       Why::kStillMapped, kOut},
      {"no_slot",
       [](F&, W& w, C&, X&) { w.slot_errors = {-12}; },
       Exit::kActivated,
       Why::kNoSlot,
       {"slot_allocated:-12"}},
      {"large_split_for_a_slot",
       [](F& f, W& w, C&, X&) {
         f.nr_pages = 512;
         w.slot_errors = {-12, 0};
       },
       Exit::kFreed,
       Why::kNothing,
       {"slot_allocated:-12", "slot_allocated", "unmapped", "write_begin", "write_issued",
        "write_end=device", "removed:1"}},
      {"large_cannot_split",
       [](F& f, W& w, C&, X&) {
         f.nr_pages = 512;
         w.splits_first = true;
         w.can_split = false;
       },
       Exit::kActivated,
       Why::kCannotSplit,
       {}},
      {"no_io", [](F&, W&, C& c, X&) { c.gfp = 0; }, Exit::kKept, Why::kMayNotSwap, {}},
      {"pinned", [](F&, W& w, C&, X&) { w.is_pinned = true; }, Exit::kKept, Why::kPinned, {}},
      {"locked", [](F&, W& w, C&, X&) { w.locks = false; }, Exit::kKept, Why::kLocked, {}},
      {"mlocked",
       [](F& f, W&, C&, X&) { f.mlocked = true; },
       Exit::kActivated,
       Why::kUnevictable,
       {}},
      {"may_not_unmap",
       [](F&, W&, C& c, X&) { c.may_unmap = false; },
       Exit::kKept,
       Why::kMayNotUnmap,
       {}},
      {"young",
       [](F&, W& w, C&, X&) { w.young = References::kActivate; },
       Exit::kActivated,
       Why::kReferenced,
       {}},
      {"young_once",
       [](F&, W& w, C&, X&) { w.young = References::kKeep; },
       Exit::kKept,
       Why::kReferenced,
       {}},
      {"under_writeback",
       [](F& f, W&, C&, X&) { f.swapcache = f.writeback = true; },
       Exit::kActivated,
       Why::kWriteback,
       {}},
      {"second_pass",
       [](F& f, W&, C&, X&) {
         f.swapcache = true;
         f.mapped = 0;
         f.entry = make_entry(0, 7);
       },
       Exit::kFreed,
       Why::kNothing,
       {"removed:1"}},
      {"clean_again",
       [](F& f, W&, C&, X&) {
         f.swapcache = true;
         f.entry = make_entry(0, 7);
       },
       Exit::kFreed,
       Why::kNothing,
       {"unmapped", "removed:1"}},
      {"shmem",
       [](F& f, W&, C&, X& x) {
         f.anon = false;
         f.dirty = true;
         x.shmem_slot_hidden = false;
       },
       Exit::kFreed,
       Why::kNothing,
       {"unmapped", "slot_allocated", "write_begin", "write_issued", "write_end=device",
        "removed:1"}},
      {"shmem_slot_hidden",
       [](F& f, W&, C&, X&) {
         f.anon = false;
         f.dirty = true;
       },
       Exit::kFreed,
       Why::kNothing,
       {"unmapped", "write_begin", "write_issued", "write_end=device", "removed:1"}},
      {"shmem_no_slot",
       [](F& f, W& w, C&, X&) {
         f.anon = false;
         f.dirty = true;
         w.slot_errors = {-12};
       },
       Exit::kActivated,
       Why::kNoSlot,
       {"unmapped"}},
  };
}

TEST(Shrink, EveryWayOut) {
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.name);
    Folio folio;
    folio.mapped = 1;
    FakeWorld world;
    ScanControl control;
    Features features;
    one.prepare(folio, world, control, features);
    const PassEnd end = shrink_folio(features, control, folio, world);
    EXPECT_EQ(end.exit, one.exit) << exit_name(end.exit);
    EXPECT_EQ(end.why, one.why) << why_name(end.why);
    EXPECT_EQ(world.told, one.told);
    EXPECT_EQ(folio.active, one.exit == Exit::kActivated && one.name != "mlocked");
    if (end.exit == Exit::kFreed) {
      EXPECT_FALSE(folio.swapcache);
      EXPECT_FALSE(folio.dirty);
      EXPECT_FALSE(folio.writeback);
      EXPECT_EQ(world.left, 1);
    }
  }
}

// mm/swap_state.c add_to_swap dirtied the folio itself; folio_alloc_swap leaves it to its caller.
TEST(Shrink, WhoDirties) {
  for (const bool inside : {false, true}) {
    Folio folio;
    folio.mapped = 1;
    FakeWorld world;
    Features features;
    features.dirties_in_add_to_swap = inside;
    shrink_folio(features, {}, folio, world);
    EXPECT_EQ(world.dirty_at[0], inside);
    EXPECT_TRUE(world.dirty_at[1]) << "at unmapped";
  }
}

TEST(Shrink, EveryStepIsDescribed) {
  for (const StepText& step : step_texts()) {
    EXPECT_FALSE(step.name.empty());
    EXPECT_NE(step.kernel.find("mm/"), std::string_view::npos);
    EXPECT_FALSE(step.text.empty());
  }
}

TEST(Features, FollowFromHooks) {
  const std::vector<HookTarget> old = {{"reclaim_batch", "shrink_page_list"},
                                       {"slot_allocated", "add_to_swap"},
                                       {"cache_deleted", "delete_from_swap_cache"},
                                       {"slot_freed", "swap_range_free"}};
  ASSERT_TRUE(features_of(old).ok());
  EXPECT_EQ(features_of(old)->allocator, Allocator::kSlotCaches);
  EXPECT_FALSE(features_of(old)->zero_map);
  EXPECT_TRUE(features_of(old)->tries_rw_page);
  const std::vector<HookTarget> young = {{"reclaim_batch", "shrink_folio_list"},
                                         {"slot_allocated", "folio_alloc_swap"},
                                         {"cache_deleted", "swap_cache_del_folio"},
                                         {"slot_freed", "swap_entries_free"}};
  ASSERT_TRUE(features_of(young).ok());
  EXPECT_EQ(features_of(young)->allocator, Allocator::kSwapTable);
  EXPECT_TRUE(features_of(young)->zero_map);
  EXPECT_FALSE(features_of(young)->dirties_in_add_to_swap);
}

TEST(Features, SayWhatIsMissing) {
  const std::vector<HookTarget> few = {{"reclaim_batch", "shrink_folio_list"},
                                       {"slot_allocated", ""}};
  EXPECT_NE(features_of(few).status().message().find("slot_allocated"), std::string::npos);
  EXPECT_FALSE(features_named("9.9").ok());
  for (std::string_view name : feature_set_names()) EXPECT_TRUE(features_named(name).ok());
}

}  // namespace
}  // namespace swaptrail::engine
