// `trace` and `pageout`: streams, and all the ways in which they end.
#include <gmock/gmock.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "tests/online/fake_daemon.h"

namespace swaptrail {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class StreamTest : public OnlineTest {
 protected:
  // `count` answers of two lifecycles each.
  void make_watch(int count) {
    for (int index = 0; index < count; ++index) {
      v1::WatchLifecyclesResponse& response = daemon.watch.emplace_back();
      *response.add_lifecycles() = made_lifecycle(2 * static_cast<uint64_t>(index) + 1);
      *response.add_lifecycles() = made_lifecycle(2 * static_cast<uint64_t>(index) + 2);
    }
  }
  static size_t lines(const std::string& text) {
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  }
};

TEST_F(StreamTest, SigintEndsWithASummaryAndZero) {
  make_watch(2);
  for (const int signal : {SIGINT, SIGTERM}) {
    Program program(with_socket({"trace", "-o", "jsonl"}));
    ASSERT_TRUE(program.wait_for_output("\"id\":\"4\""));
    program.send(signal);
    const Ended ended = program.wait();
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(lines(ended.out), 4);
    EXPECT_THAT(ended.err, HasSubstr("4 lifecycles of 4 pages, 0 missed"));
  }
}

TEST_F(StreamTest, JsonIsOneDocumentHoweverItEnds) {
  make_watch(2);
  daemon.watch[1].set_missed(5);
  Program program(with_socket({"trace", "-o", "json"}));
  ASSERT_TRUE(program.wait_for_output("\"id\":\"4\""));
  program.send(SIGINT);
  const Ended ended = program.wait();
  const json document = json::parse(ended.out);
  EXPECT_EQ(document["lifecycles"].size(), 4);
  EXPECT_EQ(document["missed"], "5");
  EXPECT_THAT(ended.err, HasSubstr("missed 5 lifecycles"));
  daemon.watch.clear();
  daemon.watch_ends = true;
  EXPECT_EQ(json::parse(asked({"trace", "-o", "json"}).out)["lifecycles"].size(), 0);
}

TEST_F(StreamTest, CountStops) {
  make_watch(3);
  const Ended ended = asked({"trace", "--count=3"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(lines(ended.out), 4);  // with the heading
}

TEST_F(StreamTest, TimeStops) {
  make_watch(1);
  const Ended ended = asked({"trace", "--for=300ms", "--block"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("#2  freed_device"));
  EXPECT_EQ(asked({"trace", "--for=5"}).code, 2);
}

TEST_F(StreamTest, DaemonThatGoesAwayIsAnError) {
  make_watch(1);
  daemon.failure = grpc::Status(grpc::UNAVAILABLE, "shutting down");
  const Ended ended = asked({"trace", "-o", "jsonl"});
  EXPECT_EQ(ended.code, 5);
  EXPECT_EQ(lines(ended.out), 2);
}

TEST_F(StreamTest, ReaderThatGoesAwayIsNone) {
  make_watch(5000);
  Program program(with_socket({"trace", "-o", "jsonl"}));
  ASSERT_TRUE(program.wait_for_output("\n"));
  program.close_output();
  const Ended ended = program.wait();
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(ended.err, "");
}

TEST_F(StreamTest, NoColourInAPipe) {
  make_watch(1);
  daemon.watch_ends = true;
  EXPECT_EQ(asked({"trace", "--block"}).out.find('\x1b'), std::string::npos);
}

TEST_F(StreamTest, PageoutAsksAndTellsTheResult) {
  *daemon.pageout.emplace_back().add_lifecycles() = made_lifecycle(1);
  daemon.pageout[0].set_missed(2);
  v1::PageOutResult& result = *daemon.pageout.emplace_back().mutable_result();
  result.set_advised_bytes(2 << 20);
  result.set_resident_before_pages(512);
  result.set_swapped_after_pages(500);
  const std::vector<std::string> command = {"pageout", "--pid=233", "--addr=0x7f0000000000",
                                            "--length=2M", "--wait=250ms"};
  const Ended ended = asked(command);
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(daemon.paged_out.pid(), 233);
  EXPECT_EQ(daemon.paged_out.address(), 0x7f0000000000);
  EXPECT_EQ(daemon.paged_out.length_bytes(), 2 << 20);
  EXPECT_EQ(daemon.paged_out.wait_ms(), 250);
  EXPECT_THAT(ended.out, HasSubstr("workload/233"));
  EXPECT_THAT(ended.err, HasSubstr("1 lifecycles of 1 page, 2 missed; 2.0 MiB advised, resident "
                                   "512 pages before and 0 now, swapped 500 pages"));
  auto with = command;
  with.insert(with.end(), {"-o", "json"});
  const json document = json::parse(asked(with).out);
  EXPECT_EQ(document["lifecycles"].size(), 1);
  EXPECT_EQ(document["result"]["swapped_after_pages"], "500");
  with.back() = "jsonl";
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
  EXPECT_EQ(daemon.paged_out.pid(), 0);
}

TEST_F(StreamTest, SigintEndsPageout) {
  *daemon.pageout.emplace_back().add_lifecycles() = made_lifecycle(1);
  daemon.pageout_hangs = true;
  Program program(with_socket({"pageout", "--pid=1", "--addr=0", "--length=4K", "-o", "jsonl"}));
  ASSERT_TRUE(program.wait_for_output("\"id\":\"1\""));
  program.send(SIGINT);
  const Ended ended = program.wait();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("1 lifecycles of 1 page"));
}

}  // namespace
}  // namespace swaptrail
