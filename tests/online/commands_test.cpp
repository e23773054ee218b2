// Each command that asks one question: what it asks, and what it prints in each format.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/online/fake_daemon.h"

namespace swaptrail {
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
  void make_status() {
    daemon.status.set_version("0.1.0");
    daemon.status.set_kernel_release("6.12.9");
    daemon.status.set_mode("kprobe");
    daemon.status.set_mode_reason("no fentry");
    daemon.status.mutable_started()->set_seconds(1'700'000'000);
    daemon.status.mutable_uptime()->set_seconds(90);
    v1::Hook& chosen = *daemon.status.add_hooks();
    chosen.set_name("unmapped");
    chosen.set_state("chosen");
    v1::Hook& missing = *daemon.status.add_hooks();
    missing.set_name("slot_freed");
    missing.set_state("missing");
    missing.set_reason("inlined");
    daemon.status.mutable_loss()->set_emitted(1000);
    v1::Reconciliation& row = *daemon.status.add_reconciliation();
    row.set_counter("pswpout");
    row.set_kernel(49'208);
    row.set_ours(49'207);
    row.set_difference(-1);
    daemon.status.mutable_store()->set_max_bytes(64 << 20);
  }
};

TEST_F(CommandsTest, StatusTellsWhatIsWrong) {
  make_status();
  const Ended ended = asked({"status"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  for (const char* fact : {"swaptraild 0.1.0 on Linux 6.12.9", "kprobe: no fentry", "1 of 2",
                           "slot_freed  missing", "inlined", "64.0 MiB", "2023-11-14 22:13:20.000"})
    EXPECT_THAT(ended.out, HasSubstr(fact));
  EXPECT_THAT(ended.out, testing::ContainsRegex("pswpout +49208 +49207 +-1\n"));
}

TEST_F(CommandsTest, StatusAsJsonIsTheContract) {
  make_status();
  const json document = json::parse(asked({"status", "-o", "json"}).out);
  EXPECT_EQ(document["kernel_release"], "6.12.9");
  EXPECT_EQ(document["hooks"][1]["state"], "missing");
  EXPECT_EQ(document["reconciliation"][0]["difference"], "-1");
  EXPECT_EQ(document["watchers"], 0);  // also what is 0
  const auto lines = json_lines(asked({"status", "-o", "jsonl"}).out);
  ASSERT_EQ(lines.size(), 1);
  EXPECT_EQ(lines[0], document);
}

TEST_F(CommandsTest, StatusCheckFindsEachTrouble) {
  EXPECT_EQ(asked({"status", "--check"}).code, 0);
  const std::function<void(v1::GetStatusResponse&)> troubles[] = {
      [](auto& status) { status.add_hooks()->set_state("missing"); },
      [](auto& status) { status.add_reconciliation()->set_difference(-1); },
      [](auto& status) { status.set_violations(1); },
      [](auto& status) { status.mutable_validation()->set_findings(1); },
      [](auto& status) { status.mutable_loss()->set_dropped_ring_full(1); },
  };
  for (const auto& trouble : troubles) {
    daemon.status.Clear();
    trouble(daemon.status);
    EXPECT_EQ(asked({"status", "--check"}).code, 1) << daemon.status.ShortDebugString();
  }
  daemon.status.Clear();
  daemon.status.add_reconciliation()->set_difference(-1);
  daemon.status.mutable_reconciliation(0)->set_note("pages given to a swap device");
  EXPECT_EQ(asked({"status", "--check"}).code, 1);  // every row has a note: it excuses nothing
  daemon.status.mutable_reconciliation(0)->set_allowance(1);
  EXPECT_EQ(asked({"status", "--check"}).code, 0);
}

TEST_F(CommandsTest, ListFollowsPagesUpToTheLimit) {
  for (int page = 0; page < 3; ++page) {
    v1::ListLifecyclesResponse& response = daemon.lists.emplace_back();
    for (uint64_t id = 0; id < 1000; ++id)
      *response.add_lifecycles() = made_lifecycle(uint64_t(page) * 1000 + id);
    response.set_next_page_token("after " + std::to_string(page));
  }
  daemon.lists[1].set_evicted_between(7);
  daemon.lists[2].mutable_lifecycles()->DeleteSubrange(500, 500);
  const Ended ended = asked({"list", "--limit=2500", "--oldest-first", "-o", "jsonl"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  const auto lines = json_lines(ended.out);
  ASSERT_EQ(lines.size(), 2500);
  EXPECT_EQ(lines[2499]["id"], "2499");
  EXPECT_THAT(ended.err, HasSubstr("7 lifecycles left the store"));
  ASSERT_EQ(daemon.listed.size(), 3);
  EXPECT_EQ(daemon.listed[0].page_token(), "");
  EXPECT_EQ(daemon.listed[0].page_size(), 1000);
  EXPECT_EQ(daemon.listed[1].page_token(), "after 0");
  EXPECT_EQ(daemon.listed[2].page_token(), "after 1");
  EXPECT_EQ(daemon.listed[2].page_size(), 500);
  EXPECT_EQ(daemon.listed[2].order(), v1::LIFECYCLE_ORDER_OLDEST_FIRST);
}

TEST_F(CommandsTest, ListEndsWithTheLastPage) {
  *daemon.lists.emplace_back().add_lifecycles() = made_lifecycle(1);
  const json document = json::parse(asked({"list", "-o", "json"}).out);
  EXPECT_EQ(daemon.listed.size(), 1);
  EXPECT_EQ(daemon.listed[0].page_size(), 100);
  ASSERT_EQ(document["lifecycles"].size(), 1);
  EXPECT_EQ(document["lifecycles"][0]["outcome"], "OUTCOME_FREED_DEVICE");
  EXPECT_EQ(document["next_page_token"], "");
}

TEST_F(CommandsTest, ListAsTable) {
  *daemon.lists.emplace_back().add_lifecycles() = made_lifecycle(1);
  const Ended ended = asked({"list"});
  EXPECT_THAT(ended.out, testing::StartsWith("TIME "));
  for (const char* fact : {"22:13:20.123456", "workload/233", "0x7f8946161000", "0:131984",
                           "freed_device", "6.51 ms", "kswapd0/72", "/swaptrail-demo", "pass 2"})
    EXPECT_THAT(ended.out, HasSubstr(fact));
}

TEST_F(CommandsTest, BlockHasStagesWithTheTimeBetween) {
  v1::Lifecycle& lifecycle = *daemon.lists.emplace_back().add_lifecycles();
  lifecycle = made_lifecycle(12'177);
  lifecycle.set_regretted(true);
  lifecycle.mutable_returned()->set_how(v1::RETURN_HOW_SWAPPED_IN);
  lifecycle.mutable_returned()->set_after_ns(2'000'000'000);
  lifecycle.mutable_returned()->set_fault_ns(1'450'000);
  lifecycle.mutable_returned()->set_major(true);
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
  v1::Lifecycle& lifecycle = *daemon.page.add_history();
  lifecycle = made_lifecycle(7);
  lifecycle.set_nr_pages(16);
  lifecycle.set_gone_pages(2);
  lifecycle.mutable_asked()->set_index(1);
  lifecycle.mutable_asked()->mutable_entry()->set_offset(5633);
  lifecycle.mutable_asked()->set_in_swap(true);
  v1::Return& also = *lifecycle.add_later();
  also.set_how(v1::RETURN_HOW_SWAPPED_IN);
  also.set_owner_pid(233);
  also.mutable_process()->set_pid(99);
  also.mutable_process()->set_comm("gdb");
  also.set_fault_ns(1'000);
  v1::Return& failed = *lifecycle.add_later();
  failed.set_how(v1::RETURN_HOW_READ_ERROR);
  v1::Stay& stay = *lifecycle.add_stays();
  stay.set_change(v1::STAY_CHANGE_READAHEAD_DROPPED);
  const std::string out = asked({"page", "--entry=0:5633"}).out;
  EXPECT_THAT(out, testing::ContainsRegex("asked for +page 1, entry 0:5633, in swap\n"));
  EXPECT_THAT(out, testing::ContainsRegex("left swap +2 of 16 pages"));
  EXPECT_THAT(out,
              testing::ContainsRegex("also read +swapped_in by gdb/99 of pid 233, minor fault"));
  EXPECT_THAT(out, testing::ContainsRegex("failed +read_error"));
  EXPECT_THAT(out, testing::ContainsRegex("in swap +readahead_dropped"));
}

TEST_F(CommandsTest, APageThatNobodyNeedsDidNotStay) {
  v1::Lifecycle& lifecycle = *daemon.lists.emplace_back().add_lifecycles();
  lifecycle = made_lifecycle(7);
  lifecycle.set_outcome(v1::OUTCOME_ABORTED);
  lifecycle.set_abort_reason(v1::ABORT_REASON_SLOT_GONE);
  const std::string out = asked({"list", "--block"}).out;
  EXPECT_THAT(out, HasSubstr("nobody needs the page any more"));
  EXPECT_THAT(out, testing::Not(HasSubstr("stayed in memory")));
  daemon.stats = [](int) {
    v1::QueryStatsResponse response;
    v1::StatsRow& row = *response.add_rows();
    row.add_key("/a");
    row.set_pages(30);
    row.set_aborted_pages(20);
    row.set_unneeded_pages(15);
    v1::StatsRow& reader = *response.add_rows();
    reader.add_key("gdb/99");
    reader.mutable_waits()->set_faults(7);
    reader.mutable_waits()->set_wait_ns(2'000'000);
    return response;
  };
  const std::string table = asked({"stats"}).out;
  EXPECT_THAT(table, testing::ContainsRegex("/a +0 +30 +0 +5 +15 +0 +0"));
  EXPECT_THAT(table, testing::ContainsRegex("gdb/99 +7 +0 +2.00 ms"));
}

TEST_F(CommandsTest, HostileNamesDoNotReachTheTerminal) {
  v1::Lifecycle& lifecycle = *daemon.lists.emplace_back().add_lifecycles();
  lifecycle = made_lifecycle(1);
  const std::string hostile = "a\x1b[2J\x07\n\xc2\x9b";
  lifecycle.mutable_mappings(0)->mutable_process()->set_comm(hostile);
  lifecycle.mutable_cgroup()->set_path("/" + hostile);
  daemon.page.add_explanation(hostile);
  daemon.page.add_frame_flags(hostile);
  v1::MatrixCell& cell = *daemon.matrix.add_cells();
  cell.mutable_victim()->set_path(hostile);
  cell.mutable_reclaimer()->set_comm(hostile);
  daemon.areas.add_areas()->set_path(hostile);
  daemon.stats = [&](int) {
    v1::QueryStatsResponse response;
    v1::StatsRow& row = *response.add_rows();
    row.add_key(hostile);
    row.set_lifecycles(1);
    return response;
  };
  daemon.lists.push_back(daemon.lists[0]);
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"list"}, {"list", "--block"}, {"page", "--pfn=1"}, {"matrix"}, {"areas"}, {"stats"}}) {
    const Ended ended = asked(command);
    EXPECT_EQ(ended.code, 0) << command[0];
    EXPECT_THAT(ended.out, HasSubstr("a?[2J???")) << command[0];
    for (const char character : ended.out)
      ASSERT_TRUE(character == '\n' || (character >= ' ' && character < 0x7f)) << command[0];
  }
}

TEST_F(CommandsTest, PageAsksInThreeWays) {
  EXPECT_EQ(asked({"page", "--pid=233", "--addr=0x7f8946161010"}).code, 0);
  EXPECT_EQ(daemon.explained.virtual_page().pid(), 233);
  EXPECT_EQ(daemon.explained.virtual_page().address(), 0x7f8946161010);
  EXPECT_EQ(daemon.explained.max_history(), 20);
  EXPECT_EQ(asked({"page", "--pfn=0x10a2b3", "--history=3"}).code, 0);
  EXPECT_EQ(daemon.explained.pfn(), 0x10a2b3);
  EXPECT_EQ(daemon.explained.max_history(), 3);
  EXPECT_EQ(asked({"page", "--entry=1:131984"}).code, 0);
  EXPECT_EQ(daemon.explained.entry().type(), 1);
  EXPECT_EQ(daemon.explained.entry().offset(), 131'984);
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
  daemon.page.set_state(v1::PAGE_STATE_SWAPPED);
  daemon.page.mutable_entry()->set_offset(77);
  daemon.page.add_explanation("It was unmapped.");
  daemon.page.add_outstanding(v1::STAGE_WRITE_COMPLETED);
  daemon.page.add_outstanding(v1::STAGE_REMOVED);
  daemon.page.add_frame_flags("swapcache");
  *daemon.page.add_history() = made_lifecycle(5);
  const std::string out = asked({"page", "--entry=0:77"}).out;
  for (const char* fact : {"swapped, entry 0:77, flags swapcache", "  It was unmapped.",
                           "still to come: write_completed, removed", "1 attempt", "#5"})
    EXPECT_THAT(out, HasSubstr(fact));
  const json document = json::parse(asked({"page", "--entry=0:77", "-o", "json"}).out);
  EXPECT_EQ(document["outstanding"][1], "STAGE_REMOVED");
  EXPECT_EQ(json_lines(asked({"page", "--entry=0:77", "-o", "jsonl"}).out).at(0), document);
}

TEST_F(CommandsTest, StatsGroupsAndLatencies) {
  daemon.stats = [](int) {
    v1::QueryStatsResponse response;
    v1::StatsRow& row = *response.add_rows();
    row.add_key("/a");
    row.add_key("aborted");
    row.set_pages(512);
    v1::LatencyQuantiles& spread = *row.add_latencies();
    spread.set_span(v1::LATENCY_SPAN_FAULT);
    spread.set_p99_ns(3'000'000);
    response.mutable_other()->set_pages(44);
    response.set_other_groups(9);
    return response;
  };
  const Ended ended = asked({"stats", "--by=victim_cgroup,outcome", "--span=fault", "--groups=5"});
  ASSERT_EQ(daemon.stats_asked.group_by_size(), 2);
  EXPECT_EQ(daemon.stats_asked.group_by(0), v1::STATS_GROUP_VICTIM_CGROUP);
  EXPECT_EQ(daemon.stats_asked.group_by(1), v1::STATS_GROUP_OUTCOME);
  EXPECT_EQ(daemon.stats_asked.spans(0), v1::LATENCY_SPAN_FAULT);
  EXPECT_EQ(daemon.stats_asked.max_groups(), 5);
  EXPECT_THAT(ended.out, testing::ContainsRegex("/a . aborted +0 +512"));
  EXPECT_THAT(ended.out, testing::ContainsRegex("\\(9 others\\) +0 +44"));
  EXPECT_THAT(ended.out, HasSubstr("3.00 ms"));
  EXPECT_EQ(json::parse(asked({"stats", "-o", "json"}).out)["other_groups"], "9");
  EXPECT_EQ(json_lines(asked({"stats", "-o", "jsonl"}).out).at(0)["pages"], "512");
  EXPECT_EQ(asked({"stats", "--by=outcome,backend,device,origin"}).code, 2);
  EXPECT_EQ(asked({"stats", "--by=colour"}).code, 2);
}

TEST_F(CommandsTest, Matrix) {
  v1::MatrixCell& cell = *daemon.matrix.add_cells();
  cell.mutable_victim()->set_path("/victim");
  cell.mutable_reclaimer()->set_comm("greedy");
  cell.mutable_reclaimer()->set_pid(9);
  cell.set_origin(v1::ORIGIN_DIRECT);
  cell.set_pages(200);
  cell.set_regretted_pages(50);
  daemon.matrix.set_other_pages(3);
  const Ended ended = asked({"matrix", "--cells=7", "--cgroup=/victim"});
  EXPECT_EQ(daemon.matrix_asked.max_cells(), 7);
  EXPECT_EQ(daemon.matrix_asked.filter().cgroup(), "/victim");
  EXPECT_THAT(ended.out, testing::ContainsRegex("/victim +greedy/9 +direct +200 +50 +25.0 %"));
  EXPECT_THAT(ended.out, HasSubstr("and 3 pages"));
  EXPECT_EQ(json::parse(asked({"matrix", "-o", "json"}).out)["other_pages"], "3");
  EXPECT_EQ(json_lines(asked({"matrix", "-o", "jsonl"}).out).at(0)["origin"], "ORIGIN_DIRECT");
}

TEST_F(CommandsTest, Areas) {
  v1::SwapArea& area = *daemon.areas.add_areas();
  area.set_type(2);
  area.set_path("/dev/zram0");
  area.set_size_bytes(1ULL << 30);
  area.set_used_bytes(1ULL << 28);
  area.set_synchronous(true);
  area.add_owners()->mutable_cgroup()->set_path("/owner");
  area.mutable_owners(0)->set_pages(33);
  area.add_ages()->set_pages(44);
  area.mutable_slots()->set_used(100);
  area.mutable_slots()->set_away(60);
  area.mutable_slots()->set_cached(25);
  area.mutable_slots()->set_unexplained(15);
  area.set_note("from before");
  v1::SwapArea& other = *daemon.areas.add_areas();
  other.set_type_unknown(true);
  other.set_path("/swap");
  other.set_note("not known");
  const std::string out = asked({"areas"}).out;
  EXPECT_THAT(out, testing::ContainsRegex("2 +100 +60 +25 +15  from before"));
  EXPECT_THAT(out, testing::ContainsRegex("\\? +/swap"));
  EXPECT_THAT(out, testing::ContainsRegex("\\? +- +- +- +-  not known"));
  EXPECT_THAT(out, testing::ContainsRegex("2 +/dev/zram0 +1.0 GiB +256.0 MiB +25.0 %"));
  EXPECT_THAT(out, testing::ContainsRegex("2 +/owner +33"));
  EXPECT_THAT(out, testing::ContainsRegex("2 +longer +44"));
  EXPECT_EQ(json::parse(asked({"areas", "-o", "json"}).out)["areas"][0]["type"], 2);
  EXPECT_EQ(json_lines(asked({"areas", "-o", "jsonl"}).out).at(0)["path"], "/dev/zram0");
  daemon.areas.Clear();
  EXPECT_EQ(asked({"areas"}).out, "no swap area is on\n");
}

TEST_F(CommandsTest, ViolationsAreFound) {
  daemon.violations.resize(6);
  EXPECT_EQ(asked({"violations"}).code, 0);
  for (size_t page = 1; page < 6; ++page) {
    daemon.violations[page].add_violations()->set_rule("freed_twice");
    daemon.violations[page].set_total(2);
  }
  daemon.violations[1].set_next_page_token("next");
  const Ended ended = asked({"violations", "--limit=5"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(daemon.violations_asked.at(1).page_size(), 5);
  EXPECT_EQ(daemon.violations_asked.at(2).page_size(), 4);
  EXPECT_EQ(daemon.violations_asked.at(2).page_token(), "next");
  EXPECT_THAT(ended.out, HasSubstr("freed_twice"));
  EXPECT_THAT(ended.out, HasSubstr("2 since the start"));
  EXPECT_EQ(json::parse(asked({"violations", "-o", "json"}).out)["total"], "2");
  EXPECT_EQ(json_lines(asked({"violations", "-o", "jsonl"}).out).at(0)["rule"], "freed_twice");
}

TEST_F(CommandsTest, Flight) {
  daemon.flight.add_paths("/var/lib/swaptrail/a.swaptrail");
  daemon.flight.mutable_since()->set_seconds(1'700'000'000);
  const Ended ended = asked({"flight", "--reason=slow-login"});
  EXPECT_EQ(daemon.triggered.reason(), "slow-login");
  EXPECT_EQ(ended.out, "/var/lib/swaptrail/a.swaptrail\nreaches back to 2023-11-14 22:13:20.000\n");
  const json document = json::parse(asked({"flight", "-o", "json"}).out);
  EXPECT_EQ(document["paths"][0], "/var/lib/swaptrail/a.swaptrail");
  EXPECT_EQ(document["since"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(json_lines(asked({"flight", "-o", "jsonl"}).out).at(0), document);
}

}  // namespace
}  // namespace swaptrail
