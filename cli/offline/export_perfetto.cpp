// Chrome's JSON trace format, which the Perfetto UI opens.
//
// A process for each cgroup: every lifecycle of its pages is an async slice from the first stage to
// the outcome, which contains a slice for each stage, up to the next one. A process for each swap
// area: an async slice for each write and each fault that brings a page back, and two threads,
// "swapped out" and "swapped in", with a point for each page that came back and a flow from one to the
// other. (Flows connect slices of threads, hence the points.) Violations and losses are instants of
// the process "swaptrail".
//
// Events are written in the order in which lifecycles close, not by time: the format allows that.
// The events of one lifecycle do not depend on another one, so nothing is kept.
#include <algorithm>
#include <array>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/offline/export.h"
#include "trace/decode.h"
#include "trace/report/json.h"

namespace swaptrail::offline {
namespace {

// Process ids of the trace. A thread id must not be used twice.
constexpr uint64_t kFirstAreaPid = 1;
constexpr uint64_t kThreadsOfArea = 1000;  // times the pid: its threads come after that
constexpr uint64_t kOwnPid = 99'000;
constexpr uint64_t kFirstCgroupPid = 100'000;
constexpr size_t kAreas = 64;  // entry_type() has six bits

struct Place {
  uint64_t pid = 0;
  uint64_t tid = 0;
};

class PerfettoExporter : public Exporter {
 public:
  PerfettoExporter(const RecordedNames& names, uint64_t start_ns, recording::ByteSink& sink)
      : Exporter(sink), names_(names), start_ns_(start_ns) {}

  void begin() override { out().append("{\"displayTimeUnit\":\"ns\",\"traceEvents\":["); }
  void end() override { out().append("\n]}\n"); }
  void on_lifecycle(const Lifecycle& lifecycle) override;
  void on_return(const Return& entry_return) override;
  void on_violation(const Violation& violation) override;
  void on_loss(const Loss& loss) override;

 private:
  struct Step {
    uint64_t time_ns;
    Stage stage;
  };

  void open(char phase, std::string_view name, std::string_view category, Place place,
            uint64_t time_ns);
  void close() { out().append("}"); }
  void simple(char phase, std::string_view name, std::string_view category, Place place,
              uint64_t time_ns, std::string_view id);
  void metadata(std::string_view what, Place place, std::string_view name);
  void point(std::string_view name, Place place, uint64_t time_ns, uint64_t lifecycle);
  void instant(std::string_view name, uint64_t time_ns);
  void lifecycle_args(const Lifecycle& lifecycle);
  void stages(const Lifecycle& lifecycle, Place place);
  void device_write(const Lifecycle& lifecycle);
  void flow(const Return& entry_return, Place area);

  Place place_of_cgroup(uint64_t cgroup);
  Place place_of_area(uint64_t entry);

  const RecordedNames& names_;
  const uint64_t start_ns_;
  bool first_ = true;
  bool own_named_ = false;
  uint64_t returns_ = 0;
  uint64_t flows_ = 0;
  std::array<bool, kAreas> area_named_{};
  absl::flat_hash_map<uint64_t, uint64_t> cgroup_pids_;
};

// Leaves the object open for more members.
void PerfettoExporter::open(char phase, std::string_view name, std::string_view category,
                            Place place, uint64_t time_ns) {
  std::string& text = out();
  text.append(first_ ? "\n{" : ",\n{");
  first_ = false;
  report::json::field("ph", std::string_view(&phase, 1), text);
  report::json::field("name", name, text);
  if (!category.empty()) report::json::field("cat", category, text);
  report::json::field("pid", place.pid, text);
  report::json::field("tid", place.tid, text);
  const uint64_t since = time_ns - std::min(time_ns, start_ns_);
  report::json::append_key("ts", text);
  absl::StrAppendFormat(&text, "%d.%03d", since / 1000, since % 1000);
}

void PerfettoExporter::simple(char phase, std::string_view name, std::string_view category,
                              Place place, uint64_t time_ns, std::string_view id) {
  open(phase, name, category, place, time_ns);
  report::json::field("id", id, out());
  close();
}

void PerfettoExporter::metadata(std::string_view what, Place place, std::string_view name) {
  open('M', what, {}, place, start_ns_);
  report::json::append_key("args", out());
  out().push_back('{');
  report::json::field("name", name, out());
  out().push_back('}');
  close();
}

void PerfettoExporter::point(std::string_view name, Place place, uint64_t time_ns,
                             uint64_t lifecycle) {
  open('X', name, "return", place, time_ns);
  report::json::field("dur", uint64_t{0}, out());
  report::json::append_key("args", out());
  out().push_back('{');
  report::json::field("lifecycle", lifecycle, out());
  out().push_back('}');
  close();
}

Place PerfettoExporter::place_of_cgroup(uint64_t cgroup) {
  const auto [found, is_new] =
      cgroup_pids_.try_emplace(cgroup, kFirstCgroupPid + cgroup_pids_.size());
  const Place place{found->second, found->second};
  if (!is_new) return place;
  const auto path = names_.cgroup_path(cgroup);
  std::string name = cgroup == 0 ? "cgroup not known" : absl::StrCat("cgroup ", cgroup);
  if (path) name = "cgroup " + std::string(*path);
  metadata("process_name", place, name);
  return place;
}

Place PerfettoExporter::place_of_area(uint64_t entry) {
  const uint32_t type = entry_type(entry) % kAreas;
  const uint64_t pid = kFirstAreaPid + type;
  const Place place{pid, pid * kThreadsOfArea};
  if (area_named_[type]) return place;
  area_named_[type] = true;
  const recording::SwapArea* area = names_.area(type);
  std::string name = absl::StrCat("swap ", type);
  if (area != nullptr && !area->path.empty()) absl::StrAppend(&name, " ", area->path);
  metadata("process_name", place, name);
  metadata("thread_name", {pid, place.tid + 1}, "swapped out");
  metadata("thread_name", {pid, place.tid + 2}, "swapped in");
  return place;
}

void PerfettoExporter::lifecycle_args(const Lifecycle& lifecycle) {
  std::string& text = out();
  report::json::append_key("args", text);
  text.push_back('{');
  report::json::field("lifecycle", lifecycle.id, text);
  report::json::field("pid", uint64_t{lifecycle.mappings[0].tgid}, text);
  report::json::field("comm", comm_text(lifecycle.mappings[0].comm), text);
  report::json::field("pages", uint64_t{lifecycle.nr_pages}, text);
  report::json::field("outcome", outcome_name(lifecycle.outcome), text);
  if (lifecycle.abort_reason != AbortReason::kNone)
    report::json::field("abort_reason", abort_reason_name(lifecycle.abort_reason), text);
  report::json::field("backend", backend_name(lifecycle.backend), text);
  report::json::field("reclaimer", origin_name(lifecycle.last.origin), text);
  report::json::field("passes", uint64_t{lifecycle.passes}, text);
  report::json::flag("complete", lifecycle.complete(), text);
  text.push_back('}');
}

// The outer slice and those of the stages, each from its time to that of the next.
void PerfettoExporter::stages(const Lifecycle& lifecycle, Place place) {
  std::array<Step, kStageCount> steps{};
  size_t count = 0;
  for (size_t index = 0; index < kStageCount; ++index)
    if (lifecycle.stage_ns[index] != 0)
      steps[count++] = {lifecycle.stage_ns[index], static_cast<Stage>(index)};
  std::stable_sort(steps.begin(), steps.begin() + count,
                   [](const Step& a, const Step& b) { return a.time_ns < b.time_ns; });
  const uint64_t begin_ns = count == 0 ? lifecycle.closed_ns : steps[0].time_ns;
  const uint64_t last_ns = count == 0 ? begin_ns : steps[count - 1].time_ns;
  const uint64_t end_ns = std::max(last_ns, lifecycle.closed_ns);

  constexpr std::string_view kCategory = "swap-out";
  const std::string id = absl::StrCat("page-", lifecycle.id);
  open('b', "swap-out", kCategory, place, begin_ns);
  report::json::field("id", id, out());
  lifecycle_args(lifecycle);
  close();
  for (size_t index = 0; index < count; ++index) {
    const std::string_view name = stage_name(steps[index].stage);
    const uint64_t until_ns = index + 1 < count ? steps[index + 1].time_ns : end_ns;
    simple('b', name, kCategory, place, steps[index].time_ns, id);
    simple('e', name, kCategory, place, until_ns, id);
  }
  simple('e', "swap-out", kCategory, place, end_ns, id);
}

void PerfettoExporter::device_write(const Lifecycle& lifecycle) {
  const uint64_t issued_ns = lifecycle.at(Stage::kWriteIssued);
  const uint64_t begin_ns = issued_ns != 0 ? issued_ns : lifecycle.at(Stage::kWriteBegin);
  const uint64_t end_ns =
      std::max(lifecycle.at(Stage::kWriteCompleted), lifecycle.at(Stage::kWriteEnd));
  if (lifecycle.entry == 0 || begin_ns == 0 || end_ns < begin_ns) return;
  const uint64_t done_ns = lifecycle.at(Stage::kWriteCompleted) >= begin_ns
                               ? lifecycle.at(Stage::kWriteCompleted)
                               : end_ns;
  const Place place = place_of_area(lifecycle.entry);
  const std::string id = absl::StrCat("write-", lifecycle.id);
  open('b', "write", "device", place, begin_ns);
  report::json::field("id", id, out());
  lifecycle_args(lifecycle);
  close();
  simple('e', "write", "device", place, done_ns, id);
}

void PerfettoExporter::on_lifecycle(const Lifecycle& lifecycle) {
  stages(lifecycle, place_of_cgroup(lifecycle.cgroup));
  device_write(lifecycle);
  flush_if_full();
}

// From the removal of the page to its return, both written here: so a page that never comes back
// leaves no flow without an end.
void PerfettoExporter::flow(const Return& entry_return, Place area) {
  if (entry_return.lifecycle_id == 0 || entry_return.after_ns == 0) return;
  const std::string id = absl::StrCat("return-", ++flows_);
  const uint64_t out_ns =
      entry_return.time_ns - std::min(entry_return.time_ns, entry_return.after_ns);
  const Place from{area.pid, area.tid + 1}, to{area.pid, area.tid + 2};
  point("swapped out", from, out_ns, entry_return.lifecycle_id);
  simple('s', "in swap", "return", from, out_ns, id);
  point("swapped in", to, entry_return.time_ns, entry_return.lifecycle_id);
  open('f', "in swap", "return", to, entry_return.time_ns);
  report::json::field("id", id, out());
  report::json::field("bp", std::string_view("e"), out());
  close();
}

void PerfettoExporter::on_return(const Return& entry_return) {
  if (entry_return.how != ReturnHow::kSwappedIn || entry_return.entry == 0) return;
  const Place place = place_of_area(entry_return.entry);
  const std::string id = absl::StrCat("fault-", ++returns_);
  const uint64_t begin_ns =
      entry_return.time_ns - std::min(entry_return.time_ns, entry_return.fault_ns);
  open('b', "swap-in", "fault", place, begin_ns);
  report::json::field("id", id, out());
  report::json::append_key("args", out());
  out().push_back('{');
  report::json::field("lifecycle", entry_return.lifecycle_id, out());
  report::json::field("pid", uint64_t{entry_return.tgid}, out());
  report::json::field("comm", comm_text(entry_return.comm), out());
  report::json::field("pages", uint64_t{entry_return.nr_pages}, out());
  report::json::flag("major", entry_return.major, out());
  out().push_back('}');
  close();
  simple('e', "swap-in", "fault", place, entry_return.time_ns, id);
  flow(entry_return, place);
  flush_if_full();
}

void PerfettoExporter::instant(std::string_view name, uint64_t time_ns) {
  const Place place{kOwnPid, kOwnPid};
  if (!own_named_) metadata("process_name", place, "swaptrail");
  own_named_ = true;
  open('i', name, "trust", place, time_ns);
  report::json::field("s", std::string_view("p"), out());
  close();
  flush_if_full();
}

void PerfettoExporter::on_violation(const Violation& violation) {
  instant(absl::StrCat("violation: ", std::string(violation.rule)), violation.time_ns);
}

void PerfettoExporter::on_loss(const Loss& loss) {
  instant(loss.is_of_runs()
              ? absl::StrCat("loss of ", loss.count, " program runs that the kernel skipped")
              : absl::StrCat("loss of ", loss.count, " events on CPU ", loss.cpu),
          loss.to_ns);
}

}  // namespace

std::unique_ptr<Exporter> make_perfetto_exporter(const RecordedNames& names, uint64_t start_ns,
                                                 recording::ByteSink& sink) {
  return std::make_unique<PerfettoExporter>(names, start_ns, sink);
}

}  // namespace swaptrail::offline
