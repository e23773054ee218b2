// A golden recording in memory, with what a damage must know to find its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "bpf/event.h"
#include "trace/recording/contents.h"

namespace swaptrail::mutation {

struct Step {
  swaptrail_event event;
  uint64_t sequence;
};
using Stream = std::vector<Step>;

inline constexpr size_t kNone = static_cast<size_t>(-1);

constexpr uint32_t kind_mask(int kind) { return uint32_t{1} << kind; }
template <typename... Kinds>
constexpr uint32_t kinds(Kinds... each) {
  return (kind_mask(each) | ...);
}
inline bool is_kind(const swaptrail_event& event, uint32_t mask) {
  return mask & kind_mask(event.kind);
}

inline constexpr uint32_t kAnyKind = ~uint32_t{0};
inline constexpr uint32_t kSwapIn = kinds(SWAPTRAIL_SWAP_IN);
// Events that name a folio and its state.
inline constexpr uint32_t kFolioKinds = kinds(
    SWAPTRAIL_SLOT_ALLOCATED, SWAPTRAIL_UNMAPPED_ONE, SWAPTRAIL_UNMAPPED, SWAPTRAIL_WRITE_BEGIN,
    SWAPTRAIL_ZSWAP_STORED, SWAPTRAIL_WRITE_ISSUED, SWAPTRAIL_WRITE_END, SWAPTRAIL_WRITE_COMPLETED,
    SWAPTRAIL_REMOVED, SWAPTRAIL_CACHE_DELETED, SWAPTRAIL_SWAP_READ, SWAPTRAIL_ZSWAP_LOADED);
// Those of them that only a reclaim batch makes.
inline constexpr uint32_t kPassKinds = kinds(
    SWAPTRAIL_SLOT_ALLOCATED, SWAPTRAIL_UNMAPPED_ONE, SWAPTRAIL_UNMAPPED, SWAPTRAIL_WRITE_BEGIN,
    SWAPTRAIL_ZSWAP_STORED, SWAPTRAIL_WRITE_ISSUED, SWAPTRAIL_WRITE_END, SWAPTRAIL_REMOVED);

// Immutable once loaded. "Earlier" and "later" are places in the stream, which is in order of time.
// A *pass* is what one batch does to one folio.
class Original {
 public:
  // About `max_events` of them, if there are more: the rest is similar. Errors: of the file.
  static absl::StatusOr<Original> load(const std::string& path, size_t max_events);

  // A machine of the engine, whose processes read swapped pages back past the swap cache and exit: the
  // recordings have too little of that. `kernel` as in engine::features_named.
  static Original simulated(std::string_view kernel, uint64_t seed);

  const std::string& name() const { return name_; }
  const recording::RecordingHeader& header() const { return header_; }
  const std::vector<recording::SwapArea>& areas() const { return areas_; }
  uint64_t end_ns() const { return end_ns_; }
  const Stream& stream() const { return stream_; }
  size_t size() const { return stream_.size(); }
  const swaptrail_event& event(size_t at) const { return stream_[at].event; }

  // The neighbours of an event, or kNone.
  size_t next_of_folio(size_t at) const { return links_[at].next_of_folio; }
  size_t prev_of_folio(size_t at) const { return links_[at].prev_of_folio; }
  size_t next_of_cpu(size_t at) const { return links_[at].next_of_cpu; }
  size_t prev_of_cpu(size_t at) const { return links_[at].prev_of_cpu; }
  size_t next_of_thread(size_t at) const { return links_[at].next_of_thread; }
  // In the same pass. (An interrupt's WRITE_COMPLETED may stand between: it is of no pass.)
  size_t next_in_pass(size_t at) const;
  size_t prev_in_pass(size_t at) const;
  size_t find_in_pass(size_t at, uint32_t kinds) const;  // the first later one of these kinds
  // RECLAIM_BEGIN and RECLAIM_END of its batch, or kNone.
  size_t batch_begin(size_t at) const;
  size_t batch_end(size_t at) const;

  // The next or last event before or after `at` that names this slot and is of one of these kinds.
  size_t next_of_entry(size_t at, uint64_t entry, uint32_t kinds) const;
  size_t prev_of_entry(size_t at, uint64_t entry, uint32_t kinds) const;
  bool names_entry(uint64_t entry) const { return by_entry_.contains(entry); }

  // What is certain about a slot just before `at`, from the events since the begin.
  bool is_free(size_t at, uint64_t entry) const;    // it was seen to be freed
  bool is_cached(size_t at, uint64_t entry) const;  // a folio in the swap cache has it
  bool is_in_use(size_t at, uint64_t entry) const;  // cached, or only swapped out
  // It was seen that the folio left the swap cache, and not that it entered it again.
  bool is_out_of_cache(size_t at, uint64_t folio) const;
  uint64_t first_folio() const { return first_folio_; }  // the lowest address
  bool names_folio(uint64_t folio) const { return by_folio_.contains(folio); }
  bool names_thread(uint32_t tid) const { return by_thread_.contains(tid); }

 private:
  struct Links {
    size_t next_of_folio = kNone, prev_of_folio = kNone;
    size_t next_of_cpu = kNone, prev_of_cpu = kNone;
    size_t next_of_thread = kNone;
  };
  struct Batch {
    size_t begin = kNone, end = kNone;
  };
  using Places = std::vector<size_t>;

  void link();
  void link_entries(size_t at);
  const Batch* batch_of(size_t at) const;

  std::string name_;
  recording::RecordingHeader header_;
  std::vector<recording::SwapArea> areas_;
  uint64_t end_ns_ = 0;
  uint64_t first_folio_ = ~uint64_t{0};
  Stream stream_;
  std::vector<Links> links_;
  absl::flat_hash_map<uint64_t, Places> by_entry_;  // every single slot
  absl::flat_hash_map<uint64_t, Places> by_folio_;
  absl::flat_hash_map<uint32_t, size_t> by_thread_;  // its last event
  absl::flat_hash_map<uint64_t, Batch> batches_;     // by batch_ns
};

}  // namespace swaptrail::mutation
