#include "trace/recording/contents.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "trace/recording/fields.h"

namespace swaptrail {
namespace {

constexpr size_t kTotalsCount = sizeof(swaptrail_totals) / sizeof(uint64_t);
// Arrays of event ABI 1 had one place for each kind that it knew: 18, and one for 0.
constexpr size_t kKindsOfAbi1 = 19;
constexpr size_t kTotalsCountOfAbi1 = kTotalsCount - 3 * (SWAPTRAIL_KIND_ROOM - kKindsOfAbi1);
constexpr size_t kTextLeast = 4, kHookLeast = 5 * kTextLeast + 4, kCpuLeast = 20;

// Fields in the order of the file: one list for both directions.
template <typename Fields, typename Header>
void each_field(Fields& fields, Header& h) {
  fields(h.event_abi, h.event_bytes, h.cpus, h.part, h.monotonic_ns, h.realtime_ns,
         h.page_frames_base);
  // This binding makes sure that all are here: an option that is not recorded would make a replay
  // differ from live. If it does not compile, an option is new: add it at the end of the header's
  // fields (minor + 1). The event ABI stands at the begin.
  auto& [visible_kinds, start_ns, may_miss_silently, max_attempts, max_slots, max_swapped,
         max_batches, page_struct_size, page_size, max_swapfiles, event_abi] = h.reconstruction;
  fields(visible_kinds, start_ns, may_miss_silently);
  fields.wide(max_attempts, max_slots, max_swapped, max_batches);
  fields(page_struct_size, page_size, max_swapfiles);
  fields(h.program, h.release, h.machine, h.boot_id, h.mode, h.mode_reason);
}

struct Putter {
  std::string out;

  template <typename... Values>
  void operator()(const Values&... values) {
    (put(values), ...);
  }
  template <typename... Values>
  void wide(const Values&... values) {
    (put_number(out, uint64_t{values}), ...);
  }

 private:
  void put(const std::string& text) { put_text(out, text); }
  template <typename Number>
  void put(Number value) {
    put_number(out, value);
  }
};

struct Getter {
  FieldReader reader;

  template <typename... Values>
  void operator()(Values&... values) {
    (reader.read(values), ...);
  }
  template <typename... Values>
  void wide(Values&... values) {
    ((values = static_cast<Values>(reader.number<uint64_t>())), ...);
  }
};

absl::Status outcome(const FieldReader& reader, std::string_view what) {
  if (reader.ok()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(absl::string_view(what.data(), what.size()),
                                          " is too short or has a text that is too long"));
}

// Totals of event ABI 1, moved to the places of this version.
swaptrail_totals totals_of_abi1(const std::vector<uint64_t>& values) {
  swaptrail_totals totals{};
  auto from = values.begin();
  const auto take = [&from](auto& to, size_t count) {
    std::copy_n(from, count, std::begin(to));
    from += static_cast<ptrdiff_t>(count);
  };
  take(totals.emitted, kKindsOfAbi1);
  take(totals.pages, kKindsOfAbi1);
  take(totals.failed_pages, kKindsOfAbi1);
  take(totals.backend_pages, std::size(totals.backend_pages));
  take(totals.dropped, std::size(totals.dropped));
  totals.context_full = *from;
  return totals;
}

Known known(uint8_t value) { return value <= 2 ? static_cast<Known>(value) : Known::kUnknown; }

}  // namespace

std::string_view RecordingHeader::lacks() const {
  if (event_abi >= 2) return "";
  return "its events (ABI 1) do not say how many pages a fault brought back, who read shared memory, "
         "which file it is of, nor who freed a slot during swapoff";
}

uint64_t Gap::events() const {
  uint64_t sum = 0;
  for (const Cpu& cpu : cpus) sum += cpu.events;
  return sum;
}

std::string make_payload(const RecordingHeader& header) {
  Putter put;
  each_field(put, header);
  put(static_cast<uint32_t>(header.hooks.size()));
  for (const RecordedHook& hook : header.hooks)
    put(hook.kinds, hook.hook, hook.state, hook.target, hook.reason, hook.costs);
  return std::move(put.out);
}

absl::Status parse_payload(std::string_view payload, RecordingHeader& header) {
  Getter get{FieldReader(payload)};
  get(header.event_abi, header.event_bytes);
  if (get.reader.ok() &&
      (header.event_abi < SWAPTRAIL_ABI_OLDEST || header.event_abi > SWAPTRAIL_ABI_VERSION ||
       header.event_bytes != sizeof(swaptrail_event)))
    return absl::FailedPreconditionError(absl::StrCat(
        "the recording has events of ABI version ", header.event_abi, ", ", header.event_bytes,
        " bytes; this program knows versions ", SWAPTRAIL_ABI_OLDEST, " to ", SWAPTRAIL_ABI_VERSION,
        ", ", sizeof(swaptrail_event), " bytes"));
  get.reader = FieldReader(payload);
  each_field(get, header);
  header.reconstruction.event_abi = header.event_abi;
  header.hooks.resize(get.reader.count(kHookLeast));
  for (RecordedHook& hook : header.hooks)
    get(hook.kinds, hook.hook, hook.state, hook.target, hook.reason, hook.costs);
  return outcome(get.reader, "the header");
}

std::string make_payload(const SwapArea& area) {
  Putter put;
  put(area.at_ns, area.bytes, area.type, area.priority, static_cast<uint8_t>(area.rotational),
      static_cast<uint8_t>(area.synchronous), static_cast<uint8_t>(area.zswap), area.path,
      area.used_bytes);
  return std::move(put.out);
}

absl::Status parse_payload(std::string_view payload, SwapArea& area) {
  Getter get{FieldReader(payload)};
  get(area.at_ns, area.bytes, area.type, area.priority);
  area.rotational = known(get.reader.number<uint8_t>());
  area.synchronous = known(get.reader.number<uint8_t>());
  area.zswap = known(get.reader.number<uint8_t>());
  get(area.path);
  if (get.reader.left() != 0) get(area.used_bytes);
  return outcome(get.reader, "a swap area");
}

std::string make_payload(const CgroupName& cgroup) {
  Putter put;
  put(cgroup.at_ns, cgroup.id, cgroup.path);
  return std::move(put.out);
}

absl::Status parse_payload(std::string_view payload, CgroupName& cgroup) {
  Getter get{FieldReader(payload)};
  get(cgroup.at_ns, cgroup.id, cgroup.path);
  return outcome(get.reader, "a cgroup");
}

std::string make_payload(const ProcessName& process) {
  Putter put;
  put(process.at_ns, process.tgid, process.name);
  return std::move(put.out);
}

absl::Status parse_payload(std::string_view payload, ProcessName& process) {
  Getter get{FieldReader(payload)};
  get(process.at_ns, process.tgid, process.name);
  return outcome(get.reader, "a process");
}

std::string make_payload(const Reading& reading) {
  Putter put;
  put(static_cast<uint8_t>(reading.moment), reading.at_ns, reading.consumed,
      static_cast<uint32_t>(kTotalsCount));
  put.out.append(reinterpret_cast<const char*>(&reading.totals), sizeof(reading.totals));
  put(static_cast<uint32_t>(reading.vmstat.size()));
  for (const auto& [name, value] : reading.vmstat) put(name, value);
  return std::move(put.out);
}

absl::Status parse_payload(std::string_view payload, Reading& reading) {
  Getter get{FieldReader(payload)};
  const auto moment = get.reader.number<uint8_t>();
  get(reading.at_ns, reading.consumed);
  std::vector<uint64_t> totals(get.reader.count(sizeof(uint64_t)));
  if (totals.size() != kTotalsCount && totals.size() != kTotalsCountOfAbi1)
    return absl::DataLossError("a reading with other totals than the event ABI has");
  for (uint64_t& value : totals) get(value);
  if (totals.size() == kTotalsCountOfAbi1)
    reading.totals = totals_of_abi1(totals);
  else
    std::memcpy(&reading.totals, totals.data(), sizeof(reading.totals));
  reading.vmstat.resize(get.reader.count(kTextLeast + sizeof(uint64_t)));
  for (auto& [name, value] : reading.vmstat) get(name, value);
  if (moment > static_cast<uint8_t>(Reading::Moment::kLast))
    return absl::DataLossError("a reading of an unknown moment");
  reading.moment = static_cast<Reading::Moment>(moment);
  return outcome(get.reader, "a reading");
}

std::string make_payload(const Gap& gap) {
  Putter put;
  put(gap.from_ns, gap.to_ns, gap.reason, static_cast<uint32_t>(gap.cpus.size()));
  for (const Gap::Cpu& cpu : gap.cpus) put(cpu.cpu, cpu.events, cpu.lost);
  return std::move(put.out);
}

absl::Status parse_payload(std::string_view payload, Gap& gap) {
  Getter get{FieldReader(payload)};
  get(gap.from_ns, gap.to_ns, gap.reason);
  gap.cpus.resize(get.reader.count(kCpuLeast));
  for (Gap::Cpu& cpu : gap.cpus) get(cpu.cpu, cpu.events, cpu.lost);
  return outcome(get.reader, "a gap");
}

}  // namespace swaptrail
