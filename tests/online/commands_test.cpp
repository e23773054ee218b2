// Each command that asks one question: what it asks, and what it prints in each format.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/api/holders_scene.h"
#include "tests/online/daemon_scene.h"
#include "tests/scene/trace_scene.h"

namespace swaptrail::online {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

std::vector<json> json_lines(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

class CommandsTest : public OnlineTest {
 protected:
  // A hook is missing, and a page was not seen.
  void make_status() {
    scene.plan.mode = {probe::Mode::kKprobe, "no fentry"};
    probe::HookPlan chosen, missing;
    chosen.hook = "unmapped";
    chosen.state = probe::HookState::kChosen;
    missing.hook = "slot_freed";
    missing.reason = "inlined";
    scene.plan.hooks = {chosen, missing};
    auto pipeline_status = std::make_shared<pipeline::PipelineStatus>();
    pipeline_status->start_ns = base::monotonic_ns();
    report::ReconcileInput input;
    input.totals.pages[SWAPTRAIL_WRITE_ISSUED] = 49'207;
    input.visible_kinds = ~uint64_t{0};
    pipeline_status->reconciliation =
        report::reconcile(input, {{"pswpout", 0}}, {{"pswpout", 49'208}});
    scene.status_board.publish(pipeline_status);
  }
  // On the thread of the pipeline, which alone may look at what is in flight.
  void on_pipeline(const std::function<void()>& act) {
    ASSERT_TRUE(
        scene.requests.ask([&](pipeline::PipelineView&) { act(); }, absl::Now() + absl::Seconds(20))
            .ok());
  }
  // 33 pages of area 2 that went out, one of them in memory too; it has 100 used slots.
  void use_areas(uint64_t cgroup) {
    scene.areas.used_bytes = 100 * 4096;
    scene.areas.put({{2, "/dev/zram0"}}, base::monotonic_ns(), scene.area_watch);
    on_pipeline([&] {
      for (uint64_t at = 1; at <= 33; ++at)
        api::send_out(scene.pipeline->ledger_, make_entry(2, at), 5'000'000, cgroup,
                      SWAPTRAIL_BACKEND_DEVICE);
      swaptrail_event read{};
      read.kind = SWAPTRAIL_SWAP_READ;
      read.entry = make_entry(2, 1);
      read.nr_pages = 1;
      read.state = SWAPTRAIL_STATE_SWAPCACHE;
      scene.pipeline->ledger_.on_event(read, 0);
    });
  }
  Lifecycle freed_pages(uint64_t id, uint64_t cgroup, uint16_t pages) const {
    Lifecycle made = life(id);
    made.cgroup = cgroup;
    made.nr_pages = pages;
    made.entry = make_entry(0, 1 + id * 1024);
    return made;
  }
};

TEST_F(CommandsTest, StatusTellsWhatIsWrong) {
  make_status();
  const Ended ended = asked({"status"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  for (const char* fact : {"swaptraild " SWAPTRAIL_VERSION " on Linux ", "kprobe: no fentry",
                           "1 of 2", "slot_freed  missing", "inlined", "4.0 MiB"})
    EXPECT_THAT(ended.out, HasSubstr(fact));
  EXPECT_THAT(ended.out, testing::ContainsRegex("pswpout +49208 +49207 +-1  pages given to"));
  EXPECT_THAT(ended.out, testing::ContainsRegex("started +20[0-9-]+ [0-9:.]+, "));
}

TEST_F(CommandsTest, StatusAsJsonIsTheContract) {
  make_status();
  daemon.queries.GetStatus.change =
      [](v1::GetStatusResponse& status) {  // what moves between two answers
        status.clear_uptime();
        status.clear_resident_bytes();
      };
  const json document = json::parse(asked({"status", "-o", "json"}).out);
  EXPECT_EQ(document["version"], SWAPTRAIL_VERSION);
  EXPECT_EQ(document["hooks"][1]["state"], "missing");
  EXPECT_EQ(document["reconciliation"][0]["difference"], "-1");
  EXPECT_EQ(document["watchers"], 0);  // also what is 0
  const auto lines = json_lines(asked({"status", "-o", "jsonl"}).out);
  ASSERT_EQ(lines.size(), 1);
  EXPECT_EQ(lines[0], document);
}

TEST_F(CommandsTest, ListFollowsPagesUpToTheLimit) {
  add_lives(3000);
  daemon.queries.ListLifecycles.before = [this](int call) {
    if (call == 1) add_lives(50'000);  // more than there is room for
  };
  const Ended ended = asked({"list", "--limit=2500", "--oldest-first", "-o", "jsonl"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  const auto lines = json_lines(ended.out);
  ASSERT_EQ(lines.size(), 2500);
  EXPECT_EQ(lines[0]["id"], "1");
  EXPECT_EQ(lines[999]["id"], "1000");
  for (size_t index = 1; index < lines.size(); ++index)
    ASSERT_LT(std::stoull(lines[index - 1]["id"].get<std::string>()),
              std::stoull(lines[index]["id"].get<std::string>()));
  EXPECT_THAT(ended.err, testing::ContainsRegex("[1-9][0-9]* lifecycles left the store"));
  ASSERT_EQ(daemon.queries.ListLifecycles.asked.size(), 3);
  EXPECT_EQ(daemon.queries.ListLifecycles.asked[0].page_token(), "");
  EXPECT_EQ(daemon.queries.ListLifecycles.asked[0].page_size(), 1000);
  EXPECT_NE(daemon.queries.ListLifecycles.asked[1].page_token(), "");
  EXPECT_NE(daemon.queries.ListLifecycles.asked[2].page_token(),
            daemon.queries.ListLifecycles.asked[1].page_token());
  EXPECT_EQ(daemon.queries.ListLifecycles.asked[2].page_size(), 500);
  EXPECT_EQ(daemon.queries.ListLifecycles.asked[2].order(), v1::LIFECYCLE_ORDER_OLDEST_FIRST);
}

TEST_F(CommandsTest, ListEndsWithTheLastPage) {
  add_lives(1);
  const json document = json::parse(asked({"list", "-o", "json"}).out);
  EXPECT_EQ(daemon.queries.ListLifecycles.asked.size(), 1);
  EXPECT_EQ(daemon.queries.ListLifecycles.asked[0].page_size(), 100);
  ASSERT_EQ(document["lifecycles"].size(), 1);
  EXPECT_EQ(document["lifecycles"][0]["outcome"], "OUTCOME_FREED_DEVICE");
  EXPECT_EQ(document["next_page_token"], "");
}

TEST_F(CommandsTest, ListAsTable) {
  add_lives(1);
  const Ended ended = asked({"list"});
  EXPECT_THAT(ended.out, testing::StartsWith("TIME "));
  EXPECT_THAT(ended.out, testing::ContainsRegex("\n[0-9:]+\\.[0-9]+ +workload/233"));
  for (const char* fact : {"0x7f8946161000", "0:131984", "freed_device", "6.51 ms", "kswapd0/72",
                           "/swaptrail-demo", "pass 2"})
    EXPECT_THAT(ended.out, HasSubstr(fact));
}

TEST_F(CommandsTest, BlockHasStagesWithTheTimeBetween) {
  const Lifecycle made = life(12'177);
  add(made);
  Return back;
  back.lifecycle_id = made.id;
  back.entry = made.entry;
  back.time_ns = made.closed_ns + 20'000'000;
  back.after_ns = 20'000'000;
  back.fault_ns = 1'450'000;
  back.major = true;
  scene.add(back);
  const std::string out = asked({"list", "--block"}).out;
  for (const char* fact :
       {"#12177  freed_device", "freed after the device had written it", "2 passes",
        "kswapd0/72 (tid 72) for kswapd", "begun by", "came back too soon", "major fault of"})
    EXPECT_THAT(out, HasSubstr(fact));
  EXPECT_THAT(out, testing::ContainsRegex("slot_allocated +\\+5.50 ms\n"));
  EXPECT_THAT(out, testing::ContainsRegex("unmapped +\\+8.00 us\n"));
  EXPECT_THAT(out, testing::ContainsRegex("removed +\\+1.00 ms\n"));
}

TEST_F(CommandsTest, BlockTellsTheWholeWayBack) {
  Lifecycle large = freed_pages(7, cgroup_, 16);
  large.entry = make_entry(0, 5632);
  add(large);
  const auto comes_back = [&](uint64_t page, ReturnHow how, uint16_t pages) {
    Return back;
    back.lifecycle_id = large.id;
    back.entry = large.entry + page;
    back.time_ns = base::monotonic_ns();
    back.how = how;
    back.nr_pages = pages;
    back.tgid = 99;
    back.owner_tgid = 233;
    back.comm = store::comm_of("gdb");
    back.fault_ns = 1'000;
    scene.add(back);
  };
  comes_back(4, ReturnHow::kSwappedIn, 2);
  comes_back(4, ReturnHow::kSwappedIn, 0);  // by somebody else
  comes_back(1, ReturnHow::kReadError, 0);
  Stay stay;
  stay.lifecycle_id = large.id;
  stay.entry = large.entry + 1;
  stay.time_ns = base::monotonic_ns();
  stay.change = StayChange::kReadaheadDropped;
  scene.store->note_stay(stay);
  const std::string out = asked({"page", "--entry=0:5633"}).out;
  EXPECT_THAT(out, testing::ContainsRegex("asked for +page 1, entry 0:5633, .*in swap\n"));
  EXPECT_THAT(out, testing::ContainsRegex("left swap +2 of 16 pages"));
  EXPECT_THAT(out,
              testing::ContainsRegex("also read +swapped_in by gdb/99 of pid 233, minor fault"));
  EXPECT_THAT(out, testing::ContainsRegex("failed +read_error"));
  EXPECT_THAT(out, testing::ContainsRegex("in swap +readahead_dropped"));
}

TEST_F(CommandsTest, APageThatNobodyNeedsDidNotStay) {
  Lifecycle gone = freed_pages(7, cgroup_, 15);
  gone.outcome = Outcome::kAborted;
  gone.abort_reason = AbortReason::kSlotGone;
  gone.backend = SWAPTRAIL_BACKEND_NONE;
  add(gone);
  const std::string out = asked({"list", "--block"}).out;
  EXPECT_THAT(out, HasSubstr("nobody needs the page any more"));
  EXPECT_THAT(out, testing::Not(HasSubstr("stayed in memory")));
  Lifecycle stayed = freed_pages(8, cgroup_, 5);
  stayed.outcome = Outcome::kAborted;
  stayed.abort_reason = AbortReason::kReferenced;
  add(stayed);
  add(freed_pages(9, cgroup_, 10));
  Return foreign;  // of no lifecycle that is known
  foreign.entry = make_entry(1, 5);
  foreign.tgid = 99;
  foreign.comm = store::comm_of("gdb");
  foreign.fault_ns = 2'000'000;
  scene.add(foreign);
  EXPECT_THAT(asked({"stats", "--by=victim_cgroup"}).out,
              testing::ContainsRegex("/swaptrail-demo +3 +30 +10 +5 +15 +0 +0"));
  EXPECT_THAT(asked({"stats", "--by=victim_process"}).out,
              testing::ContainsRegex("gdb/99 .*1 +0 +2.00 ms"));
}

TEST_F(CommandsTest, HostileNamesDoNotReachTheTerminal) {
  const std::string hostile = "a\x1b[2J\x07\n\xc2\x9b";
  Lifecycle made = life(1);
  made.cgroup = make_cgroup(hostile);
  made.mappings[0].comm = made.last.comm = store::comm_of(hostile);
  add(made);
  scene.areas.put({{0, hostile}}, base::monotonic_ns(), scene.area_watch);
  // the kernel never reports such bytes
  daemon.queries.ExplainPage.change = [&](v1::ExplainPageResponse& page) {
    page.add_explanation(hostile);
    page.add_frame_flags(hostile);
  };
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"list"},
                                             {"list", "--block"},
                                             {"page", "--entry=0:131984"},
                                             {"matrix"},
                                             {"areas"},
                                             {"stats", "--by=victim_process"}}) {
    const Ended ended = asked(command);
    EXPECT_EQ(ended.code, 0) << command[0];
    EXPECT_THAT(ended.out, HasSubstr("a?[2J???")) << command[0];
    for (const char character : ended.out)
      ASSERT_TRUE(character == '\n' || (character >= ' ' && character < 0x7f)) << command[0];
  }
}

TEST_F(CommandsTest, PageAsksInThreeWays) {
  host::PageEntry resident;
  resident.state = host::PageEntry::State::kResident;
  resident.pfn = 0x10a2b3;
  scene.tables.on_look = {resident};
  EXPECT_EQ(asked({"page", "--pid=233", "--addr=0x7f8946161010"}).code, 0);
  EXPECT_EQ(daemon.queries.ExplainPage.asked.back().virtual_page().pid(), 233);
  EXPECT_EQ(daemon.queries.ExplainPage.asked.back().virtual_page().address(), 0x7f8946161010);
  EXPECT_EQ(daemon.queries.ExplainPage.asked.back().max_history(), 20);
  EXPECT_EQ(asked({"page", "--pfn=0x10a2b3", "--history=3"}).code, 0);
  EXPECT_EQ(daemon.queries.ExplainPage.asked.back().pfn(), 0x10a2b3);
  EXPECT_EQ(daemon.queries.ExplainPage.asked.back().max_history(), 3);
  EXPECT_EQ(asked({"page", "--entry=1:131984"}).code, 0);
  EXPECT_EQ(daemon.queries.ExplainPage.asked.back().entry().type(), 1);
  EXPECT_EQ(daemon.queries.ExplainPage.asked.back().entry().offset(), 131'984);
  for (const std::vector<std::string>& bad :
       std::vector<std::vector<std::string>>{{"page"},
                                             {"page", "--pid=1"},
                                             {"page", "--addr=1"},
                                             {"page", "--entry=1"},
                                             {"page", "--pfn=1", "--entry=0:1"},
                                             {"page", "--pfn=12x"}})
    EXPECT_EQ(asked(bad).code, 2) << bad.back();
}

TEST_F(CommandsTest, PageTellsWhereItIsAndWhatIsToCome) {
  const Page page = {folio_at(9), make_entry(0, 77), 1, kAnon, 233};
  swaptrail::Scene story;
  story.now = base::monotonic_ns() - kSecond;
  story.begin();
  story.slot(page);
  story.unmap(page);
  story.write_async(page);
  on_pipeline([&] {
    for (const swaptrail_event& event : story.events) scene.pipeline->writable().on_event(event, 0);
  });
  Lifecycle before = life(5);
  before.entry = page.entry;
  before.outcome = Outcome::kAborted;
  add(before);
  host::PageEntry swapped;
  swapped.state = host::PageEntry::State::kSwapped;
  swapped.swap_offset = 77;
  scene.tables.on_look = {swapped};
  const std::vector<std::string> command = {"page", "--pid=233", "--addr=0x7f8946161000"};
  const std::string out = asked(command).out;
  for (const char* fact :
       {"swapped, entry 0:77", "still to come: write_completed, removed", "2 attempts", "#5"})
    EXPECT_THAT(out, HasSubstr(fact));
  auto with = command;
  with.insert(with.end(), {"-o", "json"});
  daemon.queries.ExplainPage.change = [](v1::ExplainPageResponse& answer) {
    answer.clear_explanation();  // has times, as of now
  };
  const json document = json::parse(asked(with).out);
  EXPECT_EQ(document["outstanding"][1], "STAGE_REMOVED");
  with.back() = "jsonl";
  EXPECT_EQ(json_lines(asked(with).out).at(0), document);
}

TEST_F(CommandsTest, StatsGroupsAndLatencies) {
  for (uint64_t group = 1; group <= 14; ++group) {
    Lifecycle made = freed_pages(group, make_cgroup("c" + std::to_string(group)),
                                 static_cast<uint16_t>(16 * (15 - group)));
    add(made);
    Return back;
    back.lifecycle_id = made.id;
    back.entry = made.entry;
    back.time_ns = made.closed_ns + 5;
    back.after_ns = 5;
    back.fault_ns = 3'000'000;
    back.reader_cgroup = made.cgroup;
    scene.add(back);
  }
  const Ended ended = asked({"stats", "--by=victim_cgroup,outcome", "--span=fault", "--groups=5"});
  const v1::QueryStatsRequest& request = daemon.queries.QueryStats.asked.back();
  ASSERT_EQ(request.group_by_size(), 2);
  EXPECT_EQ(request.group_by(0), v1::STATS_GROUP_VICTIM_CGROUP);
  EXPECT_EQ(request.group_by(1), v1::STATS_GROUP_OUTCOME);
  EXPECT_EQ(request.spans(0), v1::LATENCY_SPAN_FAULT);
  EXPECT_EQ(request.max_groups(), 5);
  EXPECT_THAT(ended.out, testing::ContainsRegex("/c1 . freed_device +1 +224"));
  EXPECT_THAT(ended.out, testing::ContainsRegex("\\(9 others\\) +9 +720"));
  EXPECT_THAT(ended.out, testing::ContainsRegex("/c1 [|] freed_device +fault +1 +3.00 ms"));
  const std::vector<std::string> command = {"stats", "--by=victim_cgroup,outcome", "--groups=5"};
  auto with = command;
  with.insert(with.end(), {"-o", "json"});
  EXPECT_EQ(json::parse(asked(with).out)["other_groups"], "9");
  with.back() = "jsonl";
  EXPECT_EQ(json_lines(asked(with).out).at(0)["pages"], "224");
  EXPECT_EQ(asked({"stats", "--by=outcome,backend,device,origin"}).code, 2);
  EXPECT_EQ(asked({"stats", "--by=colour"}).code, 2);
}

TEST_F(CommandsTest, Matrix) {
  const uint64_t victim = make_cgroup("victim");
  for (uint64_t id = 1; id <= 4; ++id) {
    Lifecycle made = freed_pages(id, victim, 50);
    made.first.origin = made.last.origin = SWAPTRAIL_ORIGIN_DIRECT;
    made.last.tgid = made.last.tid = 9;
    made.last.comm = store::comm_of("greedy");
    add(made);
    if (id != 1) continue;
    Return back;
    back.lifecycle_id = made.id;
    back.entry = made.entry;
    back.nr_pages = made.nr_pages;
    back.time_ns = made.closed_ns + 5;
    back.after_ns = 5;
    scene.add(back);
  }
  add(freed_pages(5, victim, 3));
  const Ended ended = asked({"matrix", "--cells=1", "--cgroup=/victim"});
  EXPECT_EQ(daemon.queries.GetMatrix.asked.back().max_cells(), 1);
  EXPECT_EQ(daemon.queries.GetMatrix.asked.back().filter().cgroup(), "/victim");
  EXPECT_THAT(ended.out, testing::ContainsRegex("/victim +greedy/9 +direct +200 +50 +25.0 %"));
  EXPECT_THAT(ended.out, HasSubstr("and 3 pages"));
  EXPECT_EQ(json::parse(asked({"matrix", "--cells=1", "-o", "json"}).out)["other_pages"], "3");
  EXPECT_EQ(json_lines(asked({"matrix", "-o", "jsonl"}).out).at(0)["origin"], "ORIGIN_DIRECT");
}

TEST_F(CommandsTest, Areas) {
  use_areas(make_cgroup("db"));
  const std::string out = asked({"areas"}).out;
  EXPECT_THAT(out, testing::ContainsRegex("2 +100 +32 +1 +0 +67  [a-z]"));
  EXPECT_THAT(out, testing::ContainsRegex("2 +/dev/zram0 +1.0 MiB +[0-9.]+ KiB +[0-9.]+ %"));
  EXPECT_THAT(out, testing::ContainsRegex("2 +/db +32"));
  EXPECT_THAT(out, testing::ContainsRegex("2 +[0-9.]+ [a-z]+ +32"));
  const json document = json::parse(asked({"areas", "-o", "json"}).out);
  EXPECT_EQ(document["areas"][0]["type"], 2);
  EXPECT_EQ(json_lines(asked({"areas", "-o", "jsonl"}).out).at(0)["path"], "/dev/zram0");
  scene.areas.put({{host::kTypeNotKnown, "/swap"}}, base::monotonic_ns(), scene.area_watch);
  EXPECT_THAT(asked({"areas"}).out, testing::ContainsRegex("\\? +/swap"));
  scene.areas.put({}, base::monotonic_ns(), scene.area_watch);
  EXPECT_EQ(asked({"areas"}).out, "no swap area is on\n");
}

TEST_F(CommandsTest, SwapoffPlan) {
  use_areas(make_cgroup("db"));
  const std::string out = asked({"swapoff-plan", "/dev/zram0"}).out;
  for (const char* fact :
       {"swapoff +memory suffices", "whose 67 of the pages are is not known",
        "to bring back +396.0 KiB of 400.0 KiB", "takes +not known: nothing has come back",
        "v/5000000|victim/5000000", "/db +128.0 KiB +- *\n"})
    EXPECT_THAT(out, testing::ContainsRegex(fact));
  EXPECT_THAT(out, Not(HasSubstr("progress")));
  EXPECT_EQ(json::parse(asked({"swapoff-plan", "/dev/zram0", "-o", "json"}).out)["need_pages"],
            "99");
  EXPECT_EQ(asked({"swapoff-plan", "/dev/none"}).code, 9);
  EXPECT_EQ(asked({"swapoff-plan"}).code, 2);
}

// It follows a swapoff to its end.
TEST_F(CommandsTest, SwapoffIsWatched) {
  use_areas(make_cgroup("db"));
  const auto swap_off = [&](uint64_t page, uint32_t tgid) {
    on_pipeline([&] {
      swaptrail_event event{};
      event.kind = SWAPTRAIL_SLOT_FREED;
      event.entry = make_entry(2, page);
      event.nr_pages = 1;
      event.state = SWAPTRAIL_STATE_SWAPOFF;
      event.tgid = tgid;
      event.time_ns = base::monotonic_ns();
      scene.pipeline->ledger_.on_event(event, 0);
    });
  };
  swap_off(1, static_cast<uint32_t>(getpid()));
  int asked_before = 0;
  daemon.queries.GetSwapoffPlan.change = [&](v1::GetSwapoffPlanResponse&) {
    if (++asked_before == 2)
      scene.areas.put({{1, "/dev/other"}}, base::monotonic_ns(), scene.area_watch);
  };
  const Ended gone = asked({"swapoff-plan", "/dev/zram0", "--watch"});
  EXPECT_EQ(gone.code, 0) << gone.err;
  EXPECT_THAT(gone.out, testing::ContainsRegex("1.0 %: 1 page back, 100 left"));
  EXPECT_THAT(gone.out, HasSubstr("/dev/zram0 is off\n"));

  use_areas(make_cgroup("db"));
  swap_off(2, static_cast<uint32_t>(getpid()));
  daemon.queries.GetSwapoffPlan.change = [&](v1::GetSwapoffPlanResponse& plan) {
    if (++asked_before == 5) plan.mutable_progress()->set_running(false);
  };
  const Ended given_up = asked({"swapoff-plan", "/dev/zram0", "--watch"});
  EXPECT_EQ(given_up.code, 1);
  EXPECT_THAT(given_up.out, HasSubstr("which does not go on"));
}

TEST_F(CommandsTest, Readahead) {
  scene.areas.put({{2, "/dev/nvme0n1"}}, base::monotonic_ns(), scene.area_watch);
  EXPECT_THAT(asked({"readahead"}).out, HasSubstr("nothing was read into the swap cache yet"));
  on_pipeline([&] {
    scene.pipeline->readahead_now.rows = {
        {2, make_cgroup("db"), {.read = 100, .wanted = 20, .used = 30, .dropped = 10}},
        {2, 0, {.read = 7}}};
  });
  const std::string out = asked({"readahead"}).out;
  EXPECT_THAT(out, testing::ContainsRegex("/dev/nvme0n1 +/db +100 +20 +30 +10 +40 +25.0 %"));
  EXPECT_THAT(out, testing::ContainsRegex("/dev/nvme0n1 +[(]not known[)] +7 +0 +0 +0 +7 +-"));
  EXPECT_THAT(out, testing::ContainsRegex("[(]all[)] +107"));
  EXPECT_THAT(out, HasSubstr("reads ahead"));
  EXPECT_THAT(asked({"readahead", "--rows=1"}).out, HasSubstr("(1 more)"));
}

TEST_F(CommandsTest, Holders) {
  scene.areas.put({{2, "/dev/zram0"}}, base::monotonic_ns(), scene.area_watch);
  EXPECT_THAT(asked({"holders"}).out, HasSubstr("nobody known holds swap"));
  on_pipeline([&] {
    swaptrail_event event{};
    event.kind = SWAPTRAIL_SLOT_ALLOCATED;
    event.nr_pages = 33;
    event.entry = make_entry(2, 1);
    event.state = SWAPTRAIL_STATE_ANON;
    scene.pipeline->ledger_.on_event(event, 0);
    event.kind = SWAPTRAIL_UNMAPPED_ONE;
    event.result = 1;
    event.u.map.owner = 5'000'000;  // there is no such process
    event.u.map.ptes = 32;
    event.u.map.comm[0] = 'v';
    scene.pipeline->ledger_.on_event(event, 0);
  });
  const std::string out = asked({"holders", "--rows=5"}).out;
  EXPECT_EQ(daemon.queries.GetHolders.asked.back().max_rows(), 5);
  EXPECT_THAT(out, testing::ContainsRegex(
                       "v/5000000 [(]ended[)] +128.0 KiB +- +97.0 % +0 +0 +0 +32 +32 +0 +0 +0 +0"));
  EXPECT_THAT(out, HasSubstr("(nobody known)"));
  EXPECT_THAT(out, testing::ContainsRegex("2 +/dev/zram0 +[0-9]+ +33 +-?[0-9]+ +[a-z0-9]"));
  EXPECT_THAT(asked({"holders", "--by=area"}).out,
              testing::ContainsRegex("2 /dev/zram0 +132.0 KiB +- +100.0 %"));
  EXPECT_THAT(asked({"holders", "--by=cgroup"}).out, testing::ContainsRegex("132.0 KiB"));
  EXPECT_EQ(json::parse(asked({"holders", "-o", "json"}).out)["rows"][0]["pages"], "32");
  EXPECT_EQ(json_lines(asked({"holders", "-o", "jsonl"}).out).at(0)["process"]["pid"], 5000000);
  EXPECT_EQ(asked({"holders", "--by=nothing"}).code, 2);
  scene.areas.put({{host::kTypeNotKnown, "/swap"}}, base::monotonic_ns(), scene.area_watch);
  EXPECT_THAT(asked({"holders"}).out, testing::ContainsRegex("\\? +/swap +- +- +-"));
}

TEST_F(CommandsTest, ViolationsAreFound) {
  EXPECT_EQ(asked({"violations"}).code, 0);
  for (uint64_t id = 1; id <= 7; ++id)
    scene.store->note_violation(
        {"freed_twice", id, folio_at(id), make_entry(0, id), base::monotonic_ns(), "seen twice"});
  daemon.queries.ListViolations.asked.clear();
  const Ended ended = asked({"violations", "--limit=5"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(daemon.queries.ListViolations.asked.at(0).page_size(), 5);
  EXPECT_EQ(daemon.queries.ListViolations.asked.size(), 1);
  EXPECT_THAT(ended.out, HasSubstr("freed_twice"));
  EXPECT_THAT(ended.out, HasSubstr("7 since the start"));
  EXPECT_EQ(json::parse(asked({"violations", "-o", "json"}).out)["total"], "7");
  EXPECT_EQ(json_lines(asked({"violations", "-o", "jsonl"}).out).at(0)["rule"], "freed_twice");
}

// A page is cut short only by the size of a message, which violations never reach: so the relay cuts.
TEST_F(CommandsTest, ViolationsPageByPage) {
  for (uint64_t id = 1; id <= 7; ++id)
    scene.store->note_violation(
        {"freed_twice", id, folio_at(id), make_entry(0, id), base::monotonic_ns(), "seen twice"});
  std::string token;
  daemon.queries.ListViolations.change = [&](v1::ListViolationsResponse& page) {
    if (page.violations_size() < 5) return;
    page.mutable_violations()->RemoveLast();
    token = page.next_page_token();
  };
  EXPECT_EQ(asked({"violations", "--limit=5"}).code, 1);
  ASSERT_EQ(daemon.queries.ListViolations.asked.size(), 2);
  EXPECT_EQ(daemon.queries.ListViolations.asked[1].page_size(), 1);
  EXPECT_NE(token, "");
  EXPECT_EQ(daemon.queries.ListViolations.asked[1].page_token(), token);
}

TEST_F(CommandsTest, Flight) {
  scene.pipeline->flight_since_ns = base::monotonic_ns() - kSecond;
  const Ended ended = asked({"flight", "--reason=slow-login"});
  EXPECT_EQ(daemon.flight.asked.back().reason(), "slow-login");
  EXPECT_THAT(ended.out, testing::MatchesRegex("/flight/slow-login\nreaches back to "
                                               "20[0-9-]+ [0-9:.]+\n"));
  const json document = json::parse(asked({"flight", "-o", "json"}).out);
  EXPECT_EQ(document["paths"][0], "/flight/swaptrail");
  EXPECT_THAT(document["since"].get<std::string>(), testing::EndsWith("Z"));
  EXPECT_EQ(json_lines(asked({"flight", "-o", "jsonl"}).out).at(0)["paths"], document["paths"]);
  scene.pipeline->flight = false;
  const Ended none = asked({"flight"});
  EXPECT_EQ(none.code, 10);
  EXPECT_THAT(none.err, HasSubstr("no flight recorder is running"));
}

}  // namespace
}  // namespace swaptrail::online
