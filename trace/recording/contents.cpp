#include "trace/recording/contents.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "trace/recording/fields.h"
#include "trace/text.h"

namespace swaptrail::recording {
namespace {

constexpr size_t kTotalsCount = sizeof(swaptrail_totals) / sizeof(uint64_t);
// Arrays of event ABI 1 had one place for each kind that it knew: 18, and one for 0.
constexpr size_t kKindsOfAbi1 = 19;
constexpr size_t kTotalsCountOfAbi1 = kTotalsCount - 3 * (SWAPTRAIL_KIND_ROOM - kKindsOfAbi1);
constexpr size_t kTextLeast = 4, kHookLeast = 5 * kTextLeast + 4, kCpuLeast = 20;

// Fields in the order of the file: one list for both directions.
template <typename Fields, typename Header>
void header_fields(Fields& fields, Header& h) {
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

constexpr auto kCgroupFields = [](auto& fields, auto& cgroup) {
  fields(cgroup.at_ns, cgroup.id, cgroup.path);
};
constexpr auto kProcessFields = [](auto& fields, auto& process) {
  fields(process.at_ns, process.tgid, process.name);
};

absl::Status outcome(const FieldReader& reader, std::string_view what) {
  if (reader.ok()) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(absl_view(what), " is too short or has a text that is too long"));
}

template <typename Item>
std::string made_of(const Item& item, const auto& list) {
  std::string out;
  FieldWriter put(out);
  list(put, item);
  return out;
}
template <typename Item>
absl::Status parsed(std::string_view payload, Item& item, const auto& list, std::string_view what) {
  FieldReader get(payload);
  list(get, item);
  return outcome(get, what);
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
  std::string out;
  FieldWriter put(out);
  header_fields(put, header);
  put(static_cast<uint32_t>(header.hooks.size()));
  for (const RecordedHook& hook : header.hooks)
    put(hook.kinds, hook.hook, hook.state, hook.target, hook.reason, hook.costs);
  return out;
}

absl::Status parse_payload(std::string_view payload, RecordingHeader& header) {
  FieldReader get(payload);
  get(header.event_abi, header.event_bytes);
  if (get.ok() &&
      (header.event_abi < SWAPTRAIL_ABI_OLDEST || header.event_abi > SWAPTRAIL_ABI_VERSION ||
       header.event_bytes != sizeof(swaptrail_event)))
    return absl::FailedPreconditionError(absl::StrCat(
        "the recording has events of ABI version ", header.event_abi, ", ", header.event_bytes,
        " bytes; this program knows versions ", SWAPTRAIL_ABI_OLDEST, " to ", SWAPTRAIL_ABI_VERSION,
        ", ", sizeof(swaptrail_event), " bytes"));
  get = FieldReader(payload);
  header_fields(get, header);
  header.reconstruction.event_abi = header.event_abi;
  header.hooks.resize(get.count(kHookLeast));
  for (RecordedHook& hook : header.hooks)
    get(hook.kinds, hook.hook, hook.state, hook.target, hook.reason, hook.costs);
  return outcome(get, "the header");
}

std::string make_payload(const SwapArea& area) {
  std::string out;
  FieldWriter put(out);
  put(area.at_ns, area.bytes, area.type, area.priority, static_cast<uint8_t>(area.rotational),
      static_cast<uint8_t>(area.synchronous), static_cast<uint8_t>(area.zswap), area.path,
      area.used_bytes);
  return out;
}

absl::Status parse_payload(std::string_view payload, SwapArea& area) {
  FieldReader get(payload);
  get(area.at_ns, area.bytes, area.type, area.priority);
  area.rotational = known(get.number<uint8_t>());
  area.synchronous = known(get.number<uint8_t>());
  area.zswap = known(get.number<uint8_t>());
  get(area.path);
  if (get.left() != 0) get(area.used_bytes);
  return outcome(get, "a swap area");
}

std::string make_payload(const CgroupName& cgroup) { return made_of(cgroup, kCgroupFields); }

absl::Status parse_payload(std::string_view payload, CgroupName& cgroup) {
  return parsed(payload, cgroup, kCgroupFields, "a cgroup");
}

std::string make_payload(const ProcessName& process) { return made_of(process, kProcessFields); }

absl::Status parse_payload(std::string_view payload, ProcessName& process) {
  return parsed(payload, process, kProcessFields, "a process");
}

std::string make_payload(const Reading& reading) {
  std::string out;
  FieldWriter put(out);
  put(static_cast<uint8_t>(reading.moment), reading.at_ns, reading.consumed,
      static_cast<uint32_t>(kTotalsCount));
  out.append(reinterpret_cast<const char*>(&reading.totals), sizeof(reading.totals));
  put(static_cast<uint32_t>(reading.vmstat.size()));
  for (const auto& [name, value] : reading.vmstat) put(name, value);
  return out;
}

absl::Status parse_payload(std::string_view payload, Reading& reading) {
  FieldReader get(payload);
  const auto moment = get.number<uint8_t>();
  get(reading.at_ns, reading.consumed);
  std::vector<uint64_t> totals(get.count(sizeof(uint64_t)));
  if (totals.size() != kTotalsCount && totals.size() != kTotalsCountOfAbi1)
    return absl::DataLossError("a reading with other totals than the event ABI has");
  for (uint64_t& value : totals) get(value);
  if (totals.size() == kTotalsCountOfAbi1)
    reading.totals = totals_of_abi1(totals);
  else
    std::memcpy(&reading.totals, totals.data(), sizeof(reading.totals));
  reading.vmstat.resize(get.count(kTextLeast + sizeof(uint64_t)));
  for (auto& [name, value] : reading.vmstat) get(name, value);
  if (moment > static_cast<uint8_t>(Reading::Moment::kLast))
    return absl::DataLossError("a reading of an unknown moment");
  reading.moment = static_cast<Reading::Moment>(moment);
  return outcome(get, "a reading");
}

std::string make_payload(const Gap& gap) {
  std::string out;
  FieldWriter put(out);
  put(gap.from_ns, gap.to_ns, gap.reason, static_cast<uint32_t>(gap.cpus.size()));
  for (const Gap::Cpu& cpu : gap.cpus) put(cpu.cpu, cpu.events, cpu.lost);
  return out;
}

absl::Status parse_payload(std::string_view payload, Gap& gap) {
  FieldReader get(payload);
  get(gap.from_ns, gap.to_ns, gap.reason);
  gap.cpus.resize(get.count(kCpuLeast));
  for (Gap::Cpu& cpu : gap.cpus) get(cpu.cpu, cpu.events, cpu.lost);
  return outcome(get, "a gap");
}

}  // namespace swaptrail::recording
