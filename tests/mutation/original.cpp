#include "tests/mutation/original.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/machine/simulation.h"
#include "trace/recording/file.h"
#include "trace/recording/reader.h"

namespace swaptrail::mutation {
namespace {

class Collector : public EventSink {
 public:
  Collector(Stream& stream, size_t max_events) : stream_(stream), max_events_(max_events) {}

  // Cut behind a batch, so that nothing is left half done.
  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    if (!cut_) stream_.push_back({event, sequence});
    cut_ = cut_ || (stream_.size() >= max_events_ && event.kind == SWAPTRAIL_RECLAIM_END);
  }
  void on_loss(const Loss&) override { lossy_ = true; }

  bool lossy() const { return lossy_; }
  bool cut() const { return cut_; }

 private:
  Stream& stream_;
  size_t max_events_;
  bool lossy_ = false;
  bool cut_ = false;
};

// Between what a folio or slot does in memory and what leaves a trace in neither.
constexpr uint32_t kHolding = kinds(
    SWAPTRAIL_SLOT_ALLOCATED, SWAPTRAIL_UNMAPPED_ONE, SWAPTRAIL_UNMAPPED, SWAPTRAIL_WRITE_BEGIN,
    SWAPTRAIL_ZSWAP_STORED, SWAPTRAIL_WRITE_ISSUED, SWAPTRAIL_WRITE_END, SWAPTRAIL_WRITE_COMPLETED,
    SWAPTRAIL_REMOVED, SWAPTRAIL_CACHE_DELETED, SWAPTRAIL_SWAP_READ, SWAPTRAIL_SLOT_FREED);

bool leaves_cache(const swaptrail_event& event) {
  return (event.kind == SWAPTRAIL_REMOVED && event.result == 1) ||
         event.kind == SWAPTRAIL_CACHE_DELETED;
}

constexpr uint64_t kSimulatedPages = 4096;

class Simulated : public engine::EventOutput {
 public:
  explicit Simulated(Stream& stream) : stream_(stream) {}
  void on_event(const swaptrail_event& event, uint64_t sequence) override {
    stream_.push_back({event, sequence});
  }

 private:
  Stream& stream_;
};

// The functions that engine::features_of knows a kernel by.
std::vector<recording::RecordedHook> hooks_of(std::string_view kernel) {
  const bool lists = kernel == "6.12";
  const auto chosen = [](std::string_view hook, std::string_view target) {
    recording::RecordedHook one;
    one.hook = hook;
    one.state = "chosen";
    one.target = target;
    return one;
  };
  return {chosen("reclaim_batch", "shrink_folio_list"),
          chosen("slot_allocated", lists ? "add_to_swap" : "folio_alloc_swap"),
          chosen("cache_deleted", lists ? "delete_from_swap_cache" : "swap_cache_del_folio"),
          chosen("slot_freed", lists ? "swap_entry_range_free" : "swap_entries_free"),
          chosen("shmem_swap_in", "shmem_swapin_folio")};
}

bool failed_allocation(const swaptrail_event& event) {
  return event.kind == SWAPTRAIL_SLOT_ALLOCATED && event.result != 0;
}

}  // namespace

absl::StatusOr<Original> Original::load(const std::string& path, size_t max_events) {
  auto source = recording::FileSource::open(path);
  if (!source.ok()) return source.status();
  auto reader = recording::RecordingReader::open(**source);
  if (!reader.ok()) return reader.status();
  Original original;
  original.name_ = std::filesystem::path(path).stem().string();
  original.header_ = (*reader)->header();
  original.areas_ = (*reader)->contents().areas;
  original.end_ns_ = (*reader)->contents().end_ns;
  Collector collector(original.stream_, max_events);
  if (absl::Status status = (*reader)->for_each(collector); !status.ok()) return status;
  if (collector.lossy() || original.stream_.empty())
    return absl::InvalidArgumentError(path + ": not a whole recording");
  if (collector.cut()) original.end_ns_ = original.stream_.back().event.time_ns + 1;
  original.link();
  return original;
}

Original Original::simulated(std::string_view kernel, uint64_t seed) {
  engine::SimulationOptions options;
  options.features = *engine::features_named(kernel);
  options.seed = seed;
  options.limit_pages = 160;
  engine::SimulatedArea area;
  area.area.pages = kSimulatedPages;
  area.device = engine::Device::kSynchronous;
  options.areas.push_back(area);
  options.workload = engine::mixture({}, seed);
  Original original;
  original.name_ = absl::StrCat("simulated-", std::string(kernel));
  Simulated simulated(original.stream_);
  const auto result = engine::simulate(options, simulated);
  original.end_ns_ = result.ok() ? result->end_ns + 1 : 0;
  original.header_.mode = "full";
  original.header_.cpus = options.cpus;
  original.header_.hooks = hooks_of(kernel);
  original.header_.reconstruction.start_ns = 1;
  recording::SwapArea seen;
  seen.bytes = kSimulatedPages * 4096;
  original.areas_.push_back(seen);
  original.link();
  return original;
}

void Original::link() {
  absl::flat_hash_map<uint32_t, size_t> by_cpu;
  links_.resize(size());
  for (size_t at = 0; at < size(); ++at) {
    const swaptrail_event& now = event(at);
    if (const auto [cpu, fresh] = by_cpu.try_emplace(now.cpu, at); !fresh) {
      links_[at].prev_of_cpu = std::exchange(cpu->second, at);
      links_[links_[at].prev_of_cpu].next_of_cpu = at;
    }
    if (const auto [thread, fresh] = by_thread_.try_emplace(now.tid, at); !fresh)
      links_[std::exchange(thread->second, at)].next_of_thread = at;
    if (now.kind == SWAPTRAIL_RECLAIM_BEGIN) batches_[now.batch_ns].begin = at;
    if (now.kind == SWAPTRAIL_RECLAIM_END) batches_[now.batch_ns].end = at;
    if (now.entry != 0) link_entries(at);
    const bool of_reader = now.kind == SWAPTRAIL_SWAP_IN || now.kind == SWAPTRAIL_SHMEM_SWAP_IN;
    if (now.folio == 0 || of_reader) continue;  // it is the reader's cgroup there
    first_folio_ = std::min<uint64_t>(first_folio_, now.folio);
    Places& same = by_folio_[now.folio];
    if (!same.empty()) {
      links_[at].prev_of_folio = same.back();
      links_[same.back()].next_of_folio = at;
    }
    same.push_back(at);
  }
}

void Original::link_entries(size_t at) {
  const swaptrail_event& now = event(at);
  for (uint64_t page = 0; page < now.nr_pages; ++page) by_entry_[now.entry + page].push_back(at);
}

const Original::Batch* Original::batch_of(size_t at) const {
  const auto found = batches_.find(event(at).batch_ns);
  return event(at).batch_ns == 0 || found == batches_.end() ? nullptr : &found->second;
}

size_t Original::batch_begin(size_t at) const {
  const Batch* batch = batch_of(at);
  return batch ? batch->begin : kNone;
}

size_t Original::batch_end(size_t at) const {
  const Batch* batch = batch_of(at);
  return batch ? batch->end : kNone;
}

size_t Original::next_in_pass(size_t at) const {
  const uint64_t batch = event(at).batch_ns;
  if (batch == 0) return kNone;
  for (at = next_of_folio(at); at != kNone; at = next_of_folio(at)) {
    if (event(at).batch_ns == batch) return at;
    if (event(at).kind != SWAPTRAIL_WRITE_COMPLETED) return kNone;
  }
  return kNone;
}

size_t Original::prev_in_pass(size_t at) const {
  const uint64_t batch = event(at).batch_ns;
  if (batch == 0) return kNone;
  for (at = prev_of_folio(at); at != kNone; at = prev_of_folio(at)) {
    if (event(at).batch_ns == batch) return at;
    if (event(at).kind != SWAPTRAIL_WRITE_COMPLETED) return kNone;
  }
  return kNone;
}

size_t Original::find_in_pass(size_t at, uint32_t kinds) const {
  do {
    at = next_in_pass(at);
  } while (at != kNone && !is_kind(event(at), kinds));
  return at;
}

size_t Original::next_of_entry(size_t at, uint64_t entry, uint32_t kinds) const {
  const auto found = by_entry_.find(entry);
  if (found == by_entry_.end()) return kNone;
  const Places& places = found->second;
  for (auto it = std::upper_bound(places.begin(), places.end(), at); it != places.end(); ++it) {
    if (is_kind(event(*it), kinds)) return *it;
  }
  return kNone;
}

size_t Original::prev_of_entry(size_t at, uint64_t entry, uint32_t kinds) const {
  const auto found = by_entry_.find(entry);
  if (found == by_entry_.end()) return kNone;
  const Places& places = found->second;
  auto it = std::lower_bound(places.begin(), places.end(), at);
  while (it != places.begin()) {
    if (is_kind(event(*--it), kinds)) return *it;
  }
  return kNone;
}

bool Original::is_free(size_t at, uint64_t entry) const {
  const size_t last = prev_of_entry(at, entry, kHolding);
  return last != kNone && event(last).kind == SWAPTRAIL_SLOT_FREED;
}

bool Original::is_cached(size_t at, uint64_t entry) const {
  const size_t last = prev_of_entry(at, entry, kHolding);
  if (last == kNone || event(last).kind == SWAPTRAIL_SLOT_FREED) return false;
  return !leaves_cache(event(last)) && !failed_allocation(event(last));
}

bool Original::is_in_use(size_t at, uint64_t entry) const {
  const size_t last = prev_of_entry(at, entry, kHolding);
  if (last == kNone || event(last).kind == SWAPTRAIL_SLOT_FREED) return false;
  // a folio that reclaim did not take: its slot may be freed any moment, and that may be reported
  // late
  return event(last).kind != SWAPTRAIL_CACHE_DELETED && !failed_allocation(event(last));
}

bool Original::is_out_of_cache(size_t at, uint64_t folio) const {
  const auto found = by_folio_.find(folio);
  if (found == by_folio_.end()) return false;
  const Places& places = found->second;
  const auto it = std::lower_bound(places.begin(), places.end(), at);
  return it != places.begin() && leaves_cache(event(*(it - 1)));
}

}  // namespace swaptrail::mutation
