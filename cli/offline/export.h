// `swaptrail export`: lifecycles in the formats of other tools.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/offline/recorded_names.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/recording/bytes.h"

namespace CLI {
class App;
}  // namespace CLI

namespace swaptrail::offline {

enum class ExportFormat : uint8_t { kJsonl, kCsv, kPerfetto };

struct ExportOptions {
  std::vector<std::string> files;  // a recording, or all parts of one
  ExportFormat format = ExportFormat::kJsonl;
  std::string output;  // empty: standard output
  bool force = false;
  std::string from, to;
};

// Writes what it receives in one format, as it comes: its memory does not grow with the recording,
// except by a few bytes for each cgroup. After an error of the sink it does nothing. One thread.
class Exporter : public lifecycles::LifecycleSink {
 public:
  explicit Exporter(recording::ByteSink& sink) : sink_(sink) {}

  // Writes the beginning and the end.
  virtual void begin() {}
  virtual void end() {}

  // Call last. Errors: of the sink, the first one.
  absl::Status flush();

  void on_lifecycle(const Lifecycle& lifecycle) override = 0;
  void on_return(const Return&) override {}
  void on_violation(const Violation&) override {}
  void on_loss(const Loss&) override {}

 protected:
  std::string& out() { return buffer_; }
  void flush_if_full() {
    if (buffer_.size() >= 1 << 16) flush().IgnoreError();  // the error is kept
  }

 private:
  recording::ByteSink& sink_;
  std::string buffer_;
  absl::Status status_;
};

// As replay --print=jsonl, without the summary.
std::unique_ptr<Exporter> make_jsonl_exporter(const report::Names& names,
                                              recording::ByteSink& sink);
// A heading and a row for each lifecycle, quoted according to RFC 4180. Names are printable(), and one
// that a spreadsheet would take for a formula has an apostrophe before it. Returns and the rest are
// left out.
std::unique_ptr<Exporter> make_csv_exporter(const report::Names& names, recording::ByteSink& sink);
// See cli/offline/export_perfetto.cpp. `start_ns` becomes 0.
std::unique_ptr<Exporter> make_perfetto_exporter(const RecordedNames& names, uint64_t start_ns,
                                                 recording::ByteSink& sink);

// Returns the exit code. If a recording is damaged, the part before the damage is exported: kFound.
int export_recording(const ExportOptions& options);

// Adds the subcommand. `code` gets the exit code and must outlive `app`.
void add_export(CLI::App& app, int& code);

}  // namespace swaptrail::offline
