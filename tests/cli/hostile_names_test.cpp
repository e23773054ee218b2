// The same hostile names through everything that prints one: a terminal shows them, but obeys none.
#include "tests/scene/hostile_names.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/base/errors.h"
#include "daemon/probe/attach_plan.h"
#include "tests/scene/cli_scene.h"
#include "tests/scene/outside.h"
#include "trace/recording/file.h"
#include "trace/recording/reader.h"
#include "trace/report/print.h"

namespace swaptrail::offline {
namespace {

using nlohmann::json;
using testing::HasSubstr;

Comm comm_of(const std::string& name) {
  Comm comm{};
  std::memcpy(comm.data(), name.data(), std::min(name.size(), comm.size() - 1));
  return comm;
}

// With hooks that `swaptrail validate` knows: those of a simulation.
recording::RecordingHeader known_header() {
  const std::string file = testing::TempDir() + "hostile-" + std::to_string(getpid());
  EXPECT_EQ(run_cli({"simulate", "--mib=1", "--print=none", "-o", file}).code, 0);
  const auto source = recording::FileSource::open(file).value();
  recording::RecordingHeader header =
      recording::RecordingReader::open(*source).value()->contents().header;
  std::filesystem::remove(file);
  header.part = 0;
  header.reconstruction.start_ns = kSceneStart;
  return header;
}

// Of a process, a cgroup, a swap area and all that the header of a recording says.
std::string record_named(const std::string& name) {
  Scene scene = small_scene();
  for (swaptrail_event& event : scene.events) {
    const Comm comm = comm_of(name);
    if (event.kind == SWAPTRAIL_UNMAPPED_ONE || event.kind == SWAPTRAIL_SWAP_IN)
      std::memcpy(event.u.map.comm, comm.data(), comm.size());
  }
  recording::RecordingHeader header = known_header();
  for (std::string* text :
       {&header.program, &header.release, &header.machine, &header.boot_id, &header.mode_reason})
    *text = name;
  for (recording::RecordedHook& hook : header.hooks) hook.reason = hook.costs = name;
  recording::StringSink sink;
  auto writer =
      recording::RecordingWriter::create(sink, header, {.block_events = 16, .level = 1}).value();
  recording::SwapArea area{1,
                           1 << 20,
                           recording::kUsedNotKnown,
                           1,
                           -2,
                           recording::Known::kNo,
                           recording::Known::kYes,
                           recording::Known::kNo,
                           name};
  EXPECT_TRUE(writer->add(area).ok());
  EXPECT_TRUE(writer->add(recording::CgroupName{kSceneStart, 42, "/" + name}).ok());
  EXPECT_TRUE(writer->add(recording::ProcessName{kSceneStart, 500, name}).ok());
  for (const StreamItem& item : stream_of_scene(scene)) EXPECT_TRUE(add_item(*writer, item).ok());
  recording::Gap gap;
  gap.reason = name;
  EXPECT_TRUE(writer->add(gap).ok());
  EXPECT_TRUE(writer->finish(kSceneEnd).ok());
  return std::move(sink.text);
}

class HostileNames : public CliTest {
 protected:
  // Each format of each command that reads a recording.
  struct Printer {
    std::vector<std::string> arguments;
    bool is_json = false;
  };
  static std::vector<Printer> printers(const std::string& file) {
    return {{{"info", file}},
            {{"info", file, "-ojson"}, true},
            {{"replay", file}},
            {{"replay", file, "--print=jsonl"}, true},
            {{"export", file, "--format=jsonl"}, true},
            {{"export", file, "--format=perfetto"}, true},
            {{"export", file, "--format=csv"}},
            {{"validate", file}},
            {{"validate", file, "--print=jsonl"}, true},
            {{"verify", file}}};
  }
  void hold(const std::string& name) {
    const std::string file = put("named", record_named(name));
    std::string json_files;
    for (const Printer& printer : printers(file)) {
      const Ran ran = run_cli(printer.arguments);
      const std::string what = testing::PrintToString(printer.arguments) + " of " + name;
      EXPECT_FALSE(ran.out.empty()) << what;
      const bool is_csv = printer.arguments.back() == "--format=csv";
      EXPECT_EQ(obeyed_in(ran.out, is_csv ? "\r\n" : "\n"), "") << what;
      EXPECT_EQ(obeyed_in(ran.err), "") << what;
      if (printer.is_json)
        json_files += " " + put("json-" + std::to_string(json_files.size()), ran.out);
    }
    const Outside read = read_outside("json", json_files, path("outside"));
    EXPECT_EQ(read.code, 0) << name << ": " << read.out;
  }
};

TEST_F(HostileNames, AreShownAndNotObeyed) {
  if (!there_is_python()) GTEST_SKIP() << "no python3";
  for (const HostileName& name : hostile_names()) hold(name.raw);
  hold(long_hostile_name());
}

// Escaped, and so still themselves.
TEST_F(HostileNames, AreWholeInJson) {
  for (const HostileName& name : hostile_names()) {
    if (!name.valid) continue;
    const std::string file = put("named", record_named(name.raw));
    const std::string lines = run_cli({"export", file, "--format=jsonl"}).out;
    const json lifecycle = json::parse(lines.substr(0, lines.find('\n')));
    EXPECT_EQ(lifecycle["cgroup"], "/" + name.raw);
  }
}

TEST_F(HostileNames, AreCellsOfCsvAndNoFormulas) {
  if (!there_is_python()) GTEST_SKIP() << "no python3";
  for (const HostileName& name : hostile_names()) {
    if (name.raw.size() > 15) continue;  // as a comm
    const std::string file = put("named", record_named(name.raw));
    const Outside read = read_outside(
        "csv", put("csv", run_cli({"export", file, "--format=csv"}).out), path("outside"));
    ASSERT_EQ(read.code, 0) << read.out;
    const json rows = json::parse(read.out);
    const json& heading = rows[0];
    ASSERT_GT(rows.size(), 5u);
    size_t named = 0;
    for (size_t index = 1; index < rows.size(); ++index) {
      ASSERT_EQ(rows[index].size(), heading.size());
      for (size_t column = 0; column < heading.size(); ++column) {
        const std::string cell = rows[index][column];
        if (heading[column] == "comm" && !cell.empty()) {
          EXPECT_EQ(cell, name.in_csv);
          ++named;
        }
        EXPECT_TRUE(cell.empty() || std::string("=+-@").find(cell[0]) == std::string::npos) << cell;
      }
    }
    EXPECT_GT(named, 5u);
  }
}

// What has no bound of its own in a recording.
TEST_F(HostileNames, OfAnyLengthArePrinted) {
  class Named : public report::Names {
   public:
    std::optional<std::string_view> cgroup_path(uint64_t) const override { return name; }
    const std::string name = "/" + long_hostile_name() + long_hostile_name();
  } names;
  ASSERT_GT(names.name.size(), 100'000u);
  Lifecycle lifecycle;
  lifecycle.cgroup = 42;
  std::string text, line;
  report::append_text(lifecycle, names, 0, text);
  report::append_json(lifecycle, names, line);
  EXPECT_EQ(obeyed_in(text), "");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(obeyed_in(line), "");
  EXPECT_EQ(json::parse(line)["cgroup"], names.name);
}

TEST_F(HostileNames, InAPlanAreShown) {
  for (const HostileName& name : hostile_names()) {
    probe::AttachPlan plan;
    plan.release = plan.mode.reason = plan.symbols_reason = name.raw;
    probe::HookPlan missing, chosen;
    missing.hook = chosen.hook = "removed";
    missing.state = probe::HookState::kMissing;
    missing.reason = missing.costs = name.raw;
    chosen.state = probe::HookState::kChosen;
    chosen.target.target = chosen.target.warning = name.raw;
    chosen.target.end_target = name.raw + "2";
    probe::RejectedCandidate rejected;
    rejected.target = rejected.reason = name.raw;
    chosen.rejected = {rejected};
    plan.hooks = {missing, chosen};
    EXPECT_EQ(obeyed_in(probe::explain_text(plan, nullptr)), "");
    const std::string lines = probe::explain_jsonl(plan, nullptr);
    EXPECT_EQ(obeyed_in(lines), "");
    const json first = json::parse(lines.substr(0, lines.find('\n')));
    if (name.valid) {
      EXPECT_EQ(first["release"], name.raw);
    }
  }
}

TEST_F(HostileNames, InWhatIsWrongAreShownInOneLine) {
  const std::string file = put("good", record_scene(small_scene()));
  for (const HostileName& name : hostile_names()) {
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {name.raw},
             {"--" + name.raw},
             {"replay", name.raw},
             {"replay", "--" + name.raw},
             {"replay", file, "--print=" + name.raw},
             {"replay", file, "--from=x" + name.raw},
             {"replay", file, "--pid=x" + name.raw},
             {"verify", path("none") + name.raw},
             {"cut", file, "--from=x" + name.raw, "-o" + path("out")},
             {"merge", file, "-o" + path("none/") + name.raw},
             {"simulate", "--pattern=" + name.raw},
             {"simulate", "--kernel=" + name.raw},
             {"what-if", file, "--memory=" + name.raw},
             {"what-if", file, "--zswap=1M/" + name.raw},
             {"what-if", file, "--priority=" + name.raw + "=1"},
             {"manpage", name.raw},
             {"completion", name.raw},
             {"doctor", "--btf=" + name.raw},
             {"doctor", "--btf=" + file},
             {"status", "--timeout=" + name.raw},
             {"list", "--since=" + name.raw},
             {"status", "--socket=/none/" + name.raw}}) {
      const Ran ran = run_cli(arguments);
      EXPECT_NE(ran.code, 0) << testing::PrintToString(arguments);
      EXPECT_EQ(ran.out, "");
      EXPECT_EQ(obeyed_in(ran.err), "") << testing::PrintToString(arguments);
      EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
    }
  }
  testing::internal::CaptureStderr();
  cli::complain(cli::kUnusable, long_hostile_name() + long_hostile_name(), "give a shorter one");
  const std::string line = testing::internal::GetCapturedStderr();
  EXPECT_EQ(obeyed_in(line), "");
  EXPECT_LT(line.size(), 10'000u);
  EXPECT_THAT(line, HasSubstr(" ...; give a shorter one\n"));
}

}  // namespace
}  // namespace swaptrail::offline
