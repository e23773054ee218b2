// A row for each lifecycle. The columns are a contract: new ones come last.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/offline/export.h"
#include "trace/decode.h"
#include "trace/utf8.h"

namespace swaptrail::offline {
namespace {

constexpr std::string_view kColumns =
    "id,pid,comm,address,pages,pfn,swap_type,swap_offset,generation,cgroup_id,cgroup,shmem,ksm,"
    "mapping_count,reclaimer_pid,reclaimer_tid,reclaimer_comm,reclaimer_origin,freed_by_pid,"
    "freed_by_tid,freed_by_comm,freed_by_origin,outcome,abort_reason,kept_because,waiting_for,"
    "backend,passes,complete,incomplete,overlapped_loss,closed_ns,fallback_from";

// What spreadsheets take for the beginning of a formula; some languages also use the wide ones.
constexpr std::string_view kFormulas[] = {"=", "+", "-", "@", "＝", "＋", "－", "＠"};

bool looks_like_formula(std::string_view text) {
  return std::any_of(std::begin(kFormulas), std::end(kFormulas),
                     [&](std::string_view begin) { return text.starts_with(begin); });
}

// Unknown values are empty fields. RFC 4180: rows end with CR LF; a field with a comma or a quote is in
// quotes, with its quotes doubled. Names are printable(), so no field has a line break, a TAB or
// anything but UTF-8; one that a spreadsheet would run has an apostrophe before it, as OWASP recommends
// (CSV injection). Numbers never begin with a sign.
class Row {
 public:
  explicit Row(std::string& out) : out_(out) {}

  void number(uint64_t value) {
    separate();
    absl::StrAppend(&out_, value);
  }
  void number_if(bool known, uint64_t value) { known ? number(value) : separate(); }
  void flag(bool value) {
    separate();
    out_.append(value ? "true" : "false");
  }
  void text(std::string_view name) {
    separate();
    const std::string value = (looks_like_formula(name) ? "'" : "") + printable(name);
    if (value.find_first_of(",\"") == std::string::npos) {
      out_.append(value);
      return;
    }
    out_.push_back('"');
    for (const char character : value) {
      if (character == '"') out_.push_back('"');
      out_.push_back(character);
    }
    out_.push_back('"');
  }
  void text_if(bool known, std::string_view value) { text(known ? value : std::string_view()); }
  void address(uint64_t value) {
    separate();
    if (value != 0) absl::StrAppendFormat(&out_, "0x%x", value);
  }
  void end() { out_.append("\r\n"); }

 private:
  void separate() {
    if (!first_) out_.push_back(',');
    first_ = false;
  }
  std::string& out_;
  bool first_ = true;
};

class CsvExporter : public Exporter {
 public:
  CsvExporter(const report::Names& names, recording::ByteSink& sink)
      : Exporter(sink), names_(names) {}

  void begin() override {
    out().append(kColumns);
    for (size_t index = 0; index < kStageCount; ++index) {
      out().append(",").append(stage_name(static_cast<Stage>(index))).append("_ns");
    }
    out().append(",weight\r\n");
  }

  void on_lifecycle(const Lifecycle& lifecycle) override {
    Row row(out());
    page(lifecycle, row);
    reclaimer(lifecycle.first, row);
    reclaimer(lifecycle.last, row);
    ending(lifecycle, row);
    for (const uint64_t time_ns : lifecycle.stage_ns) row.number_if(time_ns != 0, time_ns);
    row.number(lifecycle.weight());
    row.end();
    flush_if_full();
  }

 private:
  void page(const Lifecycle& lifecycle, Row& row) const {
    const Mapping& owner = lifecycle.mappings[0];
    const auto pfn = names_.pfn_of(lifecycle.folio);
    const auto path = names_.cgroup_path(lifecycle.cgroup);
    row.number(lifecycle.id);
    row.number_if(lifecycle.mapping_count != 0, owner.tgid);
    row.text(comm_text(owner.comm));
    row.address(owner.address);
    row.number(lifecycle.nr_pages);
    row.number_if(pfn.has_value(), pfn.value_or(0));
    row.number_if(lifecycle.entry != 0, entry_type(lifecycle.entry));
    row.number_if(lifecycle.entry != 0, entry_offset(lifecycle.entry));
    row.number(lifecycle.generation);
    row.number_if(lifecycle.cgroup != 0, lifecycle.cgroup);
    row.text(path.value_or(std::string_view()));
    row.flag(lifecycle.shmem);
    row.flag(lifecycle.ksm);
    row.number(lifecycle.mapping_count);
  }

  static void reclaimer(const Reclaimer& reclaimer, Row& row) {
    row.number(reclaimer.tgid);
    row.number(reclaimer.tid);
    row.text(comm_text(reclaimer.comm));
    row.text(origin_name(reclaimer.origin));
  }

  static void ending(const Lifecycle& lifecycle, Row& row) {
    row.text(outcome_name(lifecycle.outcome));
    row.text_if(lifecycle.abort_reason != AbortReason::kNone,
                abort_reason_name(lifecycle.abort_reason));
    row.text_if(lifecycle.kept_because != AbortReason::kNone,
                abort_reason_name(lifecycle.kept_because));
    row.text_if(lifecycle.waiting_for != Waiting::kNothing, waiting_name(lifecycle.waiting_for));
    row.text(backend_name(lifecycle.backend));
    row.number(lifecycle.passes);
    row.flag(lifecycle.complete());
    row.text_if(!lifecycle.complete(), incomplete_reason_name(lifecycle.incomplete));
    row.flag(lifecycle.overlapped_loss);
    row.number(lifecycle.closed_ns);
    row.number_if(lifecycle.fallback_from != 0, lifecycle.fallback_from);
  }

  const report::Names& names_;
};

}  // namespace

std::unique_ptr<Exporter> make_csv_exporter(const report::Names& names, recording::ByteSink& sink) {
  return std::make_unique<CsvExporter>(names, sink);
}

}  // namespace swaptrail::offline
