// swaptrail info, verify, repair, cut and merge.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/base/atomic_file.h"
#include "tests/scene/cli_scene.h"

namespace swaptrail::offline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Rework : public CliTest {
 protected:
  std::string whole() const { return record_scene(small_scene()); }
  std::string torn() const { return whole().substr(0, whole().size() * 2 / 3); }
};

TEST_F(Rework, VerifyTellsEachFile) {
  const std::string good = put("good", whole()), bad = put("bad", torn());
  const Ran clean = run_cli({"verify", good});
  EXPECT_EQ(clean.code, 0);
  EXPECT_THAT(clean.out, HasSubstr(good + ": ok: "));
  const Ran both = run_cli({"verify", bad, good});
  EXPECT_EQ(both.code, 1);
  EXPECT_THAT(both.out, HasSubstr(bad + ": damaged: "));
  EXPECT_THAT(both.out, HasSubstr("  the recording is torn at byte "));
  EXPECT_THAT(both.out, HasSubstr(good + ": ok: "));
  const Ran none = run_cli({"verify", path("none"), good});
  EXPECT_EQ(none.code, 2);
  EXPECT_THAT(none.out, HasSubstr(good + ": ok: "));
}

TEST_F(Rework, RepairMakesACleanFile) {
  const Ran ran = run_cli({"repair", put("bad", torn()), "-o", path("out")});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("torn"));
  EXPECT_EQ(run_cli({"verify", path("out")}).code, 0);
  EXPECT_EQ(replay(get("out")).items, replay(torn()).items);
  EXPECT_THAT(files(), ElementsAre("bad", "out"));
}

TEST_F(Rework, CutKeepsWhatIsBetween) {
  const Scene scene = small_scene();
  const std::string file = put("a", whole());
  const uint64_t from_ns = scene.events[10].time_ns, to_ns = scene.events[40].time_ns;
  const auto flag = [](const char* name, uint64_t time_ns) {
    return name + std::to_string(time_ns - kSceneStart) + "ns";
  };
  ASSERT_EQ(
      run_cli({"cut", file, flag("--from=", from_ns), flag("--to=", to_ns), "-o", path("b")}).code,
      0);
  EXPECT_EQ(replay(get("b")).items, replay(whole(), from_ns, to_ns).items);
  EXPECT_FALSE(replay(get("b")).items.empty());
  const Ran nothing = run_cli({"cut", file, "--from=0.9s", "-o", path("c")});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_THAT(nothing.err, HasSubstr("its events are from 1e-06 s to "));
  EXPECT_EQ(run_cli({"cut", file, "--from=x", "-o", path("c")}).code, 2);
  EXPECT_THAT(files(), ElementsAre("a", "b"));
}

TEST_F(Rework, CutRefusesDamage) {
  const Ran ran = run_cli({"cut", put("a", torn()), "--from=0", "-o", path("b")});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("swaptrail repair"));
  EXPECT_THAT(files(), ElementsAre("a"));
}

TEST_F(Rework, MergeJoinsParts) {
  const auto items = stream_of_scene(small_scene());
  const std::vector<StreamItem> first(items.begin(), items.begin() + 30);
  const std::vector<StreamItem> second(items.begin() + 30, items.end());
  const std::string a = put("a", record_items(first)), b = put("b", record_items(second));
  ASSERT_EQ(run_cli({"merge", b, a, "-o", path("c")}).code, 0);
  EXPECT_EQ(replay(get("c")).items, items);

  recording::RecordingHeader other = scene_header();
  other.boot_id = "another";
  const Ran ran = run_cli({"merge", a, put("d", record_items(second, other)), "-o", path("e")});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("different"));
  EXPECT_FALSE(std::filesystem::exists(path("e")));
}

TEST_F(Rework, NothingIsOverwrittenWithoutForce) {
  const std::string file = put("a", whole()), kept = put("kept", "precious");
  for (const char* command : {"repair", "cut", "merge"}) {
    const Ran ran = run_cli({command, file, "-o", kept});
    EXPECT_EQ(ran.code, 2) << command;
    EXPECT_THAT(ran.err, HasSubstr("--force"));
    EXPECT_EQ(ran.out, "") << "refused before the work, not after it";
    EXPECT_EQ(get("kept"), "precious");
  }
  EXPECT_EQ(run_cli({"export", file, "--format=csv", "-o", kept}).code, 2);
  EXPECT_EQ(get("kept"), "precious");
  EXPECT_EQ(run_cli({"repair", file, "-o", kept, "--force"}).code, 0);
  EXPECT_EQ(run_cli({"verify", kept}).code, 0);
  EXPECT_EQ(run_cli({"repair", file, "-o", file, "--force"}).code, 0) << "in its own place";
  EXPECT_EQ(run_cli({"verify", file}).code, 0);
  EXPECT_EQ(run_cli({"repair", file, "-o", "/dev/null", "--force"}).code, 2);
  EXPECT_EQ(run_cli({"repair", file, "-o", path("no/such/directory")}).code, 3);
  EXPECT_THAT(files(), ElementsAre("a", "kept"));
}

TEST_F(Rework, AnAtomicFileIsThereAsAWholeOrNotAtAll) {
  {
    auto file = cli::AtomicFile::create(path("x"), false).value();
    ASSERT_TRUE(file->append("some").ok());
    EXPECT_FALSE(std::filesystem::exists(path("x")));
  }
  EXPECT_TRUE(files().empty());
  auto file = cli::AtomicFile::create(path("x"), false).value();
  put("x", "of somebody who was faster");
  EXPECT_EQ(file->commit().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(get("x"), "of somebody who was faster");
}

TEST_F(Rework, DescribesAsTable) {
  const Ran ran = run_cli({"info", put("a", whole())});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.out, HasSubstr("Linux 6.12.1 x86_64, 2 CPUs"));
  EXPECT_THAT(ran.out, HasSubstr("1: /dev/zram0, 1048576 bytes, priority -2, synchronous"));
  EXPECT_THAT(ran.out, HasSubstr("split: missing, no symbol: splits are not seen"));
  EXPECT_THAT(ran.out, HasSubstr("/shop/db"));
  EXPECT_THAT(ran.out, HasSubstr("Start        0.000000 s, 2023-11-14T22:13:29.999Z"));
  const Ran bad = run_cli({"info", put("b", torn())});
  EXPECT_EQ(bad.code, 1);
  EXPECT_THAT(bad.out, HasSubstr("Damage"));
  EXPECT_THAT(bad.out, HasSubstr("not finished"));
}

TEST_F(Rework, DescribesAsJson) {
  const Ran ran =
      run_cli({"info", put("a", recording_of(stream_of_scene(small_scene()), 50)), "-o", "json"});
  const auto json = nlohmann::json::parse(ran.out);
  EXPECT_EQ(json["release"], "6.12.1");
  EXPECT_EQ(json["finished"], true);
  EXPECT_EQ(json["events"], small_scene().events.size());
  EXPECT_EQ(json["losses"], 1);
  EXPECT_EQ(json["areas"][0]["priority"], -2);
  EXPECT_EQ(json["areas"][0]["zswap"], nullptr);
  EXPECT_EQ(json["cgroups"][0]["path"], "/a b/\xef\xbf\xbd") << "bytes that are no UTF-8";
  EXPECT_EQ(json["hooks"].size(), 2u);
  EXPECT_EQ(json["readings"][1]["moment"], "end");
  EXPECT_TRUE(json["gaps"].empty());
  EXPECT_TRUE(json["damages"].empty());
  const auto bad = nlohmann::json::parse(run_cli({"info", put("b", torn()), "-o", "json"}).out);
  EXPECT_EQ(bad["damages"][0]["torn"], true);
}

TEST_F(Rework, ControlCharactersDoNotReachTheTerminal) {
  recording::RecordingHeader header = scene_header();
  header.program = "evil\x1b[2J\n";
  EXPECT_THAT(run_cli({"info", put("a", record_items({}, header))}).out,
              HasSubstr("evil?[2J?, part 0\n"));
}

}  // namespace
}  // namespace swaptrail::offline
