// The same as JSON: one object on one line.
#include "absl/strings/str_format.h"
#include "cli/offline/describe.h"
#include "cli/offline/time_range.h"
#include "trace/report/json.h"

namespace swaptrail {
namespace {

using namespace json;  // field() and its kin

template <typename Items, typename Each>
void list(std::string_view key, const Items& items, std::string& out, Each each) {
  append_key(key, out);
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

void known(std::string_view key, Known value, std::string& out) {
  if (value == Known::kUnknown)
    null(key, out);
  else
    flag(key, value == Known::kYes, out);
}

void number(std::string_view key, uint64_t value, std::string& out) { field(key, value, out); }

void header_fields(const RecordingHeader& header, std::string& out) {
  field("program", header.program, out);
  field("release", header.release, out);
  field("machine", header.machine, out);
  field("boot_id", header.boot_id, out);
  field("mode", header.mode, out);
  field("mode_reason", header.mode_reason, out);
  number("event_abi", header.event_abi, out);
  number("cpus", header.cpus, out);
  number("part", header.part, out);
  number("page_size", header.reconstruction.page_size, out);
  flag("page_frames_known", header.page_frames_base != 0, out);
  list("hooks", header.hooks, out, [&](const RecordedHook& hook) {
    field("hook", hook.hook, out);
    field("state", hook.state, out);
    field("target", hook.target, out);
    field("reason", hook.reason, out);
    field("costs", hook.costs, out);
  });
}

void amount_fields(const RecordingContents& contents, std::string& out) {
  const RecordingHeader& header = contents.header;
  number("start_ns", header.reconstruction.start_ns, out);
  field("start_time", time_of_day(header.reconstruction.start_ns, header), out);
  number("first_ns", contents.first_ns, out);
  number("last_ns", contents.last_ns, out);
  number("end_ns", contents.end_ns, out);
  flag("finished", contents.finished, out);
  flag("indexed", contents.indexed, out);
  number("events", contents.events, out);
  number("losses", contents.losses, out);
  number("blocks", contents.blocks, out);
  number("file_bytes", contents.file_bytes, out);
  number("block_bytes", contents.block_bytes, out);
  append_key("bytes_per_event", out);
  if (contents.events == 0)
    out.append("null");
  else
    absl::StrAppendFormat(
        &out, "%.3f",
        static_cast<double>(contents.block_bytes) / static_cast<double>(contents.events));
  number("unknown_records", contents.unknown_records, out);
  number("unknown_bytes", contents.unknown_bytes, out);
}

void name_lists(const RecordingContents& contents, std::string& out) {
  list("areas", contents.areas, out, [&](const SwapArea& area) {
    number("type", area.type, out);
    field("path", area.path, out);
    number("bytes", area.bytes, out);
    append_key("priority", out);
    absl::StrAppend(&out, area.priority);
    known("rotational", area.rotational, out);
    known("synchronous", area.synchronous, out);
    known("zswap", area.zswap, out);
    number("at_ns", area.at_ns, out);
  });
  list("cgroups", contents.cgroups, out, [&](const CgroupName& cgroup) {
    number("id", cgroup.id, out);
    field("path", cgroup.path, out);
    number("at_ns", cgroup.at_ns, out);
  });
  list("processes", contents.processes, out, [&](const ProcessName& process) {
    number("pid", process.tgid, out);
    field("name", process.name, out);
    number("at_ns", process.at_ns, out);
  });
}

void stream_lists(const RecordingContents& contents, std::string& out) {
  constexpr std::string_view kMoments[] = {"begin", "end", "last"};
  list("readings", contents.readings, out, [&](const Reading& reading) {
    field("moment", kMoments[static_cast<size_t>(reading.moment) % std::size(kMoments)], out);
    number("at_ns", reading.at_ns, out);
    number("consumed", reading.consumed, out);
  });
  list("gaps", contents.gaps, out, [&](const Gap& gap) {
    number("from_ns", gap.from_ns, out);
    number("to_ns", gap.to_ns, out);
    number("events", gap.events(), out);
    field("reason", gap.reason, out);
  });
  list("damages", contents.damages, out, [&](const Damage& damage) {
    number("offset", damage.offset, out);
    number("bytes", damage.bytes, out);
    flag("torn", damage.torn, out);
    field("what", damage.what, out);
  });
}

}  // namespace

std::string description_json(const std::string& file, const RecordingContents& contents) {
  std::string out = "{";
  field("file", file, out);
  header_fields(contents.header, out);
  amount_fields(contents, out);
  name_lists(contents, out);
  stream_lists(contents, out);
  out.append("}\n");
  return out;
}

}  // namespace swaptrail
