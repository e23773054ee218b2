// The same as JSON: one object on one line.
#include "absl/strings/str_format.h"
#include "cli/offline/describe.h"
#include "cli/offline/time_range.h"
#include "trace/report/json.h"

namespace swaptrail::offline {
namespace {

namespace json = report::json;

template <typename Items, typename Each>
void list(std::string_view key, const Items& items, std::string& out, Each each) {
  report::json::append_key(key, out);
  out.push_back('[');
  bool first = true;
  for (const auto& item : items) {
    out.append(first ? "{" : ",{");
    first = false;
    each(item);
    out.push_back('}');
  }
  out.push_back(']');
}

void known(std::string_view key, recording::Known value, std::string& out) {
  if (value == recording::Known::kUnknown)
    report::json::null(key, out);
  else
    report::json::flag(key, value == recording::Known::kYes, out);
}

void number(std::string_view key, uint64_t value, std::string& out) {
  report::json::field(key, value, out);
}

void header_fields(const recording::RecordingHeader& header, std::string& out) {
  report::json::field("program", header.program, out);
  report::json::field("release", header.release, out);
  report::json::field("machine", header.machine, out);
  report::json::field("boot_id", header.boot_id, out);
  report::json::field("mode", header.mode, out);
  report::json::field("mode_reason", header.mode_reason, out);
  number("event_abi", header.event_abi, out);
  number("cpus", header.cpus, out);
  number("part", header.part, out);
  number("page_size", header.reconstruction.page_size, out);
  report::json::flag("page_frames_known", header.page_frames_base != 0, out);
  list("hooks", header.hooks, out, [&](const recording::RecordedHook& hook) {
    report::json::field("hook", hook.hook, out);
    report::json::field("state", hook.state, out);
    report::json::field("target", hook.target, out);
    report::json::field("reason", hook.reason, out);
    report::json::field("costs", hook.costs, out);
  });
}

void amount_fields(const recording::RecordingContents& contents, std::string& out) {
  const recording::RecordingHeader& header = contents.header;
  number("start_ns", header.reconstruction.start_ns, out);
  report::json::field("start_time", time_of_day(header.reconstruction.start_ns, header), out);
  number("first_ns", contents.first_ns, out);
  number("last_ns", contents.last_ns, out);
  number("end_ns", contents.end_ns, out);
  report::json::flag("finished", contents.finished, out);
  report::json::flag("indexed", contents.indexed, out);
  number("events", contents.events, out);
  number("losses", contents.losses, out);
  number("blocks", contents.blocks, out);
  number("file_bytes", contents.file_bytes, out);
  number("block_bytes", contents.block_bytes, out);
  report::json::append_key("bytes_per_event", out);
  if (contents.events == 0)
    out.append("null");
  else
    absl::StrAppendFormat(
        &out, "%.3f",
        static_cast<double>(contents.block_bytes) / static_cast<double>(contents.events));
  number("unknown_records", contents.unknown_records, out);
  number("unknown_bytes", contents.unknown_bytes, out);
}

void name_lists(const recording::RecordingContents& contents, std::string& out) {
  list("areas", contents.areas, out, [&](const recording::SwapArea& area) {
    number("type", area.type, out);
    report::json::field("path", area.path, out);
    number("bytes", area.bytes, out);
    report::json::append_key("priority", out);
    absl::StrAppend(&out, area.priority);
    known("rotational", area.rotational, out);
    known("synchronous", area.synchronous, out);
    known("zswap", area.zswap, out);
    number("at_ns", area.at_ns, out);
  });
  list("cgroups", contents.cgroups, out, [&](const recording::CgroupName& cgroup) {
    number("id", cgroup.id, out);
    report::json::field("path", cgroup.path, out);
    number("at_ns", cgroup.at_ns, out);
  });
  list("processes", contents.processes, out, [&](const recording::ProcessName& process) {
    number("pid", process.tgid, out);
    report::json::field("name", process.name, out);
    number("at_ns", process.at_ns, out);
  });
}

void stream_lists(const recording::RecordingContents& contents, std::string& out) {
  constexpr std::string_view kMoments[] = {"begin", "end", "last"};
  list("readings", contents.readings, out, [&](const recording::Reading& reading) {
    report::json::field("moment",
                        kMoments[static_cast<size_t>(reading.moment) % std::size(kMoments)], out);
    number("at_ns", reading.at_ns, out);
    number("consumed", reading.consumed, out);
  });
  list("gaps", contents.gaps, out, [&](const recording::Gap& gap) {
    number("from_ns", gap.from_ns, out);
    number("to_ns", gap.to_ns, out);
    number("events", gap.events(), out);
    report::json::field("reason", gap.reason, out);
  });
  list("damages", contents.damages, out, [&](const recording::Damage& damage) {
    number("offset", damage.offset, out);
    number("bytes", damage.bytes, out);
    report::json::flag("torn", damage.torn, out);
    report::json::field("what", damage.what, out);
  });
}

}  // namespace

std::string description_json(const std::string& file,
                             const recording::RecordingContents& contents) {
  std::string out = "{";
  report::json::field("file", file, out);
  header_fields(contents.header, out);
  amount_fields(contents, out);
  name_lists(contents, out);
  stream_lists(contents, out);
  out.append("}\n");
  return out;
}

}  // namespace swaptrail::offline
