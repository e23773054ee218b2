// A daemon elsewhere may answer anything: each text of each answer is hostile, and no terminal obeys it.
#include <gmock/gmock.h>
#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>

#include "tests/online/daemon_scene.h"
#include "tests/scene/hostile_names.h"
#include "tests/scene/outside.h"

namespace swaptrail::online {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using testing::HasSubstr;

void name_field(const FieldDescriptor& field, const std::string& name, Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const bool is_text = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  if (field.is_repeated()) {
    for (int index = 0; index < reflection.FieldSize(message, &field); ++index) {
      if (is_text) reflection.SetRepeatedString(&message, &field, index, name);
      if (!is_message) continue;
      Message& inner = *reflection.MutableRepeatedMessage(&message, &field, index);
      for (int at = 0; at < inner.GetDescriptor()->field_count(); ++at)
        name_field(*inner.GetDescriptor()->field(at), name, inner);
    }
  } else if (is_text && field.name() != "next_page_token") {
    reflection.SetString(&message, &field, name);
  } else if (is_message && reflection.HasField(message, &field)) {
    Message& inner = *reflection.MutableMessage(&message, &field);
    for (int at = 0; at < inner.GetDescriptor()->field_count(); ++at)
      name_field(*inner.GetDescriptor()->field(at), name, inner);
  }
}

// Each text in it, and in what it holds.
void name_all(const std::string& name, Message& message) {
  for (int at = 0; at < message.GetDescriptor()->field_count(); ++at)
    name_field(*message.GetDescriptor()->field(at), name, message);
}

class HostileAnswersTest : public OnlineTest {
 protected:
  // The relay answers with these names from now on.
  template <typename Calls>
  void answer_with(const std::string& name, Calls& calls) {
    calls.change = [name](auto& response) { name_all(name, response); };
  }
  void answer_all_with(const std::string& name) {
    daemon.for_all([&](auto& calls) { answer_with(name, calls); });
  }
  void fill() {
    probe::HookPlan missing;
    missing.hook = "slot_freed";
    missing.reason = "inlined";
    scene.plan.hooks = {missing};
    scene.status_board.publish(std::make_shared<pipeline::PipelineStatus>());
    add_lives(3);
    daemon.watch.before = [this](int) { add_lives(2); };
    scene.store->note_violation(Violation{.rule = "a_rule", .time_ns = 1, .text = "what is wrong"});
  }
};

const std::vector<std::vector<std::string>> kQuestions = [] {
  std::vector<std::vector<std::string>> all = online_questions();
  all.push_back({"list", "--block"});
  all.push_back({"trace", "--count=1", "--block"});
  return all;
}();

TEST_F(HostileAnswersTest, AreShownAndNotObeyed) {
  const bool outside = there_is_python();
  fill();
  answer_all_with(long_hostile_name(5'000));  // an answer has 4 MiB at most
  size_t named = 0;
  for (const std::vector<std::string>& question : kQuestions) {
    for (const char* format : {"table", "json", "jsonl"}) {
      std::vector<std::string> arguments = question;
      arguments.push_back(std::string("--output=") + format);
      const Ended ended = asked(arguments);
      EXPECT_EQ(ended.code, question[0] == "violations" ? 1 : 0)
          << question[0] << ": " << ended.err.substr(0, 500);
      EXPECT_EQ(obeyed_in(ended.out), "") << question[0] << " " << format;
      EXPECT_EQ(obeyed_in(ended.err), "") << question[0] << " " << format;
      named += ended.out.find("yyyyyyyy") != std::string::npos ? 1 : 0;
      if (format == std::string("table") || !outside) continue;
      const std::string file = directory_ + "/answer";
      std::ofstream(file, std::ios::binary) << ended.out;
      const Outside read = read_outside("json", file, file + ".outside");
      EXPECT_EQ(read.code, 0) << question[0] << " " << format << ": " << read.out;
    }
  }
  EXPECT_GT(named, 2 * kQuestions.size());
}

TEST_F(HostileAnswersTest, AreWholeInJson) {
  fill();
  const std::string name = "a\x1b[2J\u202e\u2066\u2028\xc2\x9b\u061c größe";
  answer_all_with(name);
  const auto document = nlohmann::json::parse(asked({"list", "-ojson"}).out);
  EXPECT_EQ(document["lifecycles"][0]["cgroup"]["path"], name);
}

TEST_F(HostileAnswersTest, ReasonsAreShownInOneLine) {
  for (const HostileName& name : hostile_names()) {
    if (!name.valid) continue;
    daemon.failure = grpc::Status(grpc::INTERNAL, name.raw);
    for (const std::vector<std::string>& question : kQuestions) {
      const Ended ended = asked(question);
      EXPECT_EQ(ended.code, 7) << question[0];
      EXPECT_EQ(obeyed_in(ended.err), "") << question[0];
      const int lines = question[0] == "trace" ? 2 : 1;  // with what was reported before
      EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), lines) << ended.err;
    }
  }
}

// proto3 refuses it at the receiver: an error, and none of its bytes.
TEST_F(HostileAnswersTest, ThatAreNoUtf8AreRefused) {
  fill();
  answer_all_with("a\xff\x1b");
  const Ended ended = asked({"status"});
  EXPECT_NE(ended.code, 0);
  EXPECT_EQ(ended.out, "");
  EXPECT_EQ(obeyed_in(ended.err), "");
}

}  // namespace
}  // namespace swaptrail::online
