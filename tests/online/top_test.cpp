// `top` without a terminal: windows between answers, keys, the screen, and --batch.
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/online/quantities.h"
#include "cli/top/top_keys.h"
#include "cli/top/top_rounds.h"
#include "cli/top/top_screen.h"
#include "tests/online/daemon_scene.h"

namespace swaptrail::online {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

v1::CounterRow& add_row(v1::GetCountersResponse& response, uint64_t id, const std::string& name,
                        uint64_t freed, uint64_t wait_ns = 0, uint64_t regretted = 0) {
  v1::CounterRow& row = *response.add_rows();
  row.set_id(id);
  row.set_name(name);
  row.set_lifecycles(freed);
  row.set_pages(freed);
  row.set_freed_pages(freed);
  row.set_regretted_pages(regretted);
  row.mutable_waits()->set_faults(wait_ns == 0 ? 0 : 1);
  row.mutable_waits()->set_wait_ns(wait_ns);
  response.set_rows_made(std::max(response.rows_made(), id));
  return row;
}

std::vector<std::string> names(const std::vector<top::TopRow>& rows) {
  std::vector<std::string> result;
  for (const top::TopRow& row : rows) result.push_back(row.name);
  return result;
}

TEST(TopRounds, WindowIsWhatCameBetweenTwoAnswers) {
  v1::GetCountersResponse older, newer;
  add_row(older, 1, "a", 100, 5'000, 1);
  add_row(older, 2, "quiet", 50, 10);
  add_row(newer, 2, "quiet", 50, 10);
  add_row(newer, 1, "a", 130, 9'000, 4).mutable_waits()->set_faults(3);
  add_row(newer, 3, "new", 8);
  const auto rows = top::top_rows(top::difference(older, newer), top::SortBy::kRate);
  ASSERT_THAT(names(rows), ElementsAre("a", "new"));
  EXPECT_EQ(rows[0].freed_pages, 30);
  EXPECT_EQ(rows[0].wait_ns, 4'000);
  EXPECT_EQ(rows[0].regretted_pages, 3);
  EXPECT_EQ(rows[1].freed_pages, 8);
}

TEST(TopRounds, WhatARowDidThatIsGoneIsAmongTheOthers) {
  v1::GetCountersResponse older, newer;
  older.mutable_other()->set_lifecycles(40);
  older.mutable_other()->set_freed_pages(40);
  add_row(older, 1, "gone", 500);
  // It did 7 more, then 100 came to who took its place, and 3 to who found none.
  newer.mutable_other()->set_lifecycles(550);
  newer.mutable_other()->set_freed_pages(550);
  add_row(newer, 2, "successor", 100);
  const auto rows = top::top_rows(top::difference(older, newer), top::SortBy::kRate);
  ASSERT_THAT(names(rows), ElementsAre("successor", "(other)"));
  EXPECT_EQ(rows[0].freed_pages, 100);
  EXPECT_EQ(rows[1].freed_pages, 10);
}

TEST(TopRounds, AProcessThatComesBackIsNotItsEarlierSelf) {
  v1::GetCountersResponse older, newer;
  older.mutable_other();
  add_row(older, 1, "a/7", 500);
  newer.mutable_other()->set_lifecycles(502);
  newer.mutable_other()->set_freed_pages(502);
  add_row(newer, 2, "a/7", 20);
  const auto rows = top::top_rows(top::difference(older, newer), top::SortBy::kRate);
  ASSERT_THAT(names(rows), ElementsAre("a/7", "(other)"));
  EXPECT_EQ(rows[0].freed_pages, 20);
  EXPECT_EQ(rows[1].freed_pages, 2);
}

TEST(TopRounds, ARowThatPassesTheFilterOnlyNowHasNotJustDoneAll) {
  v1::GetCountersResponse older, newer, third;
  older.set_rows_made(9);
  add_row(newer, 4, "renamed/7", 5'000);
  EXPECT_EQ(top::difference(older, newer).rows_size(), 0);
  add_row(third, 4, "renamed/7", 5'010);
  EXPECT_EQ(top::difference(newer, third).rows(0).freed_pages(), 10);
}

TEST(TopRounds, RowsOfOneNameAreOneLine) {
  v1::GetCountersResponse window;
  add_row(window, 1, "a/7", 10, 100);
  add_row(window, 2, "b/8", 15);
  add_row(window, 3, "a/7", 20, 300);
  const auto rows = top::top_rows(window, top::SortBy::kRate);
  ASSERT_THAT(names(rows), ElementsAre("a/7", "b/8"));
  EXPECT_EQ(rows[0].freed_pages, 30);
  EXPECT_EQ(rows[0].wait_ns, 400);
}

TEST(TopRounds, EachOrder) {
  v1::GetCountersResponse window;
  add_row(window, 1, "rate", 9, 1, 1);
  add_row(window, 2, "wait", 1, 9, 2);
  add_row(window, 3, "regret", 2, 2, 9);
  add_row(window, 4, "as regret", 2, 2, 9);
  window.mutable_other()->set_freed_pages(1000);
  EXPECT_THAT(names(top::top_rows(window, top::SortBy::kRate)),
              ElementsAre("rate", "as regret", "regret", "wait", "(other)"));
  EXPECT_THAT(names(top::top_rows(window, top::SortBy::kWait)),
              ElementsAre("wait", "as regret", "regret", "rate", "(other)"));
  EXPECT_THAT(names(top::top_rows(window, top::SortBy::kRegret)),
              ElementsAre("as regret", "regret", "wait", "rate", "(other)"));
}

TEST(TopRounds, TheWindowIsMeasuredByTheClockOfSwaptraild) {
  v1::LifecycleFilter filter;
  filter.set_cgroup("/x");
  top::TopRounds rounds(v1::COUNTER_GROUP_PROCESS, filter);
  EXPECT_EQ(rounds.request().filter().cgroup(), "/x");
  EXPECT_EQ(rounds.request().group_by(), v1::COUNTER_GROUP_PROCESS);
  v1::GetCountersResponse answer;
  answer.set_since_monotonic_ns(7);
  answer.set_read_monotonic_ns(1'000'000'000);
  answer.mutable_read()->set_seconds(50);
  add_row(answer, 1, "a", 5);
  rounds.on_answer(answer);
  EXPECT_FALSE(rounds.window());
  answer.set_read_monotonic_ns(3'500'000'000);
  answer.mutable_read()->set_seconds(52);
  rounds.on_answer(answer);
  ASSERT_TRUE(rounds.window());
  EXPECT_EQ(rounds.window_length(), absl::Milliseconds(2500));
  EXPECT_EQ(rounds.window()->since().seconds(), 50);
  EXPECT_EQ(rounds.window()->read().seconds(), 52);
  EXPECT_EQ(rounds.window()->rows_size(), 0);
  rounds.set_group(v1::COUNTER_GROUP_RECLAIMER);
  EXPECT_FALSE(rounds.window());
  EXPECT_EQ(rounds.request().group_by(), v1::COUNTER_GROUP_RECLAIMER);
}

TEST(TopRounds, ASwaptraildThatWasStartedAnewBeginsAnew) {
  top::TopRounds rounds(v1::COUNTER_GROUP_PROCESS, {});
  v1::GetCountersResponse answer;
  answer.set_since_monotonic_ns(7);
  add_row(answer, 1, "a", 5);
  rounds.on_answer(answer);
  answer.set_since_monotonic_ns(8);
  answer.mutable_rows(0)->set_freed_pages(900);
  rounds.on_answer(answer);
  EXPECT_FALSE(rounds.window());
  answer.mutable_rows(0)->set_freed_pages(901);
  answer.mutable_rows(0)->set_lifecycles(6);
  rounds.on_answer(answer);
  ASSERT_TRUE(rounds.window());
  EXPECT_EQ(rounds.window()->rows(0).freed_pages(), 1);
}

TEST(TopKeys, BytesBecomeKeys) {
  top::KeyReader reader;
  EXPECT_THAT(
      reader.read("prwg+- q"),
      ElementsAre(top::Key::kPivot, top::Key::kSortRate, top::Key::kSortWait, top::Key::kSortRegret,
                  top::Key::kSlower, top::Key::kFaster, top::Key::kPause, top::Key::kQuit));
  EXPECT_THAT(reader.read("\x1b[A\x1bOBjk"),
              ElementsAre(top::Key::kUp, top::Key::kDown, top::Key::kDown, top::Key::kUp));
  EXPECT_THAT(reader.read("\x1b"), ElementsAre());
  EXPECT_THAT(reader.read("[6"), ElementsAre());
  EXPECT_THAT(reader.read("~"), ElementsAre(top::Key::kPageDown));
  // What is no key of ours, and letters inside of it, do nothing.
  EXPECT_THAT(reader.read("\x1b[1;5Cx\x1b[15~\xff"), ElementsAre());
  EXPECT_THAT(reader.read("\x1b[00000000000000000000000"), ElementsAre());
  EXPECT_THAT(reader.read("q"), ElementsAre(top::Key::kQuit));
}

TEST(TopKeys, ChangeTheState) {
  top::TopState state;
  for (const top::Pivot next : {top::Pivot::kCgroup, top::Pivot::kDevice, top::Pivot::kOrigin,
                                top::Pivot::kReclaimer, top::Pivot::kProcess}) {
    EXPECT_TRUE(top::press(top::Key::kPivot, 10, 5, state));
    EXPECT_EQ(state.pivot, next);
  }
  EXPECT_FALSE(top::press(top::Key::kSortRegret, 10, 5, state));
  EXPECT_EQ(state.sort, top::SortBy::kRegret);
  top::press(top::Key::kSortWait, 10, 5, state);
  EXPECT_EQ(state.sort, top::SortBy::kWait);
  top::press(top::Key::kSlower, 10, 5, state);
  EXPECT_EQ(state.interval, absl::Seconds(5));
  for (int times = 0; times < 20; ++times) top::press(top::Key::kSlower, 10, 5, state);
  EXPECT_EQ(state.interval, absl::Seconds(60));
  for (int times = 0; times < 20; ++times) top::press(top::Key::kFaster, 10, 5, state);
  EXPECT_EQ(state.interval, absl::Milliseconds(250));
  top::press(top::Key::kPause, 10, 5, state);
  EXPECT_TRUE(state.paused);
  top::press(top::Key::kPause, 10, 5, state);
  EXPECT_FALSE(state.paused);
  top::press(top::Key::kUp, 10, 5, state);
  EXPECT_EQ(state.first_row, 0);
  top::press(top::Key::kDown, 10, 5, state);
  EXPECT_EQ(state.first_row, 1);
  top::press(top::Key::kPageDown, 10, 5, state);
  EXPECT_EQ(state.first_row, 5);
  top::press(top::Key::kPageUp, 3, 5, state);
  EXPECT_EQ(state.first_row, 0);
  top::press(top::Key::kQuit, 10, 5, state);
  EXPECT_TRUE(state.quit);
}

TEST(TopScreen, FitsAndIsPrintable) {
  top::TopView view;
  for (int row = 0; row < 50; ++row)
    view.rows.push_back({.name = "row" + std::to_string(row) + "\x1b[2J\n", .freed_pages = 20});
  view.length = absl::Seconds(2);
  top::TopState state;
  state.first_row = 3;
  const std::string screen = top::top_screen(view, state, {}, 80, 10);
  EXPECT_EQ(std::count(screen.begin(), screen.end(), '\n'), 9);
  EXPECT_THAT(screen, HasSubstr("row3?"));
  EXPECT_THAT(screen, HasSubstr("10.0"));  // 20 pages in 2 s
  EXPECT_THAT(screen, HasSubstr("40.0 KiB"));
  EXPECT_EQ(screen.find("row2?"), std::string::npos);
  EXPECT_EQ(screen.find("row9?"), std::string::npos);
  EXPECT_EQ(screen.find("[2J\x1b"), std::string::npos);
  for (const size_t width : {1, 20, 300}) {
    const std::string any = top::top_screen(view, state, {}, width, 3);
    size_t column = 0;
    for (size_t at = any.find('\n'); at < any.size() && any[at] != '\x1b'; ++at) ++column;
    EXPECT_LE(column, width + 1);
  }
}

class TopTest : public OnlineTest {
 protected:
  void SetUp() override {
    OnlineTest::SetUp();
    daemon.queries.GetCounters.before = [this](int call) { add_lives(call == 0 ? 1000 : 100); };
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
  EXPECT_EQ(daemon.queries.GetCounters.asked.at(0).group_by(), v1::COUNTER_GROUP_CGROUP);
  auto with = command;
  with.insert(with.end(), {"-o", "json"});
  const json rounds = json::parse(asked(with).out);
  ASSERT_EQ(rounds.size(), 2);
  EXPECT_EQ(rounds[1]["rows"][0]["freed_pages"], "100");
  EXPECT_EQ(rounds[1]["rows"][0]["waits"]["wait_ns"], "0");
  with.back() = "jsonl";
  const std::string lines = asked(with).out;
  EXPECT_EQ(json::parse(lines.substr(0, lines.find('\n')))["rows"][0]["name"], "/swaptrail-demo");
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
}

// A filter that a row can't answer by this pivot: never a wrong count.
TEST_F(TopTest, FiltersThatCountsCanNotAnswerAreRefused) {
  struct Case {
    const char* by;
    const char* option;
    const char* value;
    bool taken;
  };
  for (const Case& one : {Case{"process", "--pid", "7", true},
                          Case{"process", "--comm", "worker", true},
                          Case{"process", "--cgroup", "/x", true},
                          Case{"process", "--area", "1", false},
                          Case{"process", "--origin", "kswapd", false},
                          Case{"process", "--outcome", "aborted", false},
                          Case{"process", "--slower-than", "fault:1ms", false},
                          Case{"process", "--since", "1m", false},
                          Case{"process", "--until", "1m", false},
                          Case{"process", "--regretted", nullptr, false},
                          Case{"process", "--incomplete", nullptr, false},
                          Case{"cgroup", "--cgroup", "/x", true},
                          Case{"cgroup", "--pid", "7", false},
                          Case{"device", "--area", "1", true},
                          Case{"device", "--comm", "worker", false},
                          Case{"origin", "--origin", "kswapd", true},
                          Case{"origin", "--cgroup", "/x", false},
                          Case{"reclaimer", "--pid", "7", true},
                          Case{"reclaimer", "--comm", "kswapd0", true},
                          Case{"reclaimer", "--cgroup", "/x", false}}) {
    const std::string option =
        one.value == nullptr ? std::string(one.option) : std::string(one.option) + "=" + one.value;
    const Ended ended =
        asked({"top", "--batch=1", "--interval=10ms", std::string("--by=") + one.by, option});
    EXPECT_EQ(ended.code, one.taken ? 0 : 2) << one.by << " " << option << ended.err;
    if (one.taken) continue;
    EXPECT_THAT(ended.err, HasSubstr(one.option));
    EXPECT_THAT(ended.err, HasSubstr("swaptrail stats"));
  }
  EXPECT_NE(asked({"top", "--batch=1", "--lookback=1m"}).code, 0);
}

}  // namespace
}  // namespace swaptrail::online
