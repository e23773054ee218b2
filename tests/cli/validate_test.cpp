// swaptrail validate: recordings against the model; what it says of those that
// can't be.
#include <gmock/gmock.h>

#include <algorithm>

#include "cli/offline/slot_shares.h"
#include "engine/steps/features.h"
#include "tests/scene/cli_scene.h"
#include "trace/recording/file.h"
#include "validate/in_step.h"

namespace swaptrail::offline {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string golden(const std::string& name) {
  return std::string(SWAPTRAIL_TEST_DATA) + "/recordings/" + name + ".swaptrail";
}

// A real recording, to be changed: its header, notes and stream.
struct Recorded {
  recording::RecordingContents contents;
  std::vector<StreamItem> items;
};

Recorded open_golden(const std::string& name) {
  auto source = recording::FileSource::open(golden(name)).value();
  auto reader = recording::RecordingReader::open(*source).value();
  StreamSink sink;
  EXPECT_TRUE(reader->for_each(sink).ok());
  return {reader->contents(), std::move(sink.items)};
}

std::string text_of(const Recorded& recorded) {
  recording::StringSink sink;
  auto writer = recording::RecordingWriter::create(sink, recorded.contents.header).value();
  for (const recording::SwapArea& area : recorded.contents.areas)
    EXPECT_TRUE(writer->add(area).ok());
  for (const recording::Reading& reading : recorded.contents.readings)
    EXPECT_TRUE(writer->add(reading).ok());
  for (const StreamItem& item : recorded.items) EXPECT_TRUE(add_item(*writer, item).ok());
  EXPECT_TRUE(writer->finish(recorded.contents.end_ns).ok());
  return std::move(sink.text);
}

// The event of that kind that comes `nth`, from 0.
size_t find_kind(const std::vector<StreamItem>& items, uint8_t kind, size_t nth = 0) {
  for (size_t index = 0; index < items.size(); ++index)
    if (!items[index].is_loss && items[index].event.kind == kind && nth-- == 0) return index;
  ADD_FAILURE() << "no such event";
  return 0;
}

class Validate : public CliTest {
 protected:
  Ran run(const Recorded& recorded, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), {"validate", put("changed", text_of(recorded))});
    return run_cli(flags);
  }
};

TEST_F(Validate, ARealRecordingHoldsAndMuchOfItIsForetold) {
  for (const char* name : {"5.10-nvme-clean", "6.12-zram-pageout", "7.3-zswap-pageout"}) {
    const Ran ran = run_cli({"validate", golden(name), "--print=jsonl"});
    EXPECT_EQ(ran.code, 0) << name << ran.out << ran.err;
    EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 1) << "the summary only";
    EXPECT_THAT(ran.out, HasSubstr("{\"type\":\"validation\",\"subject\":\"Linux "));
    EXPECT_EQ(number_in(ran.out, "findings"), 0u);
    EXPECT_EQ(number_in(ran.out, "agreed"), number_in(ran.out, "lifecycles"));
    EXPECT_GE(number_in(ran.out, "lifecycles"), 1024u);
    EXPECT_GT(number_in(ran.out, "predictions"), number_in(ran.out, "events") / 3);
    EXPECT_GE(number_in(ran.out, "allocations"), 1024u);
  }
}

TEST_F(Validate, ASampleChecksOneFolioInSoMany) {
  const Ran all = run_cli({"validate", golden("6.12-zram-pageout"), "--print=jsonl"});
  const Ran some =
      run_cli({"validate", golden("6.12-zram-pageout"), "--print=jsonl", "--sample=4"});
  EXPECT_EQ(some.code, 0) << some.out;
  EXPECT_EQ(number_in(some.out, "agreed"), number_in(some.out, "lifecycles"));
  EXPECT_GT(number_in(some.out, "lifecycles"), number_in(all.out, "lifecycles") / 8);
  EXPECT_LT(number_in(some.out, "lifecycles"), number_in(all.out, "lifecycles") / 2);
  EXPECT_EQ(run_cli({"validate", golden("6.12-zram-pageout"), "--sample=0"}).code, 2);
}

TEST_F(Validate, TextTellsWhatWasTakenAndWhatForetold) {
  const Ran ran = run_cli({"validate", golden("6.12-zram-pageout")});
  EXPECT_EQ(ran.code, 0);
  for (const char* part : {"0 findings in 8196 events of Linux 6.12", "passes of folios",
                           "foretold", "Taken from the stream", "entered", "Lifecycles", "agreed",
                           "Slots foretold", "/dev/zram0, 1024 allocations"})
    EXPECT_THAT(ran.out, HasSubstr(part));
  EXPECT_THAT(ran.out, Not(HasSubstr("Rules broken")));
}

TEST_F(Validate, AChangedEventIsFoundAndToldWithoutAddresses) {
  Recorded recorded = open_golden("6.12-zram-pageout");
  const size_t at = find_kind(recorded.items, SWAPTRAIL_REMOVED, 100);
  recorded.items[at].event.state |= SWAPTRAIL_STATE_DIRTY;
  const Ran ran = run(recorded);
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("(mm/"), HasSubstr(", pfn "), HasSubstr(", slot 0:"),
                             HasSubstr(" workload\n"), HasSubstr("Rules broken")));
  EXPECT_THAT(ran.out, Not(HasSubstr("0xffff")));
  const Ran json = run(recorded, {"--print=jsonl"});
  EXPECT_THAT(json.out, HasSubstr("{\"type\":\"finding\",\"kind\":\"violation\",\"rule\":\""));
  EXPECT_THAT(json.out, Not(HasSubstr("ffffea")));
  EXPECT_GE(number_in(json.out.substr(json.out.find("\"validation\"")), "findings"), 1u);
  EXPECT_EQ(run(recorded, {"--print=none"}).out, "");
  EXPECT_EQ(run(recorded, {"--print=none"}).code, 1);
}

TEST_F(Validate, AnEventThatIsMissingWithoutALossIsFound) {
  Recorded recorded = open_golden("6.12-zram-pageout");
  recorded.items.erase(recorded.items.begin() +
                       static_cast<ptrdiff_t>(find_kind(recorded.items, SWAPTRAIL_UNMAPPED, 7)));
  const Ran ran = run(recorded, {"--print=jsonl"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("\"kind\":\"loss\",\"rule\":\"sequence_gap\""));
}

TEST_F(Validate, ALossThatIsToldHidesNothingElseAndIsNoFinding) {
  Recorded recorded = open_golden("6.12-zram-pageout");
  const size_t at = find_kind(recorded.items, SWAPTRAIL_UNMAPPED, 7);
  const swaptrail_event gone = recorded.items[at].event;
  recorded.items.erase(recorded.items.begin() + static_cast<ptrdiff_t>(at));
  size_t next = at;
  while (recorded.items[next].event.cpu != gone.cpu) ++next;
  const uint64_t told_ns = recorded.items[next].event.time_ns;
  recorded.items.insert(recorded.items.begin() + static_cast<ptrdiff_t>(next),
                        {true, {}, 0, {gone.time_ns - 1, told_ns, 1, gone.cpu}});
  const Ran ran = run(recorded, {"--print=jsonl"});
  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_EQ(number_in(ran.out, "losses"), 1u);
  EXPECT_GE(number_in(ran.out, "not_compared"), 1u);
}

TEST_F(Validate, TheRestIsCountedBeyondTheMaximum) {
  Recorded recorded = open_golden("6.12-zram-pageout");
  for (size_t nth = 0; nth < 20; ++nth)
    recorded.items[find_kind(recorded.items, SWAPTRAIL_REMOVED, 10 * nth)].event.state |=
        SWAPTRAIL_STATE_DIRTY;
  const Ran ran = run(recorded, {"--print=jsonl", "--max-findings=3"});
  size_t told = 0;
  for (size_t at = 0; (at = ran.out.find("\"type\":\"finding\"", at)) != std::string::npos; ++at)
    ++told;
  EXPECT_EQ(told, 3u);
  EXPECT_GE(number_in(ran.out.substr(ran.out.find("\"validation\"")), "findings"), 20u);
}

TEST_F(Validate, TheMiddleOfARecordingHoldsToo) {
  const Recorded recorded = open_golden("6.12-nvme-shmem");
  const uint64_t start = recorded.contents.header.reconstruction.start_ns;
  std::vector<uint64_t> times;
  for (const auto& item : recorded.items)
    if (!item.is_loss) times.push_back(item.event.time_ns);
  const auto at = [&](uint64_t ninth) {
    return std::to_string(times[(times.size() - 1) * ninth / 9] - start) + "ns";
  };
  for (uint64_t part = 1; part < 8; ++part) {
    const std::string from = "--from=" + at(part);
    const std::string to = "--to=" + at(part + 2);
    const Ran ran = run_cli({"validate", golden("6.12-nvme-shmem"), from, to, "--print=jsonl"});
    EXPECT_EQ(ran.code, 0) << from << " " << to << "\n" << ran.out;
    EXPECT_GT(number_in(ran.out, "events"), 0u);
  }
}

TEST_F(Validate, RulesAreListed) {
  const Ran text = run_cli({"validate", "--rules"});
  EXPECT_EQ(text.code, 0);
  EXPECT_THAT(text.out, AllOf(HasSubstr("slot_in_use\n"), HasSubstr("shrink_folio_list")));
  const Ran json = run_cli({"validate", "--rules", "--print=jsonl"});
  EXPECT_EQ(std::count(json.out.begin(), json.out.end(), '\n'),
            static_cast<ptrdiff_t>(engine::Rule::kCount));
}

TEST_F(Validate, WhatCannotBeValidatedIsRefusedWithTheReason) {
  Recorded recorded = open_golden("6.12-nvme-thp");
  recording::RecordingHeader& header = recorded.contents.header;
  const recording::RecordingHeader good = header;
  header.mode = "tracepoint";
  const Ran mode = run(recorded);
  EXPECT_EQ(mode.code, 2);
  EXPECT_THAT(mode.err, AllOf(HasSubstr("changed: mode tracepoint"), HasSubstr("can be checked")));
  EXPECT_EQ(mode.out, "");

  header = good;
  for (recording::RecordedHook& hook : header.hooks)
    if (hook.hook == "slot_allocated") hook.target = "a_swap_of_tomorrow";
  for (recording::RecordedHook& hook : header.hooks)
    if (hook.hook == "slot_freed") hook.target = "b_swap_of_tomorrow";
  const Ran unknown = run(recorded);
  EXPECT_EQ(unknown.code, 2) << unknown.out;
  EXPECT_THAT(unknown.err, HasSubstr("_swap_of_tomorrow"));

  header = good;
  for (recording::RecordedHook& hook : header.hooks)
    if (hook.hook == "reclaim_batch") hook.state = "missing";
  const Ran missing = run(recorded);
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("reclaim_batch"));
}

TEST_F(Validate, WhatAHookWouldHaveShownIsSaidToBeUnchecked) {
  Recorded recorded = open_golden("6.12-nvme-thp");
  for (recording::RecordedHook& hook : recorded.contents.header.hooks) {
    if (hook.hook != "zswap_loaded") continue;
    hook.state = "missing";
    hook.costs = "whether a read was served by zswap";
    hook.reason = "inlined";
  }
  recorded.contents.header.reconstruction.visible_kinds &=
      ~lifecycles::kind_bit(SWAPTRAIL_ZSWAP_LOADED);
  const Ran ran = run(recorded);
  EXPECT_EQ(ran.code, 0) << ran.out;
  EXPECT_THAT(ran.err, HasSubstr("not checked: whether a read was served by zswap; hook "
                                 "zswap_loaded is missing: inlined"));
}

TEST_F(Validate, RefusesBadFlagsAndFiles) {
  const std::string file = golden("6.12-nvme-thp");
  for (const char* bad : {"--print=xml", "--max-findings=x", "--from=yesterday", "--surplus"})
    EXPECT_EQ(run_cli({"validate", file, bad}).code, 2) << bad;
  EXPECT_EQ(run_cli({"validate"}).code, 2);
  EXPECT_EQ(run_cli({"validate", path("none")}).code, 2);
  EXPECT_EQ(run_cli({"validate", file, file}).code, 2);
}

TEST_F(Validate, DamageEndsItAfterWhatStandsBefore) {
  const Recorded recorded = open_golden("6.12-zram-pageout");
  const std::string whole = text_of(recorded);
  const Ran torn = run_cli({"validate", put("torn", whole.substr(0, whole.size() * 2 / 3))});
  EXPECT_EQ(torn.code, 1);
  EXPECT_THAT(torn.err, HasSubstr("torn"));
  EXPECT_THAT(torn.out, HasSubstr(" findings in "));
}

// Fed with the ways of another kernel, or with scrambled CPUs, the shares must
// fall.
TEST(SlotShares, AreOnlyGoodWithTheRightModel) {
  const Recorded recorded = open_golden("7.3-nvme-shmem");
  const auto allocations =
      std::count_if(recorded.items.begin(), recorded.items.end(), [](const StreamItem& item) {
        return item.event.kind == SWAPTRAIL_SLOT_ALLOCATED && item.event.result == 0;
      });
  ASSERT_GT(allocations, 1000);
  const auto exact_of = [&](const char* kernel, uint16_t cpu_flip) {
    SlotShares shares(engine::features_named(kernel).value(), 2, true);
    for (const recording::SwapArea& area : recorded.contents.areas) shares.on_area(area);
    for (const StreamItem& item : recorded.items) {
      swaptrail_event event = item.event;
      if (item.sequence % 3 == 0) event.cpu ^= cpu_flip;
      shares.on_event(event);
    }
    std::string json = "{";
    shares.append_json(json);
    EXPECT_EQ(number_in(json, "allocations"), static_cast<uint64_t>(allocations));
    return number_in(json, "exact");
  };
  const uint64_t right = exact_of("7.3", 0);
  EXPECT_LT(exact_of("5.10", 0), right);
  EXPECT_LT(exact_of("7.3", 1), right);
}

TEST(SlotShares, AnAreaIsFreshIfNothingWasEverSwappedOut) {
  recording::Reading reading;
  EXPECT_FALSE(was_fresh(reading)) << "nothing is known";
  reading.vmstat = {{"pswpin", 3}, {"pswpout", 0}};
  EXPECT_TRUE(was_fresh(reading));
  reading.vmstat.emplace_back("zswpout", 1);
  EXPECT_FALSE(was_fresh(reading));
}

// The lockstep hears of a lifecycle after the event that closed it.
TEST(InStep, HandsOnEverythingAndFinishes) {
  const Recorded recorded = open_golden("6.12-zram-pageout");
  struct NoFindings : engine::FindingSink {
    void on_finding(const engine::Finding& finding) override { ADD_FAILURE() << finding.text; }
  } findings;
  Kept alone, beside;
  lifecycles::Reconstructor reconstructor(recorded.contents.header.reconstruction, alone);
  validate::InStep in_step(validate::lockstep_options(recorded.contents.header).value(), findings,
                           beside);
  lifecycles::Reconstructor second(recorded.contents.header.reconstruction, in_step.lifecycles());
  in_step.hand_on_to(second);
  for (const recording::SwapArea& area : recorded.contents.areas) in_step.on_area(area);
  for (const StreamItem& item : recorded.items) {
    reconstructor.on_event(item.event, item.sequence);
    in_step.on_event(item.event, item.sequence);
  }
  reconstructor.finish(recorded.contents.end_ns);
  in_step.finish(recorded.contents.end_ns);
  EXPECT_EQ(alone.lifecycles.size(), beside.lifecycles.size());
  EXPECT_EQ(in_step.counters().events, recorded.items.size());
  EXPECT_EQ(in_step.counters().lifecycles + in_step.counters().not_compared,
            beside.lifecycles.size());
}

}  // namespace
}  // namespace swaptrail::offline
