// `trace` and `pageout`: streams, and all the ways in which they end.
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/online/daemon_scene.h"

namespace swaptrail::online {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class StreamTest : public OnlineTest {
 protected:
  // So many end once a watch stands.
  void make_watch(uint64_t lives) {
    daemon.watch.before = [this, lives](int) { add_lives(lives); };
  }
  static size_t lines(const std::string& text) {
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  }
};

TEST_F(StreamTest, SigintEndsWithASummaryAndZero) {
  make_watch(4);
  for (const int signal : {SIGINT, SIGTERM}) {
    Program program(with_socket({"trace", "-o", "jsonl"}));
    ASSERT_TRUE(program.wait_for_output("\"id\":\"" + std::to_string(last_id_ + 4) + "\""));
    program.send(signal);
    const Ended ended = program.wait();
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(lines(ended.out), 4);
    EXPECT_THAT(ended.err, HasSubstr("4 lifecycles of 4 pages, 0 missed"));
  }
}

TEST_F(StreamTest, JsonIsOneDocumentHoweverItEnds) {
  make_watch(60'000);  // more than there is room for
  Program program(with_socket({"trace", "-o", "json"}));
  ASSERT_TRUE(program.wait_for_output("\"id\":\"60000\""));
  program.send(SIGINT);
  const Ended ended = program.wait();
  const json document = json::parse(ended.out);
  const uint64_t missed = std::stoull(document["missed"].get<std::string>());
  EXPECT_GT(missed, 0);
  EXPECT_EQ(document["lifecycles"].size() + missed + scene.store->status().unstored, 60'000);
  // As they are missed, in one complaint or several; the sum at the end.
  uint64_t complained = 0;
  for (const absl::string_view line : absl::StrSplit(ended.err, '\n')) {
    absl::string_view rest = line.substr(std::min(line.find("missed "), line.size()));
    uint64_t lifecycles = 0;
    const bool is_one = absl::ConsumePrefix(&rest, "missed ") &&
                        absl::ConsumeSuffix(&rest, " lifecycles: reading was too slow");
    if (is_one && absl::SimpleAtoi(rest, &lifecycles)) complained += lifecycles;
  }
  EXPECT_EQ(complained, missed);
  EXPECT_THAT(ended.err, HasSubstr(std::to_string(missed) + " missed"));
  daemon.watch.before = nullptr;
  EXPECT_EQ(json::parse(asked({"trace", "-o", "json", "--for=100ms"}).out)["lifecycles"].size(), 0);
}

TEST_F(StreamTest, CountStops) {
  make_watch(6);
  const Ended ended = asked({"trace", "--count=3"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(lines(ended.out), 4);  // with the heading
}

TEST_F(StreamTest, TimeStops) {
  make_watch(2);
  const Ended ended = asked({"trace", "--for=300ms", "--block"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("#2  freed_device"));
  EXPECT_EQ(asked({"trace", "--for=5"}).code, 2);
}

TEST_F(StreamTest, DaemonThatGoesAwayIsAnError) {
  make_watch(2);
  daemon.told = [this](uint64_t lives) {
    if (lives == 2) scene.service->stop_watchers();
  };
  const Ended ended = asked({"trace", "-o", "jsonl"});
  EXPECT_EQ(ended.code, 5);
  EXPECT_EQ(lines(ended.out), 2);
  EXPECT_THAT(ended.err, HasSubstr("swaptraild is ending"));
}

// As other tools: by SIGPIPE, and without a word.
TEST_F(StreamTest, ReaderThatGoesAwayEndsIt) {
  make_watch(5'000);  // all fit into the store
  Program program(with_socket({"trace", "-o", "jsonl"}));
  ASSERT_TRUE(program.wait_for_output("\n"));
  program.close_output();
  const Ended ended = program.wait();
  EXPECT_EQ(ended.code, 128 + SIGPIPE);
  EXPECT_EQ(ended.err, "");
}

TEST_F(StreamTest, NoColourInAPipe) {
  make_watch(2);
  EXPECT_EQ(asked({"trace", "--block", "--count=2"}).out.find('\x1b'), std::string::npos);
}

TEST_F(StreamTest, PageoutAsksAndTellsTheResult) {
  scene.tables.on_page_out = [this](uint64_t address, uint64_t length) -> absl::StatusOr<uint64_t> {
    Lifecycle made = life(++last_id_);
    made.mappings[0].address = address;
    made.nr_pages = 1;
    add(made);
    scene.tables.range = {.resident = 0, .swapped = 500};
    return length;
  };
  scene.tables.range = {.resident = 512};
  const std::vector<std::string> command = {"pageout", "--pid=233", "--addr=0x7f0000000000",
                                            "--length=2M", "--wait=250ms"};
  const Ended ended = asked(command);
  EXPECT_EQ(ended.code, 0) << ended.err;
  const v1::PageOutRequest& request = daemon.pageout.asked.back();
  EXPECT_EQ(request.pid(), 233);
  EXPECT_EQ(request.address(), 0x7f0000000000);
  EXPECT_EQ(request.length_bytes(), 2 << 20);
  EXPECT_EQ(request.wait_ms(), 250);
  EXPECT_THAT(ended.out, HasSubstr("workload/233"));
  EXPECT_THAT(ended.err, HasSubstr("1 lifecycles of 1 page, 0 missed; 2.0 MiB advised, resident "
                                   "512 pages before and 0 now, swapped 500 pages"));
  bool first = true;
  daemon.pageout.change = [&](v1::PageOutResponse& response) {  // as to a caller who is slow
    if (std::exchange(first, false)) response.set_missed(2);
  };
  auto with = command;
  with.insert(with.end(), {"-o", "json"});
  const json document = json::parse(asked(with).out);
  EXPECT_EQ(document["lifecycles"].size(), 1);
  EXPECT_EQ(document["missed"], "2");
  EXPECT_EQ(document["result"]["swapped_after_pages"], "500");
  with.back() = "jsonl";
  first = true;
  const std::string out = asked(with).out;
  EXPECT_EQ(lines(out), 2);
  EXPECT_EQ(json::parse(out.substr(out.find('\n')))["missed"], "2");
}

TEST_F(StreamTest, PageoutRefusesBadValues) {
  for (const char* bad : {"--length=0", "--length=4X", "--wait=61s", "--wait=1us", "--addr=x"}) {
    std::vector<std::string> command = {"pageout", "--pid=1"};
    if (std::string_view(bad).starts_with("--addr"))
      command.push_back("--length=4K");
    else
      command.push_back("--addr=0");
    if (std::string_view(bad).starts_with("--wait")) command.push_back("--length=4K");
    command.push_back(bad);
    EXPECT_EQ(asked(command).code, 2) << bad;
  }
  EXPECT_TRUE(daemon.pageout.asked.empty());
}

TEST_F(StreamTest, SigintEndsPageout) {
  scene.tables.on_page_out = [this](uint64_t address, uint64_t length) -> absl::StatusOr<uint64_t> {
    Lifecycle made = life(++last_id_);
    made.mappings[0].address = address;
    add(made);
    scene.tables.range = {.swapped = 2};  // one of them is never reported
    return length;
  };
  Program program(with_socket({"pageout", "--pid=233", "--addr=0x7f0000000000", "--length=4K",
                               "--wait=60s", "-o", "jsonl"}));
  ASSERT_TRUE(program.wait_for_output("\"id\":\"1\""));
  program.send(SIGINT);
  const Ended ended = program.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("1 lifecycles of 1 page"));
}

}  // namespace
}  // namespace swaptrail::online
