// swaptrail export: other tools can read it, and nothing is missing.
#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/offline/export.h"
#include "tests/scene/cli_scene.h"

namespace swaptrail::offline {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class Export : public CliTest {
 protected:
  std::string file(const Scene& scene = small_scene()) const {
    return put("a", record_scene(scene));
  }
};

TEST_F(Export, JsonlIsReplayWithoutItsSummary) {
  const std::string lines = run_cli({"export", file(), "--format=jsonl"}).out;
  const std::string all = run_cli({"replay", file(), "--print=jsonl"}).out;
  EXPECT_EQ(lines, all.substr(0, all.find("{\"type\":\"summary\"")));
  EXPECT_EQ(run_cli({"export", file(), "--format=jsonl", "-o", path("out")}).code, 0);
  EXPECT_EQ(get("out"), lines);
}

// RFC 4180, and nothing else: fails on anything that the grammar has not.
std::vector<std::vector<std::string>> parse_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows;
  size_t at = 0;
  while (at < text.size()) {
    rows.emplace_back();
    for (;;) {
      std::string field;
      if (text[at] == '"') {
        for (++at; at < text.size(); ++at) {
          if (text[at] == '"' && text[at + 1] != '"') break;
          if (text[at] == '"') ++at;
          field += text[at];
        }
        ++at;
      } else {
        const size_t end = text.find_first_of(",\r\"\n", at);
        field = text.substr(at, end - at);
        at = end;
      }
      rows.back().push_back(field);
      if (text[at] != ',') break;
      ++at;
    }
    EXPECT_EQ(text.substr(at, 2), "\r\n");
    at += 2;
  }
  return rows;
}

TEST_F(Export, CsvHasARowForEachLifecycle) {
  Scene scene = small_scene();
  for (swaptrail_event& event : scene.events)
    if (event.kind == SWAPTRAIL_UNMAPPED_ONE)
      std::strcpy(event.u.map.comm, "a \"b\",\nc");  // a name has no line
  const auto rows = parse_csv(run_cli({"export", file(scene), "--format=csv"}).out);
  const auto lifecycles = scene.run({.start_ns = kSceneStart}).kept.lifecycles;
  ASSERT_EQ(rows.size(), lifecycles.size() + 1);
  std::map<std::string, size_t> column;
  for (size_t index = 0; index < rows[0].size(); ++index) column[rows[0][index]] = index;
  for (size_t index = 0; index < lifecycles.size(); ++index) {
    const auto& row = rows[index + 1];
    const Lifecycle& lifecycle = lifecycles[index];
    ASSERT_EQ(row.size(), rows[0].size());
    EXPECT_EQ(row[column.at("id")], std::to_string(lifecycle.id));
    EXPECT_EQ(row[column.at("outcome")], outcome_name(lifecycle.outcome));
    EXPECT_EQ(row[column.at("comm")], lifecycle.mapping_count == 0 ? "" : "a \"b\",?c");
    const uint64_t removed_ns = lifecycle.at(Stage::kRemoved);
    EXPECT_EQ(row[column.at("removed_ns")], removed_ns == 0 ? "" : std::to_string(removed_ns));
  }
}

// Each event has what its phase needs; returns them by phase.
std::map<std::string, std::vector<json>> check_events(const json& trace) {
  std::map<std::string, std::vector<json>> phases;
  for (const json& event : trace.at("traceEvents")) {
    for (const char* key : {"ph", "name", "pid", "tid", "ts"}) {
      EXPECT_TRUE(event.contains(key)) << event;
    }
    EXPECT_TRUE(event["ts"].is_number()) << event;
    EXPECT_GE(event["ts"].get<double>(), 0) << event;
    const std::string phase = event["ph"];
    const bool has_id = phase == "b" || phase == "e" || phase == "s" || phase == "f";
    EXPECT_EQ(event.contains("cat"), phase != "M") << event;
    EXPECT_EQ(event.contains("id"), has_id) << event;
    EXPECT_EQ(event.contains("dur"), phase == "X") << event;
    phases[phase].push_back(event);
  }
  return phases;
}

// Begins and ends of one id nest, by name, in the order of time and then of the file.
void check_nesting(const json& trace) {
  std::map<std::string, std::vector<json>> by_id;
  for (const json& event : trace["traceEvents"])
    if (event["ph"] == "b" || event["ph"] == "e")
      by_id[event["cat"].get<std::string>() + "/" + event["id"].get<std::string>()].push_back(
          event);
  EXPECT_FALSE(by_id.empty());
  for (auto& [id, events] : by_id) {
    std::stable_sort(events.begin(), events.end(), [](const json& a, const json& b) {
      return a["ts"].get<double>() < b["ts"].get<double>();
    });
    std::vector<std::string> open;
    for (const json& event : events) {
      EXPECT_EQ(event["pid"], events[0]["pid"]) << id;
      if (event["ph"] == "b") {
        open.push_back(event["name"]);
        continue;
      }
      ASSERT_FALSE(open.empty()) << id;
      EXPECT_EQ(open.back(), event["name"]) << id;
      open.pop_back();
    }
    EXPECT_TRUE(open.empty()) << id;
  }
}

void check_flows(std::map<std::string, std::vector<json>>& phases) {
  std::map<std::string, json> starts;
  std::set<std::string> points;  // a flow binds to a slice of its thread at its time
  const auto place = [](const json& event) {
    return event["pid"].dump() + " " + event["tid"].dump() + " " + event["ts"].dump();
  };
  for (const json& event : phases["X"]) points.insert(place(event));
  for (const json& event : phases["s"]) {
    EXPECT_TRUE(points.contains(place(event))) << event;
    EXPECT_TRUE(starts.emplace(event["id"], event).second) << event;
  }
  for (const json& event : phases["f"]) {
    EXPECT_TRUE(points.contains(place(event))) << event;
    EXPECT_EQ(event["bp"], "e");
    ASSERT_TRUE(starts.contains(event["id"])) << event;
    EXPECT_LT(starts[event["id"]]["ts"].get<double>(), event["ts"].get<double>());
    EXPECT_EQ(starts[event["id"]]["name"], event["name"]);
    starts.erase(event["id"]);
  }
  EXPECT_TRUE(starts.empty());
}

TEST_F(Export, PerfettoIsWellFormed) {
  const Ran ran = run_cli({"export", file(), "--format=perfetto"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json trace = json::parse(ran.out);
  auto phases = check_events(trace);
  check_nesting(trace);
  check_flows(phases);

  const Outcomes outcomes = small_scene().run({.start_ns = kSceneStart});
  size_t outer = 0, writes = 0, stages = 0;
  std::set<std::string> stage_names;
  for (size_t index = 0; index < kStageCount; ++index)
    stage_names.emplace(stage_name(static_cast<Stage>(index)));
  for (const json& event : phases["b"]) {
    outer += event["name"] == "swap-out" ? 1 : 0;
    writes += event["name"] == "write" ? 1 : 0;
    stages += stage_names.contains(event["name"]) ? 1 : 0;
  }
  size_t expected_stages = 0;
  for (const Lifecycle& lifecycle : outcomes.kept.lifecycles)
    for (const uint64_t time_ns : lifecycle.stage_ns) expected_stages += time_ns != 0 ? 1 : 0;
  EXPECT_EQ(outer, outcomes.kept.lifecycles.size());
  EXPECT_EQ(stages, expected_stages);
  EXPECT_EQ(writes, 7u);
  EXPECT_EQ(phases["f"].size(), 2u);
  EXPECT_EQ(phases["i"].size(), outcomes.kept.losses.size() + outcomes.kept.violations.size());
}

TEST_F(Export, PerfettoNamesItsProcesses) {
  const json trace = json::parse(run_cli({"export", file(), "--format=perfetto"}).out);
  std::map<uint64_t, std::string> names;
  std::set<uint64_t> tids;
  for (const json& event : trace["traceEvents"]) {
    if (event["name"] == "process_name") names[event["pid"]] = event["args"]["name"];
    if (event["name"] != "thread_name") continue;
    EXPECT_TRUE(tids.insert(event["tid"].get<uint64_t>()).second) << event;
  }
  std::set<std::string> kinds;
  for (const auto& [pid, name] : names) kinds.insert(name);
  EXPECT_TRUE(kinds.contains("cgroup /shop/db"));
  EXPECT_TRUE(kinds.contains("swap 1 /dev/zram0"));
  for (const json& event : trace["traceEvents"]) EXPECT_TRUE(names.contains(event["pid"])) << event;
}

TEST_F(Export, PerfettoTimesAreMicrosecondsSinceTheStart) {
  Scene scene;
  scene.whole_sync(page_at(1));
  const uint64_t slot_ns = scene.events[1].time_ns;
  const std::string text = run_cli({"export", file(scene), "--format=perfetto"}).out;
  const uint64_t since = slot_ns - kSceneStart;
  EXPECT_THAT(text, HasSubstr("\"ts\":" + std::to_string(since / 1000) + ".000"));
}

TEST_F(Export, PerfettoOverlapsAndEmptyOnes) {
  Scene scene;
  for (uint64_t index = 0; index < 40; ++index) scene.out_async(page_at(index));
  scene.begin();
  for (uint64_t index = 0; index < 20; ++index) scene.removed(page_at(index));
  scene.end();
  const json busy = json::parse(run_cli({"export", file(scene), "--format=perfetto"}).out);
  check_events(busy);
  check_nesting(busy);
  const json empty = json::parse(run_cli({"export", file(Scene()), "--format=perfetto"}).out);
  EXPECT_TRUE(empty["traceEvents"].empty());
}

// What is collected between two appends does not grow with the stream.
TEST_F(Export, MemoryIsBounded) {
  class Largest : public recording::ByteSink {
   public:
    absl::Status append(std::string_view bytes) override {
      largest = std::max(largest, bytes.size());
      total += bytes.size();
      return absl::OkStatus();
    }
    size_t largest = 0, total = 0;
  };
  const report::Names names;
  Largest sink;
  const auto exporter = make_csv_exporter(names, sink);
  Lifecycle lifecycle;
  for (int count = 0; count < 20'000; ++count) exporter->on_lifecycle(lifecycle);
  ASSERT_TRUE(exporter->flush().ok());
  EXPECT_GT(sink.total, 1u << 20);
  EXPECT_LT(sink.largest, 70'000u);
}

TEST_F(Export, OfADamagedRecordingIsWhatStandsBefore) {
  const std::string whole = record_scene(small_scene());
  const std::string torn = put("torn", whole.substr(0, whole.size() * 2 / 3));
  const Ran ran = run_cli({"export", torn, "--format=perfetto", "-o", path("out")});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("torn at byte"));
  const json trace = json::parse(get("out"));
  EXPECT_FALSE(trace["traceEvents"].empty());
  check_nesting(trace);
}

TEST_F(Export, AnOutputThatFailsIsTold) {
  class Full : public recording::ByteSink {
   public:
    absl::Status append(std::string_view) override {
      ++calls;
      return absl::ResourceExhaustedError("full");
    }
    int calls = 0;
  };
  const report::Names names;
  Full sink;
  const auto exporter = make_jsonl_exporter(names, sink);
  Lifecycle lifecycle;
  for (int count = 0; count < 1000; ++count) exporter->on_lifecycle(lifecycle);
  EXPECT_EQ(exporter->flush().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(sink.calls, 1);
  EXPECT_EQ(run_cli({"export", file(), "--format=xml"}).code, 2);
  EXPECT_EQ(run_cli({"export", file()}).code, 2);
}

}  // namespace
}  // namespace swaptrail::offline
