// `top` without a terminal: windows between answers, keys, the screen, and --batch.
#include <gmock/gmock.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "cli/online/quantities.h"
#include "cli/online/top_keys.h"
#include "cli/online/top_rounds.h"
#include "cli/online/top_screen.h"
#include "tests/online/daemon_scene.h"

namespace swaptrail::online {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

void add_row(v1::QueryStatsResponse& response, const std::string& key, uint64_t freed,
             uint64_t fault_ns = 0, uint64_t regretted = 0) {
  v1::StatsRow& row = *response.add_rows();
  row.add_key(key);
  row.set_lifecycles(freed);
  row.set_pages(freed);
  row.set_freed_pages(freed);
  row.set_regretted_pages(regretted);
  v1::LatencyQuantiles& spread = *row.add_latencies();
  spread.set_span(v1::LATENCY_SPAN_FAULT);
  spread.set_count(fault_ns == 0 ? 0 : 1);
  spread.set_sum_ns(fault_ns);
}

std::vector<std::string> names(const std::vector<TopRow>& rows) {
  std::vector<std::string> result;
  for (const TopRow& row : rows) result.push_back(row.name);
  return result;
}

TEST(TopRounds, WindowIsWhatCameBetweenTwoAnswers) {
  v1::QueryStatsResponse older, newer;
  add_row(older, "a", 100, 5'000, 1);
  add_row(older, "quiet", 50, 10);
  add_row(older, "evicted", 90);
  add_row(newer, "a", 130, 9'000, 4);
  add_row(newer, "quiet", 50, 10);
  add_row(newer, "evicted", 20, 7);
  add_row(newer, "new", 8);
  const auto rows = top_rows(difference(older, newer), SortBy::kRate);
  ASSERT_THAT(names(rows), ElementsAre("a", "new", "evicted"));
  EXPECT_EQ(rows[0].freed_pages, 30);
  EXPECT_EQ(rows[0].wait_ns, 4'000);
  EXPECT_EQ(rows[0].regretted_pages, 3);
  EXPECT_EQ(rows[1].freed_pages, 8);
  EXPECT_EQ(rows[2].freed_pages, 0);
}

TEST(TopRounds, WhatWasAmongTheOthersBeforeIsNotNew) {
  v1::QueryStatsResponse older, newer;
  older.set_other_groups(3);
  older.mutable_other()->set_pages(40);
  add_row(newer, "rose", 500);
  newer.set_other_groups(2);
  newer.mutable_other()->set_pages(45);
  EXPECT_THAT(names(top_rows(difference(older, newer), SortBy::kRate)), ElementsAre("(2 others)"));
}

TEST(TopRounds, WaitsAreOfWhoWaitedEvenAmongTheOthers) {
  v1::QueryStatsResponse older, newer;
  add_row(older, "victim", 100, 5'000);
  older.mutable_rows(0)->mutable_waits()->set_faults(1);
  older.mutable_rows(0)->mutable_waits()->set_wait_ns(5'000);
  older.set_other_groups(3);
  newer = older;
  newer.mutable_rows(0)->mutable_waits()->set_faults(2);
  newer.mutable_rows(0)->mutable_waits()->set_wait_ns(5'600);
  add_row(newer, "reader", 9);  // counts: among the others before
  newer.mutable_rows(1)->mutable_waits()->set_faults(4);
  newer.mutable_rows(1)->mutable_waits()->set_wait_ns(70'000);
  const auto rows = top_rows(difference(older, newer), SortBy::kWait);
  ASSERT_THAT(names(rows), ElementsAre("reader", "victim"));
  EXPECT_EQ(rows[0].wait_ns, 70'000);
  EXPECT_EQ(rows[0].freed_pages, 0);
  EXPECT_EQ(rows[1].wait_ns, 600);
}

TEST(TopRounds, EachOrder) {
  v1::QueryStatsResponse window;
  add_row(window, "rate", 9, 1, 1);
  add_row(window, "wait", 1, 9, 2);
  add_row(window, "regret", 2, 2, 9);
  add_row(window, "as regret", 2, 2, 9);
  EXPECT_THAT(names(top_rows(window, SortBy::kRate)),
              ElementsAre("rate", "as regret", "regret", "wait"));
  EXPECT_THAT(names(top_rows(window, SortBy::kWait)),
              ElementsAre("wait", "as regret", "regret", "rate"));
  EXPECT_THAT(names(top_rows(window, SortBy::kRegret)),
              ElementsAre("as regret", "regret", "wait", "rate"));
}

TEST(TopRounds, BothAnswersAreOfTheSameMomentAndItMovesOn) {
  const absl::Time begin = absl::FromUnixSeconds(10'000);
  v1::LifecycleFilter filter;
  filter.set_cgroup("/x");
  TopRounds rounds(v1::STATS_GROUP_DEVICE, filter, absl::Seconds(60));
  const auto since = [&](int second) {
    return rounds.request(begin + absl::Seconds(second)).filter().since().seconds();
  };
  v1::QueryStatsResponse answer;
  add_row(answer, "a", 5);
  EXPECT_EQ(since(0), 9'940);
  EXPECT_EQ(rounds.request(begin).filter().cgroup(), "/x");
  EXPECT_FALSE(rounds.on_answer(answer, begin));
  EXPECT_FALSE(rounds.window());
  EXPECT_EQ(since(2), 9'940);
  EXPECT_FALSE(rounds.on_answer(answer, begin + absl::Seconds(2)));
  ASSERT_TRUE(rounds.window());
  EXPECT_EQ(rounds.window_length(), absl::Seconds(2));
  EXPECT_EQ(rounds.window()->rows_size(), 0);
  EXPECT_TRUE(rounds.on_answer(answer, begin + absl::Seconds(61)));  // 121 s after the moment
  EXPECT_EQ(since(61), 10'001);
  EXPECT_FALSE(rounds.on_answer(answer, begin + absl::Seconds(61)));
  EXPECT_EQ(rounds.window_length(), absl::Seconds(59));  // still that of before
  rounds.set_group(v1::STATS_GROUP_RECLAIMER);
  EXPECT_FALSE(rounds.window());
  EXPECT_EQ(rounds.request(begin).group_by(0), v1::STATS_GROUP_RECLAIMER);
}

TEST(TopKeys, BytesBecomeKeys) {
  KeyReader reader;
  EXPECT_THAT(reader.read("prwg+- q"),
              ElementsAre(Key::kPivot, Key::kSortRate, Key::kSortWait, Key::kSortRegret,
                          Key::kSlower, Key::kFaster, Key::kPause, Key::kQuit));
  EXPECT_THAT(reader.read("\x1b[A\x1bOBjk"),
              ElementsAre(Key::kUp, Key::kDown, Key::kDown, Key::kUp));
  EXPECT_THAT(reader.read("\x1b"), ElementsAre());
  EXPECT_THAT(reader.read("[6"), ElementsAre());
  EXPECT_THAT(reader.read("~"), ElementsAre(Key::kPageDown));
  // What is no key of ours, and letters inside of it, do nothing.
  EXPECT_THAT(reader.read("\x1b[1;5Cx\x1b[15~\xff"), ElementsAre());
  EXPECT_THAT(reader.read("\x1b[00000000000000000000000"), ElementsAre());
  EXPECT_THAT(reader.read("q"), ElementsAre(Key::kQuit));
}

TEST(TopKeys, ChangeTheState) {
  TopState state;
  for (const Pivot next : {Pivot::kCgroup, Pivot::kDevice, Pivot::kReclaimer, Pivot::kProcess}) {
    EXPECT_TRUE(press(Key::kPivot, 10, 5, state));
    EXPECT_EQ(state.pivot, next);
  }
  EXPECT_FALSE(press(Key::kSortRegret, 10, 5, state));
  EXPECT_EQ(state.sort, SortBy::kRegret);
  press(Key::kSortWait, 10, 5, state);
  EXPECT_EQ(state.sort, SortBy::kWait);
  press(Key::kSlower, 10, 5, state);
  EXPECT_EQ(state.interval, absl::Seconds(5));
  for (int times = 0; times < 20; ++times) press(Key::kSlower, 10, 5, state);
  EXPECT_EQ(state.interval, absl::Seconds(60));
  for (int times = 0; times < 20; ++times) press(Key::kFaster, 10, 5, state);
  EXPECT_EQ(state.interval, absl::Milliseconds(250));
  press(Key::kPause, 10, 5, state);
  EXPECT_TRUE(state.paused);
  press(Key::kPause, 10, 5, state);
  EXPECT_FALSE(state.paused);
  press(Key::kUp, 10, 5, state);
  EXPECT_EQ(state.first_row, 0);
  press(Key::kDown, 10, 5, state);
  EXPECT_EQ(state.first_row, 1);
  press(Key::kPageDown, 10, 5, state);
  EXPECT_EQ(state.first_row, 5);
  press(Key::kPageUp, 3, 5, state);
  EXPECT_EQ(state.first_row, 0);
  press(Key::kQuit, 10, 5, state);
  EXPECT_TRUE(state.quit);
}

TEST(TopScreen, FitsAndIsPrintable) {
  TopView view;
  for (int row = 0; row < 50; ++row)
    view.rows.push_back({.name = "row" + std::to_string(row) + "\x1b[2J\n", .freed_pages = 20});
  view.length = absl::Seconds(2);
  TopState state;
  state.first_row = 3;
  const std::string screen = top_screen(view, state, {}, 80, 10);
  EXPECT_EQ(std::count(screen.begin(), screen.end(), '\n'), 9);
  EXPECT_THAT(screen, HasSubstr("row3?"));
  EXPECT_THAT(screen, HasSubstr("10.0"));  // 20 pages in 2 s
  EXPECT_THAT(screen, HasSubstr("40.0 KiB"));
  EXPECT_EQ(screen.find("row2?"), std::string::npos);
  EXPECT_EQ(screen.find("row9?"), std::string::npos);
  EXPECT_EQ(screen.find("[2J\x1b"), std::string::npos);
  for (const size_t width : {1, 20, 300}) {
    const std::string any = top_screen(view, state, {}, width, 3);
    size_t column = 0;
    for (size_t at = any.find('\n'); at < any.size() && any[at] != '\x1b'; ++at) ++column;
    EXPECT_LE(column, width + 1);
  }
}

class TopTest : public OnlineTest {
 protected:
  void SetUp() override {
    OnlineTest::SetUp();
    daemon.stats.before = [this](int call) { add_lives(call == 0 ? 1000 : 100); };
  }
};

TEST_F(TopTest, BatchInEachFormat) {
  const std::vector<std::string> command = {"top", "--batch=2", "--interval=50ms", "--by=cgroup"};
  const Ended table = asked(command);
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("by cgroup, sorted by rate"));
  EXPECT_THAT(table.out, HasSubstr("/swaptrail-demo"));
  EXPECT_EQ(table.out.find('\x1b'), std::string::npos);
  EXPECT_THAT(table.err, HasSubstr("2 rounds, 200 pages out"));
  EXPECT_EQ(daemon.stats.asked.at(0).group_by(0), v1::STATS_GROUP_VICTIM_CGROUP);
  EXPECT_EQ(daemon.stats.asked.at(0).spans(0), v1::LATENCY_SPAN_FAULT);
  auto with = command;
  with.insert(with.end(), {"-o", "json"});
  const json rounds = json::parse(asked(with).out);
  ASSERT_EQ(rounds.size(), 2);
  EXPECT_EQ(rounds[1]["rows"][0]["freed_pages"], "100");
  EXPECT_EQ(rounds[1]["rows"][0]["latencies"][0]["sum_ns"], "0");
  with.back() = "jsonl";
  const std::string lines = asked(with).out;
  EXPECT_EQ(json::parse(lines.substr(0, lines.find('\n')))["rows"][0]["key"][0], "/swaptrail-demo");
}

TEST_F(TopTest, SigintEndsBatch) {
  Program program(with_socket({"top", "--batch=1000", "--interval=50ms", "-o", "jsonl"}));
  ASSERT_TRUE(program.wait_for_output("\n"));
  program.send(SIGINT);
  const Ended ended = program.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("rounds"));
}

TEST_F(TopTest, WithoutATerminalItSaysWhatToGive) {
  const Ended ended = asked({"top"});
  EXPECT_EQ(ended.code, 2);
  EXPECT_THAT(ended.err, HasSubstr("--batch"));
  EXPECT_EQ(asked({"top", "--batch=1", "--since=1m"}).code, 2);
}

}  // namespace
}  // namespace swaptrail::online
