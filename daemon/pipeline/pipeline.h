// The one thread that does the work: sweep -> order -> lifecycles -> output, until it is stopped.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "daemon/capture/event_source.h"
#include "daemon/host/area_watch.h"
#include "daemon/host/proc.h"
#include "daemon/pipeline/fan_out.h"
#include "daemon/pipeline/options.h"
#include "daemon/pipeline/output.h"
#include "daemon/pipeline/requests.h"
#include "daemon/pipeline/sample_rate.h"
#include "daemon/pipeline/status.h"
#include "daemon/record/flight_triggers.h"
#include "daemon/record/recorder.h"
#include "trace/ledger/ledger.h"
#include "trace/lifecycles/reconstructor.h"
#include "trace/merger.h"
#include "trace/readahead/readahead_use.h"
#include "validate/validation.h"

namespace swaptrail::pipeline {

// The parts that the pipeline works for. All must outlive it.
struct PipelineClients {
  const HostNames& names;
  Output& output;
  host::AreaWatch& areas;
  std::vector<lifecycles::LifecycleSink*>
      sinks;  // get lifecycles after the output, on the pipeline thread
  StatusBoard& status_board;
  PipelineRequests& requests;
  std::function<void()> after_sweep;  // on the pipeline thread, 40 times a second and more
};

class Pipeline : private PipelineView {
 public:
  // Takes the first readings of the totals and of /proc/vmstat, and opens the recording if there is
  // to be one. Errors: as EventSource::totals and vmstat, Recorder::create and
  // FlightTriggers::watch_pressure.
  static absl::StatusOr<std::unique_ptr<Pipeline>> create(
      std::unique_ptr<capture::EventSource> source, const PipelineOptions& options,
      const PipelineClients& clients);
  // Ends the recording if run() did not.
  ~Pipeline() override;

  // Runs until `stop` is set, for instance by a signal handler. Then detaches, takes out what is left,
  // closes what is in flight and prints the summary. Errors: of what could not be read at the end;
  // recording and summary are finished all the same.
  absl::Status run(const std::atomic<bool>& stop);

  const probe::AttachPlan& plan() const { return source_->plan(); }

 private:
  Pipeline(std::unique_ptr<capture::EventSource> source, const PipelineOptions& options,
           const PipelineClients& clients);
  const lifecycles::Reconstructor& reconstructor() const override { return reconstructor_; }
  std::shared_ptr<const SlotHolders> holders() override;
  std::shared_ptr<const std::vector<ledger::HolderAges>> ages() override;
  ledger::Ledger* ledger() override { return ledger_.get(); }
  std::shared_ptr<const ReadaheadNow> readahead() override;
  uint64_t passed_on_until() const override { return passed_on_until_ns_; }
  absl::StatusOr<record::FlightFiles> write_flight(const std::string& reason) override;
  bool step();
  report::StreamCounters stream_now(const swaptrail_totals& totals) const;
  void publish_status(uint64_t now_ns);
  void follow_areas();
  absl::Status start_recording(const PipelineOptions& options, const HostNames& names);
  absl::StatusOr<recording::Reading> read(recording::Reading::Moment moment, int tries = 1);
  absl::Status read_both(int tries, recording::Reading& reading);
  absl::Status read_used_slots(recording::Reading& reading) const;
  std::vector<report::ReconcileRow> trust_rows(
      const std::vector<recording::Reading>& readings) const;
  void look_for_triggers();
  void adjust_sample(uint64_t now_ns);
  void report_skipped_runs();
  void report_drops();
  uint64_t drain(uint64_t end_ns);
  absl::Status finish();
  absl::Status report_all_drops();

  const std::unique_ptr<capture::EventSource> source_;
  const PipelineOptions& options_;
  Output& output_;
  host::AreaWatch& areas_;
  StatusBoard& status_board_;
  PipelineRequests& requests_;
  const std::function<void()> after_sweep_;
  FanOut lifecycles_;
  Merger merger_;
  std::unique_ptr<validate::Validation> validation_;  // may be null
  lifecycles::Reconstructor reconstructor_;
  std::unique_ptr<ledger::Ledger> ledger_;  // null: not every hook that it takes is attached
  std::unique_ptr<readahead::ReadaheadUse> readahead_;  // likewise
  std::unique_ptr<record::Recorder> recorder_;          // may be null
  record::FlightTriggers triggers_;
  SampleRate sample_rate_;
  record::FlightSchedule flight_schedule_;
  bool flight_ = false;
  bool finished_ = false;
  // After the area watch: the recorder, the readahead, the ledger, the validation, the reconstructor. Each passes events on.
  EventSink* sink_ = nullptr;
  std::vector<recording::Reading> readings_;  // begin, end, last: the report is made from these
  std::optional<swaptrail_totals> earlier_;   // of the reading before the next one
  uint64_t passed_on_until_ns_ = 0;
  uint64_t published_ns_ = 0;
  std::shared_ptr<const SlotHolders> holders_;
  std::shared_ptr<const std::vector<ledger::HolderAges>> ages_;
  uint64_t ages_ns_ = 0;
  std::shared_ptr<const ReadaheadNow> readahead_now_;
  std::shared_ptr<const host::VmstatReading> vmstat_at_start_;
  uint64_t drops_read_ns_ = 0;
};

}  // namespace swaptrail::pipeline
