#include "tests/sim/self_test.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "tests/scene/trace_scene.h"
#include "tests/sim/account.h"
#include "tests/sim/distortion.h"
#include "tests/sim/oracle.h"

namespace swaptrail::sim {
namespace {

using engine::TrueSwapOut;

// A run that is right in all respects, to be damaged.
struct Scenery {
  Distorted distorted;
  std::vector<TrueSwapOut> truth;
  Account account;
};

// Two pages freed by the pass that wrote them, one by the next, one that stayed mapped.
Scene four_pages() {
  Scene scene;
  scene.begin();
  scene.out_sync(page_at(1));
  scene.slot(page_at(3));
  scene.unmap(page_at(3));
  scene.write_async(page_at(3));
  scene.out_sync(page_at(2));
  scene.slot(page_at(4));
  scene.unmap(page_at(4), true);
  scene.end();
  scene.complete(page_at(3));
  scene.begin();
  scene.removed(page_at(3));
  scene.end();
  return scene;
}

TrueSwapOut true_one(const Lifecycle& life) {
  TrueSwapOut truth;
  truth.folio = life.folio;
  truth.entry = life.entry;
  truth.nr_pages = life.nr_pages;
  truth.outcome = life.outcome;
  truth.backend = life.backend;
  truth.stage_ns = life.stage_ns;
  truth.passes = life.passes;
  truth.mappings = life.mapping_count;
  truth.begin_ns = life.at(Stage::kIsolated);
  truth.end_ns = life.closed_ns;
  return truth;
}

Distortion distortion_of(size_t events, Trouble trouble) {
  Distortion distortion;
  distortion.trouble = trouble;
  distortion.cpus = 1;
  distortion.windows = {{0, events, 0}};
  return distortion;
}

Scenery right_one(Trouble trouble) {
  const Scene scene = four_pages();
  Scenery one;
  one.distorted = distort(distortion_of(scene.events.size(), trouble), scene.events);
  one.account = watch(one.distorted.observations[0]);
  for (const ToldLifecycle& told : one.account.lifecycles) one.truth.push_back(true_one(told.life));
  return one;
}

Lifecycle& freed(Scenery& one) { return one.account.lifecycles[0].life; }

void call_incomplete(Scenery& one, IncompleteReason reason) {
  for (ToldLifecycle& told : one.account.lifecycles) told.life.incomplete = reason;
}

// As if a record had been dropped, and it was reported.
void lose_one(Scenery& one) {
  one.distorted.observations[0].dropped[0] = 1;
  one.account.losses.push_back({1, 2, 1, 0});
}

struct Damage {
  std::string_view name;
  Trouble trouble;            // kNone: held against expect_truth, else against expect_honest
  std::string_view expected;  // in a complaint; empty: there must be none
  void (*make)(Scenery& one);
};

const Damage kDamages[] = {
    {"none", Trouble::kNone, "", [](Scenery&) {}},
    {"none, honest", Trouble::kDropped, "", [](Scenery&) {}},
    {"outcome", Trouble::kNone, "truly freed_device",
     [](Scenery& one) { freed(one).outcome = Outcome::kFreedZswap; }},
    {"true outcome", Trouble::kNone, "truly aborted",
     [](Scenery& one) { one.truth[0].outcome = Outcome::kAborted; }},
    {"slot", Trouble::kNone, "entry", [](Scenery& one) { ++freed(one).entry; }},
    {"pages", Trouble::kNone, "pages", [](Scenery& one) { freed(one).nr_pages = 2; }},
    {"passes", Trouble::kNone, "passes", [](Scenery& one) { ++freed(one).passes; }},
    {"backend", Trouble::kNone, "backend",
     [](Scenery& one) { freed(one).backend = SWAPTRAIL_BACKEND_ZSWAP; }},
    {"mappings", Trouble::kNone, "mappings", [](Scenery& one) { freed(one).mapping_count = 2; }},
    {"owner", Trouble::kNone, "untrue mapping",
     [](Scenery& one) { ++freed(one).mappings[0].tgid; }},
    {"address", Trouble::kNone, "untrue mapping",
     [](Scenery& one) { freed(one).mappings[0].address += 1 << 20; }},
    {"a time that never was", Trouble::kNone, "nothing of the kind",
     [](Scenery& one) { ++freed(one).stage_ns[static_cast<size_t>(Stage::kUnmapped)]; }},
    {"a stage that is not told", Trouble::kNone, "write_end 0",
     [](Scenery& one) { freed(one).stage_ns[static_cast<size_t>(Stage::kWriteEnd)] = 0; }},
    {"a stage that was not passed", Trouble::kNone, "write_issued",
     [](Scenery& one) { one.truth[0].stage_ns[static_cast<size_t>(Stage::kWriteIssued)] = 0; }},
    {"a time of another folio", Trouble::kNone, "nothing of the kind",
     [](Scenery& one) { freed(one).stage_ns = one.account.lifecycles[1].life.stage_ns; }},
    {"no lifecycle", Trouble::kNone, "no lifecycle for",
     [](Scenery& one) { one.account.lifecycles.pop_back(); }},
    {"twice", Trouble::kNone, "no such swap-out",
     [](Scenery& one) { one.account.lifecycles.push_back(one.account.lifecycles[0]); }},
    {"no truth", Trouble::kNone, "no such swap-out",
     [](Scenery& one) { one.truth.erase(one.truth.begin()); }},
    {"incomplete", Trouble::kNone, "called incomplete",
     [](Scenery& one) { call_incomplete(one, IncompleteReason::kDropped); }},
    {"violation", Trouble::kNone, "violation",
     [](Scenery& one) {
       one.account.violations.push_back({"some_rule", 1, 0, 0, 0, ""});
     }},
    {"a loss that was none", Trouble::kNone, "told as lost",
     [](Scenery& one) {
       one.account.losses.push_back({1, 2, 1, 0});
     }},
    {"a loss that is not told", Trouble::kDropped, "truly 1",
     [](Scenery& one) { one.distorted.observations[0].dropped[0] = 1; }},
    {"late events", Trouble::kNone, "too late", [](Scenery& one) { ++one.account.merger.late; }},
    {"late events, honest", Trouble::kDropped, "too late",
     [](Scenery& one) { ++one.account.merger.late; }},
    {"violation, honest", Trouble::kDropped, "violation",
     [](Scenery& one) {
       one.account.violations.push_back({"some_rule", 1, 0, 0, 0, ""});
     }},
    {"complete and untrue", Trouble::kDropped, "called complete, but",
     [](Scenery& one) { freed(one).outcome = Outcome::kFreedClean; }},
    {"complete, and an event of it was lost", Trouble::kDropped, "called complete, but",
     [](Scenery& one) {
       lose_one(one);
       one.account.lifecycles[0].losses_before = 1;
       freed(one).stage_ns[static_cast<size_t>(Stage::kWriteIssued)] = 0;
     }},
    {"complete twice", Trouble::kDropped, "a second one",
     [](Scenery& one) { one.account.lifecycles.push_back(one.account.lifecycles[0]); }},
    {"complete, of nothing", Trouble::kDropped, "no such swap-out",
     [](Scenery& one) { one.truth.erase(one.truth.begin()); }},
    {"incomplete, and the outcome is not the true one", Trouble::kDropped, "told as aborted",
     [](Scenery& one) {
       lose_one(one);
       call_incomplete(one, IncompleteReason::kDropped);
       freed(one).outcome = Outcome::kAborted;
     }},
    {"incomplete by a loss, and there was none", Trouble::kDropped, "there was none",
     [](Scenery& one) { call_incomplete(one, IncompleteReason::kDropped); }},
    {"incomplete by the attach, and it saw the begin", Trouble::kDropped, "before the attach",
     [](Scenery& one) { call_incomplete(one, IncompleteReason::kBeforeAttach); }},
    {"incomplete by a missing hook, and none is", Trouble::kDropped, "missing hooks",
     [](Scenery& one) { call_incomplete(one, IncompleteReason::kNotHooked); }},
    {"incomplete by a full table, and none is", Trouble::kDropped, "full table",
     [](Scenery& one) { call_incomplete(one, IncompleteReason::kTableFull); }},
    {"unknown by a loss is allowed", Trouble::kDropped, "",
     [](Scenery& one) {
       lose_one(one);
       call_incomplete(one, IncompleteReason::kDropped);
       freed(one).outcome = Outcome::kUnknown;
     }},
    {"untrue time, honest", Trouble::kDropped, "nothing of the kind",
     [](Scenery& one) { ++freed(one).stage_ns[static_cast<size_t>(Stage::kRemoved)]; }},
    {"time of an event that was dropped", Trouble::kDropped, "nothing of the kind",
     [](Scenery& one) {
       for (Witness& witness : one.distorted.witnesses) witness.fate = Fate::kDropped;
     }},
    {"untrue mapping, honest", Trouble::kDropped, "untrue mapping",
     [](Scenery& one) { ++freed(one).mappings[0].tgid; }},
};

std::string complaints_of(const Damage& damage) {
  Scenery one = right_one(damage.trouble);
  damage.make(one);
  Oracle oracle(one.distorted, one.truth);
  if (damage.trouble == Trouble::kNone) {
    oracle.expect_truth(one.account);
  } else {
    oracle.expect_honest(0, one.account);
  }
  std::string all;
  for (const Complaint& complaint : oracle.complaints()) all += complaint.text + "\n";
  return all;
}

// A distortion does what it says: that many records fewer, a `lost` for each, nothing else changed.
bool drops_are_told() {
  const Scene scene = four_pages();
  uint64_t dropped = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Distortion distortion = distortion_of(scene.events.size(), Trouble::kDropped);
    distortion.seed = seed;
    distortion.drop_share = 0.1;
    distortion.any_sweep = true;
    distortion.interrupt_share = 0.5;
    const Distorted distorted = distort(distortion, scene.events);
    const Account account = watch(distorted.observations[0]);
    const size_t lost = static_cast<size_t>(
        std::count_if(distorted.witnesses.begin(), distorted.witnesses.end(),
                      [](const Witness& witness) { return witness.fate == Fate::kDropped; }));
    if (account.merger.emitted + lost != scene.events.size()) return false;
    if (account.merger.lost != lost) return false;
    dropped += lost;
  }
  return dropped > 100;
}

}  // namespace

bool self_test() {
  size_t unnoticed = 0;
  for (const Damage& damage : kDamages) {
    const std::string text = complaints_of(damage);
    const bool noticed =
        damage.expected.empty() ? text.empty() : text.find(damage.expected) != std::string::npos;
    if (noticed) continue;
    ++unnoticed;
    std::printf("not noticed: %s\n%s", std::string(damage.name).c_str(), text.c_str());
  }
  if (!drops_are_told()) {
    ++unnoticed;
    std::printf("not right: what is dropped and what is told\n");
  }
  std::printf("%zu damages, %zu not noticed\n", std::size(kDamages), unnoticed);
  return unnoticed == 0;
}

}  // namespace swaptrail::sim
