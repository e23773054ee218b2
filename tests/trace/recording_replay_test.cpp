// Replay is the same as live: byte for byte what the reconstructor says.
#include <gtest/gtest.h>

#include "tests/scene/recording_scene.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/report/print.h"

namespace swaptrail::recording {
namespace {

class JsonSink : public lifecycles::LifecycleSink {
 public:
  void on_lifecycle(const Lifecycle& lifecycle) override {
    report::append_json(lifecycle, names_, text);
  }
  void on_return(const Return& entry_return) override { report::append_json(entry_return, text); }
  void on_violation(const Violation& violation) override {
    report::append_json(violation, names_, text);
  }
  void on_loss(const Loss& loss) override { report::append_json(loss, text); }
  std::string text;

 private:
  report::Names names_;
};

// As the pipeline does it: one stream, to the reconstructor and to the recording.
class Tee : public EventSink {
 public:
  Tee(EventSink& first, RecordingWriter& second) : first_(first), second_(second) {}
  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    first_.on_event(event, sequence);
    ASSERT_TRUE(second_.add(event, sequence).ok());
  }
  void on_loss(const Loss& loss) override {
    first_.on_loss(loss);
    ASSERT_TRUE(second_.add(loss).ok());
  }

 private:
  EventSink& first_;
  RecordingWriter& second_;
};

void expect_same(const StreamOptions& stream, const lifecycles::ReconstructorOptions& options) {
  constexpr uint64_t kEnd = 60'000'000'000;
  RecordingHeader header = test_header();
  header.reconstruction = options;
  StringSink file;
  auto writer = RecordingWriter::create(file, header, {.block_events = 300, .level = 1}).value();
  JsonSink live;
  lifecycles::Reconstructor reconstructor(options, live);
  Tee tee(reconstructor, *writer);
  Merger merger;
  for (uint32_t cpu = 0; cpu < stream.cpus; ++cpu) {
    auto events = CpuStream(stream, static_cast<uint16_t>(cpu)).make();
    lose_some(events, stream.lose_every);
    for (const swaptrail_event& event : events) merger.push(cpu, event);
  }
  merger.flush(tee);
  merger.report_drops(0, 1'000'000, kEnd);
  merger.flush(tee);
  reconstructor.finish(kEnd);
  ASSERT_TRUE(writer->finish(kEnd).ok());

  const ViewSource source(file.text);
  auto reader = RecordingReader::open(source).value();
  JsonSink again;
  lifecycles::Reconstructor second(reader->header().reconstruction, again);
  ASSERT_TRUE(reader->for_each(second).ok());
  second.finish(reader->contents().end_ns);
  EXPECT_GT(std::count(live.text.begin(), live.text.end(), '\n'), 100);
  EXPECT_EQ(live.text, again.text);
}

TEST(RecordingReplay, SameLifecycles) {
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    StreamOptions stream;
    stream.cpus = 1 + seed % 3;
    stream.events_per_cpu = 2000;
    stream.synchronous = seed % 2 == 0;
    stream.lose_every = seed > 3 ? 70 : 0;
    stream.seed = seed;
    expect_same(stream, {});
  }
}

// Every option of the reconstructor that changes what it says must come back, too.
TEST(RecordingReplay, SameOptions) {
  lifecycles::ReconstructorOptions options;
  options.visible_kinds = lifecycles::kAllKinds & ~lifecycles::kind_bit(SWAPTRAIL_WRITE_ISSUED);
  options.start_ns = 1'000'300'000;
  options.may_miss_silently = true;
  options.max_attempts = 6;
  options.max_swapped = 20;
  options.max_slots = 2048;
  options.max_batches = 2;
  expect_same({.cpus = 3, .events_per_cpu = 2000, .synchronous = false}, options);
}

}  // namespace
}  // namespace swaptrail::recording
