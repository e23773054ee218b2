// The cost of recording: events/s of the writer and of the reader on one core, and bytes an event.
//
// On synthetic streams modelled on real ones and, if SWAPTRAIL_BENCH_RECORDING names recordings
// (separated by ':'), on those: zram = written synchronously, disk = asynchronously.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/scene/recording_stream.h"
#include "trace/recording/file.h"
#include "trace/recording/reader.h"
#include "trace/recording/writer.h"

namespace swaptrail {
namespace {

using Stream = std::shared_ptr<const std::vector<StreamItem>>;

class CountingSink : public recording::ByteSink {
 public:
  absl::Status append(std::string_view bytes) override {
    count += bytes.size();
    return absl::OkStatus();
  }
  uint64_t count = 0;
};

// Reads every event, as the cheapest real sink would.
class SummingSink : public EventSink {
 public:
  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    sum += event.time_ns ^ event.folio ^ sequence ^ event.u.page.backend;
    ++events;
  }
  void on_loss(const Loss& loss) override { sum += loss.count; }
  uint64_t sum = 0;
  uint64_t events = 0;
};

void fail(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  std::exit(1);
}

uint64_t write(const std::vector<StreamItem>& stream,
               const recording::RecordingWriter::Options& options, recording::ByteSink& sink) {
  auto writer = recording::RecordingWriter::create(sink, recording::RecordingHeader(), options);
  fail(writer.status());
  for (const StreamItem& item : stream) {
    absl::Status status =
        item.is_loss ? (*writer)->add(item.loss) : (*writer)->add(item.event, item.sequence);
    if (!status.ok()) fail(status);
  }
  fail((*writer)->finish(0));
  return (*writer)->counters().events;
}

void measure_writer(benchmark::State& state, const Stream& stream,
                    const recording::RecordingWriter::Options& options) {
  uint64_t events = 0, bytes = 0, all = 0;
  for (auto _ : state) {
    CountingSink sink;
    events = write(*stream, options, sink);
    bytes = sink.count;
    all += events;
  }
  state.counters["events/s"] =
      benchmark::Counter(static_cast<double>(all), benchmark::Counter::kIsRate);
  state.counters["bytes/event"] = static_cast<double>(bytes) / static_cast<double>(events);
}

void measure_reader(benchmark::State& state, const Stream& stream) {
  recording::StringSink file;
  write(*stream, {}, file);
  const recording::ViewSource source(file.text);
  uint64_t all = 0;
  for (auto _ : state) {
    auto reader = recording::RecordingReader::open(source);
    fail(reader.status());
    SummingSink sink;
    fail((*reader)->for_each(sink));
    benchmark::DoNotOptimize(sink.sum);
    all += sink.events;
  }
  state.counters["events/s"] =
      benchmark::Counter(static_cast<double>(all), benchmark::Counter::kIsRate);
}

void add(const std::string& name, std::vector<StreamItem> items) {
  const Stream stream = std::make_shared<const std::vector<StreamItem>>(std::move(items));
  const auto with = [&](const std::string& what, auto function) {
    benchmark::RegisterBenchmark((what + "/" + name).c_str(), function)
        ->Unit(benchmark::kMillisecond);
  };
  with("writer", [stream](benchmark::State& state) { measure_writer(state, stream, {}); });
  with("writer_level3", [stream](benchmark::State& state) {
    measure_writer(state, stream, {.block_events = 16384, .level = 3});
  });
  with("reader", [stream](benchmark::State& state) { measure_reader(state, stream); });
}

void add_recording(const std::string& path) {
  auto source = recording::FileSource::open(path);
  fail(source.status());
  auto reader = recording::RecordingReader::open(**source);
  fail(reader.status());
  StreamSink sink;
  fail((*reader)->for_each(sink));
  add(path.substr(path.rfind('/') + 1), std::move(sink.items));
}

const bool added = [] {
  constexpr uint32_t kEvents = 1 << 20;
  StreamOptions options;
  options.cpus = 1;
  options.events_per_cpu = kEvents;
  add("zram_1cpu", make_stream(options));
  options.cpus = 4;
  options.events_per_cpu = kEvents / 4;
  add("zram_4cpus", make_stream(options));
  options.synchronous = false;
  options.lose_every = 1000;
  add("disk_4cpus_losses", make_stream(options));
  const char* paths = std::getenv("SWAPTRAIL_BENCH_RECORDING");
  std::string rest = paths != nullptr ? paths : "";
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(':'), rest.size());
    add_recording(rest.substr(0, end));
    rest.erase(0, end + 1);
  }
  return true;
}();

}  // namespace
}  // namespace swaptrail
