// JSON lines. The fields and their order are a contract: docs/EVENTS.md, tests/trace/print_test.
#include <algorithm>
#include <string>

#include "absl/strings/str_format.h"
#include "trace/decode.h"
#include "trace/report/json.h"
#include "trace/report/print.h"
#include "trace/utf8.h"

namespace swaptrail::report {

namespace {

// Of a character of one to three bytes.
void append_unicode_escape(std::string_view character, std::string& out) {
  const auto byte = [&](size_t index) { return static_cast<unsigned char>(character[index]); };
  uint32_t point = byte(0);
  if (character.size() == 2) point = (byte(0) & 0x1fu) << 6 | (byte(1) & 0x3fu);
  if (character.size() == 3)
    point = (byte(0) & 0x0fu) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
  absl::StrAppendFormat(&out, "\\u%04x", point);
}

void append_escaped(char character, std::string& out) {
  switch (character) {
    case '"':
      out.append("\\\"");
      return;
    case '\\':
      out.append("\\\\");
      return;
    case '\n':
      out.append("\\n");
      return;
    case '\t':
      out.append("\\t");
      return;
    case '\r':
      out.append("\\r");
      return;
    default:
      break;
  }
  if (is_control({&character, 1})) {
    append_unicode_escape({&character, 1}, out);
  } else {
    out.push_back(character);
  }
}

// ASCII that stands for itself in a JSON string.
bool is_plain(char character) {
  return character >= 0x20 && character < 0x7f && character != '"' && character != '\\';
}

void address_field(uint64_t address, std::string& out) {
  json::append_key("address", out);
  if (address == 0) {
    out.append("null");
  } else {
    absl::StrAppendFormat(&out, "\"0x%x\"", address);
  }
}

void entry_fields(uint64_t entry, std::string& out) {
  json::number_or_null("swap_type", entry != 0, entry_type(entry), out);
  json::number_or_null("swap_offset", entry != 0, entry_offset(entry), out);
}

void cgroup_field(uint64_t cgroup, const Names& names, std::string& out) {
  const std::optional<std::string_view> path =
      cgroup != 0 ? names.cgroup_path(cgroup) : std::nullopt;
  path ? json::field("cgroup", *path, out) : json::field("cgroup", cgroup, out);
}

void owner_fields(const Mapping& mapping, std::string& out) {
  json::field("pid", uint64_t{mapping.tgid}, out);
  json::field("comm", comm_text(mapping.comm), out);
  address_field(mapping.address, out);
}

void mappings_field(const Lifecycle& lifecycle, std::string& out) {
  json::append_key("mappings", out);
  out.push_back('[');
  for (size_t index = 0; index < kMaxMappings && index < lifecycle.mapping_count; ++index) {
    const Mapping& mapping = lifecycle.mappings[index];
    out.append(index == 0 ? "{" : ",{");
    owner_fields(mapping, out);
    json::field("first_page", uint64_t{mapping.first_page}, out);
    json::field("ptes", uint64_t{mapping.ptes}, out);
    out.push_back('}');
  }
  out.push_back(']');
}

// Of shared memory: the file, as /proc/PID/maps names its device and inode.
void object_field(const SharedObject& object, std::string& out) {
  json::append_key("object", out);
  if (object.inode == 0) {
    out.append("null");
    return;
  }
  out.push_back('{');
  json::field("device", absl::StrCat(device_major(object.device), ":", device_minor(object.device)),
              out);
  json::field("inode", object.inode, out);
  json::field("index", object.index, out);
  out.push_back('}');
}

void reclaimer_field(std::string_view key, const Reclaimer& reclaimer, std::string& out) {
  json::append_key(key, out);
  out.push_back('{');
  json::field("pid", uint64_t{reclaimer.tgid}, out);
  json::field("tid", uint64_t{reclaimer.tid}, out);
  json::field("comm", comm_text(reclaimer.comm), out);
  json::field("origin", origin_name(reclaimer.origin), out);
  out.push_back('}');
}

void stages_field(const Lifecycle& lifecycle, std::string& out) {
  json::append_key("stages", out);
  out.push_back('{');
  for (size_t index = 0; index < kStageCount; ++index) {
    const auto stage = static_cast<Stage>(index);
    if (lifecycle.at(stage) != 0) json::field(stage_name(stage), lifecycle.at(stage), out);
  }
  out.push_back('}');
}

void outcome_fields(const Lifecycle& lifecycle, std::string& out) {
  json::field("outcome", outcome_name(lifecycle.outcome), out);
  json::name_or_null("abort_reason", lifecycle.abort_reason != AbortReason::kNone,
                     abort_reason_name(lifecycle.abort_reason), out);
  json::name_or_null("kept_because", lifecycle.kept_because != AbortReason::kNone,
                     abort_reason_name(lifecycle.kept_because), out);
  json::name_or_null("waiting_for", lifecycle.waiting_for != Waiting::kNothing,
                     waiting_name(lifecycle.waiting_for), out);
  json::field("backend", backend_name(lifecycle.backend), out);
  json::field("passes", uint64_t{lifecycle.passes}, out);
}

}  // namespace

void append_json_string(std::string_view text, std::string& out) {
  out.push_back('"');
  while (true) {
    const auto end = std::find_if_not(text.begin(), text.end(), is_plain);
    const auto plain = static_cast<size_t>(end - text.begin());
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const size_t length = utf8_length(text);
    if (length == 0) {
      out.append("\\ufffd");
    } else if (length == 1) {
      append_escaped(text[0], out);
    } else if (is_control(text.substr(0, length))) {
      append_unicode_escape(text.substr(0, length), out);
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out.push_back('"');
}

std::string with_json_escapes(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  while (!json.empty()) {
    const size_t length = std::max<size_t>(utf8_length(json), 1);
    const std::string_view character = json.substr(0, length);
    if (length > 1 && is_control(character))
      append_unicode_escape(character, out);
    else
      out.append(character);
    json.remove_prefix(length);
  }
  return out;
}

// Only if pages are sampled: how many this one stands for.
void weight_field(uint64_t weight, std::string& out) {
  if (weight != 1) json::field("weight", weight, out);
}

void append_json(const Lifecycle& lifecycle, const Names& names, std::string& out) {
  out.push_back('{');
  json::field("type", std::string_view("lifecycle"), out);
  json::field("id", lifecycle.id, out);
  owner_fields(lifecycle.mappings[0], out);
  json::field("pages", uint64_t{lifecycle.nr_pages}, out);
  const std::optional<uint64_t> pfn = names.pfn_of(lifecycle.folio);
  json::number_or_null("pfn", pfn.has_value(), pfn.value_or(0), out);
  entry_fields(lifecycle.entry, out);
  json::field("generation", uint64_t{lifecycle.generation}, out);
  cgroup_field(lifecycle.cgroup, names, out);
  json::flag("shmem", lifecycle.shmem, out);
  json::flag("ksm", lifecycle.ksm, out);
  mappings_field(lifecycle, out);
  json::field("mapping_count", uint64_t{lifecycle.mapping_count}, out);
  reclaimer_field("reclaimer", lifecycle.first, out);
  reclaimer_field("freed_by", lifecycle.last, out);
  outcome_fields(lifecycle, out);
  stages_field(lifecycle, out);
  json::flag("complete", lifecycle.complete(), out);
  json::name_or_null("incomplete", !lifecycle.complete(),
                     incomplete_reason_name(lifecycle.incomplete), out);
  json::flag("overlapped_loss", lifecycle.overlapped_loss, out);
  object_field(lifecycle.object, out);
  const uint64_t whole = lifecycle.fallback_from;
  json::number_or_null("fallback_from", whole != 0, whole, out);
  weight_field(lifecycle.weight(), out);
  out.append("}\n");
}

void append_json(const Return& entry_return, std::string& out) {
  out.push_back('{');
  json::field("type", std::string_view("return"), out);
  json::number_or_null("lifecycle", entry_return.lifecycle_id != 0, entry_return.lifecycle_id, out);
  entry_fields(entry_return.entry, out);
  json::field("pages", uint64_t{entry_return.nr_pages}, out);
  json::field("how", return_name(entry_return.how), out);
  json::number_or_null("after_ns", entry_return.after_ns != 0, entry_return.after_ns, out);
  json::number_or_null("fault_ns", entry_return.fault_ns != 0, entry_return.fault_ns, out);
  json::flag("major", entry_return.major, out);
  json::field("pid", uint64_t{entry_return.tgid}, out);
  json::field("comm", comm_text(entry_return.comm), out);
  address_field(entry_return.address, out);
  json::field("tid", uint64_t{entry_return.tid}, out);
  const uint64_t owner = entry_return.owner_tgid;
  json::number_or_null("owner_pid", owner != 0, owner, out);
  json::field("mapped", uint64_t{entry_return.mapped_pages}, out);
  json::field("passes", uint64_t{entry_return.passes}, out);
  json::flag("shmem", entry_return.shmem, out);
  json::field("backend", backend_name(entry_return.backend), out);
  weight_field(entry_return.weight(), out);
  out.append("}\n");
}

void append_json(const Stay& stay, std::string& out) {
  out.push_back('{');
  json::field("type", std::string_view("stay"), out);
  json::number_or_null("lifecycle", stay.lifecycle_id != 0, stay.lifecycle_id, out);
  entry_fields(stay.entry, out);
  json::field("pages", uint64_t{stay.nr_pages}, out);
  json::field("change", stay_name(stay.change), out);
  json::field("time_ns", stay.time_ns, out);
  weight_field(stay.weight(), out);
  out.append("}\n");
}

void append_json(const Violation& violation, const Names& names, std::string& out) {
  out.push_back('{');
  json::field("type", std::string_view("violation"), out);
  json::field("rule", violation.rule, out);
  json::number_or_null("lifecycle", violation.lifecycle_id != 0, violation.lifecycle_id, out);
  const std::optional<uint64_t> pfn = names.pfn_of(violation.folio);
  json::number_or_null("pfn", pfn.has_value(), pfn.value_or(0), out);
  entry_fields(violation.entry, out);
  json::field("time_ns", violation.time_ns, out);
  json::field("text", violation.text, out);
  out.append("}\n");
}

void append_json(const Loss& loss, std::string& out) {
  out.push_back('{');
  json::field("type", std::string_view("loss"), out);
  json::number_or_null("cpu", !loss.is_of_runs(), loss.cpu, out);
  json::field("from_ns", loss.from_ns, out);
  json::field("to_ns", loss.to_ns, out);
  json::field("count", loss.count, out);
  json::field("cause", std::string_view(loss.is_of_runs() ? "skipped_runs" : "no_room"), out);
  out.append("}\n");
}

}  // namespace swaptrail::report
