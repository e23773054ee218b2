// swaptrail replay: the bytes that swaptraild printed.
#include <gmock/gmock.h>

#include "cli/base/progress.h"
#include "cli/offline/time_range.h"
#include "tests/scene/cli_scene.h"
#include "trace/report/printer.h"
#include "trace/report/readings.h"

namespace swaptrail::offline {
namespace {

using testing::HasSubstr;

class SceneNames : public report::Names {
 public:
  std::optional<uint64_t> pfn_of(uint64_t folio) const override {
    return (folio - folio_at(0)) / 64;
  }
  std::optional<std::string_view> cgroup_path(uint64_t id) const override {
    if (id == 42) return "/shop/db";
    return std::nullopt;
  }
};

class StringPrinter : public report::Printer {
 public:
  using report::Printer::Printer;
  std::string text;

 protected:
  bool write(std::string_view bytes) override {
    text.append(bytes);
    return true;
  }
};

// What swaptraild prints for these events; `rows` and `stream` as it counted them.
std::string live(const std::vector<StreamItem>& items, report::PrintFormat format,
                 const report::PrintFilter& filter = {}, const report::StreamCounters& stream = {},
                 const std::vector<report::ReconcileRow>& rows = {}) {
  const SceneNames names;
  StringPrinter printer(format, filter, names);
  lifecycles::ReconstructorOptions options;
  options.start_ns = kSceneStart;
  printer.set_start(kSceneStart);
  lifecycles::Reconstructor reconstructor(options, printer);
  for (const StreamItem& item : items) {
    if (item.is_loss)
      reconstructor.on_loss(item.loss);
    else
      reconstructor.on_event(item.event, item.sequence);
  }
  reconstructor.finish(kSceneEnd);
  printer.print_summary(reconstructor.counters(), stream, rows);
  return printer.text;
}

std::vector<StreamItem> items() { return stream_of_scene(small_scene()); }

class Replay : public CliTest {};

TEST_F(Replay, SameBytesAsLive) {
  const std::string file = put("a", record_items(items()));
  const Ran json = run_cli({"replay", file, "--print=jsonl"});
  EXPECT_EQ(json.out, live(items(), report::PrintFormat::kJsonl));
  EXPECT_EQ(json.err, "");
  EXPECT_THAT(json.out, HasSubstr("\"cgroup\":\"/shop/db\""));
  EXPECT_THAT(json.out, HasSubstr("\"type\":\"loss\""));
  EXPECT_THAT(json.out, HasSubstr("\"pfn\":3,"));
  EXPECT_EQ(run_cli({"replay", file}).out, live(items(), report::PrintFormat::kText));
  EXPECT_EQ(run_cli({"replay", file, "--print=none"}).out, "");
}

TEST_F(Replay, SameFilters) {
  const std::string file = put("a", record_items(items()));
  const auto expect = [&](const report::PrintFilter& filter, std::vector<std::string> flags) {
    const std::string expected = live(items(), report::PrintFormat::kText, filter);
    EXPECT_NE(expected, live(items(), report::PrintFormat::kText));
    flags.insert(flags.begin(), {"replay", file});
    EXPECT_EQ(run_cli(flags).out, expected);
  };
  expect({{100}, "", {}}, {"--pid=100"});
  expect({{5}, "", {}}, {"--pid=5"});
  expect({{}, "/shop", {}}, {"--cgroup=/shop"});
  expect({{}, "/other", {}}, {"--cgroup=/other"});
  expect({{}, "", {Outcome::kAborted}}, {"--outcome=aborted"});
}

recording::Reading reading_at(recording::Reading::Moment moment, uint64_t written,
                              uint64_t kernel) {
  recording::Reading reading;
  reading.moment = moment;
  reading.consumed = 500;
  reading.totals.pages[SWAPTRAIL_WRITE_ISSUED] = written;
  reading.totals.emitted[SWAPTRAIL_WRITE_ISSUED] = written;
  reading.totals.dropped[SWAPTRAIL_DROP_RING_FULL] = 3;
  if (moment != recording::Reading::Moment::kLast) reading.vmstat = {{"pswpout", kernel}};
  return reading;
}

TEST_F(Replay, TheSummaryIsTheSameWithoutThePages) {
  const std::string text = live(items(), report::PrintFormat::kText);
  const std::string summary = live(items(), report::PrintFormat::kSummary);
  ASSERT_NE(summary.find(" LOSS of "), std::string::npos) << "losses are told all the same";
  const std::string last = summary.substr(summary.find('\n') + 1);
  EXPECT_EQ(last.find(" -> "), std::string::npos);
  EXPECT_TRUE(text.ends_with(last));
  EXPECT_GT(text.size(), summary.size());
}

TEST_F(Replay, TrustNumberAndCountersComeFromTheReadings) {
  std::vector<recording::Reading> readings{reading_at(recording::Reading::Moment::kBegin, 10, 100),
                                           reading_at(recording::Reading::Moment::kEnd, 17, 108),
                                           reading_at(recording::Reading::Moment::kLast, 20, 0)};
  readings[0].consumed = 0;
  report::StreamCounters stream;
  stream.skipped_runs = 7;
  stream.after_end = 9;
  report::put_stream_counters(stream, readings[2]);
  stream.dropped_ring_full = 3;
  const std::string text =
      run_cli({"replay", put("a", record_items(items(), scene_header(), readings))}).out;
  const std::vector<report::ReconcileRow> rows{
      {"pswpout", 8, 7, -1, "pages given to a swap device", 7},  // runs that were skipped
      {"emitted", 20, 503, 483, "records made = consumed + dropped"},
      {"freed", 7, 7, 0, "pages freed = returned + away + superseded"}};
  EXPECT_EQ(text, live(items(), report::PrintFormat::kText, {}, stream, rows));
}

TEST_F(Replay, LateEventsAreCounted) {
  auto stream = items();
  std::swap(stream[3], stream[4]);
  const Ran ran = run_cli({"replay", put("a", record_items(stream)), "--print=jsonl"});
  EXPECT_THAT(ran.out, HasSubstr("\"late_events\":1,"));
}

TEST_F(Replay, ACgroupHasItsNameFromWhenItWasLearnt) {
  Scene scene = small_scene();
  recording::StringSink sink;
  auto writer = recording::RecordingWriter::create(sink, scene_header()).value();
  const uint64_t learnt_ns = scene.events[30].time_ns;
  ASSERT_TRUE(writer->add(recording::CgroupName{learnt_ns, 42, "/late"}).ok());
  for (const StreamItem& item : stream_of_scene(scene)) ASSERT_TRUE(add_item(*writer, item).ok());
  ASSERT_TRUE(writer->finish(kSceneEnd).ok());
  const std::string out = run_cli({"replay", put("a", sink.text), "--print=jsonl"}).out;
  EXPECT_LT(out.find("\"cgroup\":42"), out.find("\"cgroup\":\"/late\""));
  EXPECT_NE(out.find("\"cgroup\":\"/late\""), std::string::npos);
}

TEST_F(Replay, PartsAreOneObservation) {
  const auto all = items();
  const auto from = [&](size_t begin, size_t end) {
    return std::vector<StreamItem>(all.begin() + begin, all.begin() + end);
  };
  const std::string first = put("z", record_items(from(0, 20), scene_header(0)));
  const std::string second = put("y", record_items(from(20, 40), scene_header(1)));
  const std::string third = put("x", record_items(from(40, all.size()), scene_header(2)));
  EXPECT_EQ(run_cli({"replay", third, first, second}).out, live(all, report::PrintFormat::kText));

  // without the second, its 20 events are a loss
  auto seen = from(0, 20);
  const auto& next = all[40].event;
  seen.push_back({true, {}, 0, {seen.back().event.time_ns, next.time_ns, 20, 0}});
  seen.insert(seen.end(), all.begin() + 40, all.end());
  EXPECT_EQ(run_cli({"replay", first, third}).out, live(seen, report::PrintFormat::kText));
}

TEST_F(Replay, PartsThatDoNotBelongTogetherAreRefused) {
  recording::RecordingHeader other = scene_header(1);
  other.boot_id = "another";
  const std::string a = put("a", record_items(items()));
  const Ran boots = run_cli({"replay", a, put("b", record_items(items(), other))});
  EXPECT_EQ(boots.code, 2);
  EXPECT_THAT(boots.err, HasSubstr("different observations"));
  const Ran twice = run_cli({"replay", a, a});
  EXPECT_EQ(twice.code, 2);
  EXPECT_THAT(twice.err, HasSubstr("swaptrail merge"));
}

TEST_F(Replay, ViolationsAreToldByTheCode) {
  Scene scene;
  scene.whole_sync(page_at(1));
  EXPECT_EQ(run_cli({"replay", put("a", record_scene(scene)), "--print=none"}).code, 0);
  scene.whole_sync({folio_at(2), page_at(1).entry});  // the slot of a page that is still there
  scene.begin();
  scene.slot({folio_at(3), page_at(1).entry});
  scene.slot({folio_at(4), page_at(1).entry});
  scene.end();
  ASSERT_FALSE(scene.run().kept.violations.empty());
  EXPECT_EQ(run_cli({"replay", put("b", record_scene(scene)), "--print=none"}).code, 1);
}

TEST_F(Replay, DamageEndsItAfterWhatStandsBefore) {
  const std::string whole = record_items(items());
  const Ran torn =
      run_cli({"replay", put("a", whole.substr(0, whole.size() * 2 / 3)), "--print=jsonl"});
  EXPECT_EQ(torn.code, 1);
  EXPECT_THAT(torn.err, HasSubstr(path("a") + ": the recording is torn at byte "));
  EXPECT_THAT(torn.err, HasSubstr("swaptrail repair"));
  EXPECT_EQ(std::count(torn.err.begin(), torn.err.end(), '\n'), 1);
  EXPECT_THAT(torn.out, HasSubstr("\"id\":1,"));
  EXPECT_THAT(torn.out, HasSubstr("\"type\":\"summary\""));
}

TEST_F(Replay, ARecordingWithoutAnEndIsSaidToBeSo) {
  const std::string whole = record_items(items());
  recording::RecordPlace last;
  for (const recording::RecordPlace& place : places_of(whole))
    if (place.is(recording::RecordKind::kBlock)) last = place;
  const Ran ran = run_cli({"replay", put("a", whole.substr(0, last.offset + last.bytes))});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.err, HasSubstr("not finished"));
  EXPECT_THAT(ran.out, HasSubstr(" lifecycles of "));
}

TEST_F(Replay, RangeIsThatOfACutRecording) {
  const Scene scene = small_scene();
  recording::RecordingHeader header = scene_header();
  header.reconstruction.start_ns = 1;  // so long ago that only the cut can be the reason
  const std::string file = put("a", record_scene(scene, header));
  const auto offset = [&](size_t index) {
    return std::to_string(scene.events[index].time_ns - 1) + "ns";
  };
  const std::string from = "--from=" + offset(12), to = "--to=" + offset(50);
  ASSERT_EQ(run_cli({"cut", file, from, to, "-o", path("b")}).code, 0);
  const Ran part = run_cli({"replay", file, from, to, "--print=jsonl"});
  EXPECT_EQ(part.out, run_cli({"replay", path("b"), "--print=jsonl"}).out);
  EXPECT_NE(part.out, run_cli({"replay", file, "--print=jsonl"}).out);
  EXPECT_THAT(part.out, HasSubstr("before_attach"));
}

TEST_F(Replay, RefusesWhatItCannotRead) {
  const Ran missing = run_cli({"replay", path("none")});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr(path("none")));
  const Ran other = run_cli({"replay", put("text", std::string(4000, 'x'))});
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.err, HasSubstr(path("text") + ": "));
  EXPECT_EQ(run_cli({"replay", put("empty", "")}).code, 2);

  std::string newer = record_items(items());
  newer[8] = static_cast<char>(recording::kRecordingMajor + 1);
  const uint64_t hash = recording::xxhash64(std::string_view(newer).substr(0, 16));
  for (size_t byte = 0; byte < 8; ++byte) newer[16 + byte] = static_cast<char>(hash >> (8 * byte));
  const Ran refused = run_cli({"replay", put("newer", newer)});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("newer swaptrail"));
  EXPECT_EQ(refused.out, "");
}

TEST_F(Replay, RefusesBadFlags) {
  const std::string file = put("a", record_items(items()));
  for (const char* bad :
       {"--print=xml", "--pid=x", "--outcome=happy", "--from=yesterday", "--from=-1s", "--surplus"})
    EXPECT_EQ(run_cli({"replay", file, bad}).code, 2) << bad;
  EXPECT_EQ(run_cli({"replay", file, "--from=2s", "--to=1s"}).code, 2);
  EXPECT_EQ(run_cli({"replay"}).code, 2);
  EXPECT_EQ(run_cli({}).code, 2);
  EXPECT_EQ(run_cli({"replay", "--help"}).code, 0);
}

TEST(Moment, SecondsOrTimeOfDay) {
  recording::RecordingHeader header;
  header.reconstruction.start_ns = 50 * kSecond;
  header.monotonic_ns = 40 * kSecond;
  header.realtime_ns = 1'000'000'000 * kSecond;  // 2001-09-09T01:46:40Z
  EXPECT_EQ(parse_moment("1.5", header).value(), 51'500 * kMs);
  EXPECT_EQ(parse_moment("1.5s", header).value(), 51'500 * kMs);
  for (const char* endless : {"infinite-future", "infinite-past"})
    EXPECT_FALSE(parse_moment(endless, header).ok()) << endless;
  EXPECT_EQ(parse_moment("200ms", header).value(), 50'200 * kMs);
  EXPECT_EQ(parse_moment("1m0.25s", header).value(), 110'250 * kMs);
  EXPECT_EQ(parse_moment("0", header).value(), 50 * kSecond);
  EXPECT_EQ(parse_moment("2001-09-09T01:46:41.5Z", header).value(), 41'500 * kMs);
  EXPECT_EQ(parse_moment("2001-09-09T03:46:41+02:00", header).value(), 41 * kSecond);
  EXPECT_EQ(parse_moment("1999-01-01T00:00:00Z", header).value(), 0u);
  for (const char* bad : {"", "x", "1x", "-1", "inf", "2001-09-09", "99999999h"})
    EXPECT_FALSE(parse_moment(bad, header).ok()) << bad;
  EXPECT_EQ(time_of_day(41'500 * kMs, header), "2001-09-09T01:46:41.500Z");
}

TEST(ProgressBar, ShowsTheShareAndNothingWithoutATerminal) {
  EXPECT_EQ(cli::Progress::line("x", 1, 2),
            "x [" + std::string(15, '#') + std::string(15, '.') + "]  50 %");
  EXPECT_EQ(cli::Progress::line("x", 7, 2), "x [" + std::string(30, '#') + "] 100 %");
  testing::internal::CaptureStderr();
  EXPECT_EQ(cli::Progress::style_here(false), cli::Progress::Style::kSilent);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace swaptrail::offline
