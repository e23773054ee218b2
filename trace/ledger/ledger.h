// Whose page each used swap slot holds, since when, who put it there and where it lies.
//
// The stream says when slots are allocated and freed, so the set of used slots is exact for what happened since the
// observation began; a slot that was in use before is met when its page is unmapped, written or read again. What owns a
// slot is reported by the unmapping of its page (a process and an address) or by its write (a file of shared memory); until
// then only its cgroup is known. A page that came back keeps its slot as long as the kernel keeps it: whoever unmaps it
// next owns it then, the first of several. Whoever forks shares slots, and no event says so.
//
// What was in use before the observation is found by an inventory of page tables (add_found()). What the events say goes before
// it: a slot that was freed, or given to somebody else, since the page table was read is left alone.
//
// In a sample each slot that is followed stands for others: then all counts are estimates.
//
// Independent of the reconstructor, which asks what happened to a page; this asks what a slot holds. Tests compare both
// with the kernel's page tables.
//
// Not thread-safe. Bounds: slots, rows and actors; what finds no room is counted.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "bpf/event.h"
#include "trace/lifecycle.h"
#include "trace/merger.h"

namespace swaptrail::ledger {

inline constexpr size_t kMostHoldings = size_t{1} << 20;
inline constexpr size_t kMostActors = size_t{1} << 12;
inline constexpr uint64_t kSwapoffPause_ns = 10'000'000'000;

enum class OwnerKind : uint8_t {
  kCgroup,   // no more is known than to which cgroup it is charged; perhaps not even that
  kProcess,  // it was unmapped from its memory
  kShared,   // a file of a tmpfs, or other shared memory
  kOthers,   // owners that found no room in the table
  kCount,
};

// Where the page of a slot lies.
enum class Where : uint8_t {
  kNowhere,  // not written yet: only in memory
  kDevice,
  kZswap,
  kZero,     // no copy is needed
  kReserve,  // nowhere any more: nobody needs it, and the kernel keeps the slot ready for a CPU (up to Linux 6.15)
  kUnknown,  // it was written before we looked
  kCount,
};
inline constexpr size_t kWhereCount = static_cast<size_t>(Where::kCount);

// Whether its page is in memory too.
enum class Presence : uint8_t {
  kAway,
  kCached,  // in the swap cache: on its way out, or read, and not mapped
  kMapped,  // in the swap cache, and mapped: not unmapped yet, or back, and the kernel has kept its slot
  kCount,
};
inline constexpr size_t kPresenceCount = static_cast<size_t>(Presence::kCount);

// An owner, and the cgroup to which its pages are charged, in one swap area.
struct Holder {
  uint64_t cgroup = 0;  // 0 = not known
  uint64_t inode = 0;   // of kShared
  uint32_t device = 0;  // of kShared: dev_t of the kernel
  uint32_t tgid = 0;    // of kProcess
  uint32_t area = 0;    // entry_type()
  OwnerKind kind = OwnerKind::kCgroup;
  Comm comm{};  // of kProcess, as it was last called
};

// In slots, which are base pages.
struct Holding {
  Holder holder;
  std::array<std::array<uint64_t, kWhereCount>, kPresenceCount> counts{};
  uint64_t shared =
      0;  // of all, several page tables have the slot, or had it when the page went out
  uint64_t found = 0;  // of all, by an inventory: the cgroup is that of the process then

  uint64_t pages() const;
  uint64_t pages(Where where) const;
  uint64_t pages(Presence presence) const;
};

// Upper bounds of the time in swap, in nanoseconds; what is there for longer goes to one more.
inline constexpr std::array<uint64_t, 7> kAgeBounds = {1'000'000'000,
                                                       10'000'000'000,
                                                       60'000'000'000,
                                                       600'000'000'000,
                                                       uint64_t{3600} * 1'000'000'000,
                                                       uint64_t{6} * 3600 * 1'000'000'000,
                                                       uint64_t{24} * 3600 * 1'000'000'000};

// For how long an owner's pages are away: those that are not in memory. In slots, which are base pages.
struct Ages {
  std::array<uint64_t, kAgeBounds.size() + 1> pages{};
  uint64_t before = 0;  // found by an inventory: since when is not known

  void add(const Ages& more);
  uint64_t sum() const;  // with `before`
};

struct HolderAges {
  Holder holder;
  Ages ages;
};

// A swapoff of an area, by the slots that its thread freed. It reads what it must, maps or moves each page, and frees its slot
// (mm/swapfile.c: try_to_unuse).
struct Swapoff {
  uint64_t pages = 0;     // freed by it so far; 0 = none was seen
  uint64_t first_ns = 0;  // when, CLOCK_MONOTONIC
  uint64_t last_ns = 0;
  uint32_t tgid = 0;
};

// Who put a page there.
struct Actor {
  uint32_t tgid = 0;  // 0 = not known
  Comm comm{};        // of the batch; empty if its begin was not seen
};

// One used slot.
struct SlotHeld {
  uint64_t entry = 0;
  Holder holder;
  Actor by;
  uint64_t since_ns =
      0;  // CLOCK_MONOTONIC, to 0.13 s: it left memory; if it has not yet, it got the slot
  uint64_t page =
      0;  // of kProcess: address / page size; of kShared: index in the file. 0 = not known
  Where where = Where::kNowhere;
  uint8_t origin = SWAPTRAIL_ORIGIN_UNKNOWN;
  Presence presence = Presence::kAway;
  bool shared = false;
  bool found = false;        // by an inventory, and no event of it since
  uint8_t sample_shift = 0;  // log2 of how many slots it stands for
};

// A swap entry in the page table of a process.
struct FoundEntry {
  uint64_t entry = 0;
  uint64_t page = 0;  // address / page size
};

struct LedgerCounters {
  uint64_t taken = 0;        // slots that became used
  uint64_t freed = 0;        // of these
  uint64_t older_freed = 0;  // slots in use before they were met, and freed before that
  uint64_t reused = 0;       // allocated although they were in use: their end was missed
  uint64_t no_room = 0;      // slots that are not followed: the table was full
  uint64_t no_row = 0;       // of the owners that found no room
  uint64_t no_actor = 0;     // pages put there by one that found no room
  uint64_t lost = 0;         // records that were lost: each may be of slots
  uint64_t found = 0;        // slots that became known, or known better, by an inventory
};

class Ledger final : public EventSink {
 public:
  struct Options {
    size_t max_slots = size_t{1} << 22;  // 16 bytes each, in blocks of 512
    size_t max_holdings = size_t{1} << 16;
    uint32_t page_shift = 12;
    // When the last hook was attached. Until then a slot may be seen to be taken, and not seen to be freed: such events are passed on only.
    uint64_t start_ns = 0;
  };

  explicit Ledger(const Options& options);
  ~Ledger() override;
  // Can it be kept if these kinds are seen (kind_bit())?
  static bool is_possible(uint64_t visible_kinds);
  // Who gets everything next. It must outlive the ledger.
  void hand_on_to(EventSink& next) { next_ = &next; }

  void on_event(const swaptrail_event& event, uint64_t sequence) override;
  void on_loss(const Loss& loss) override;
  void on_time(uint64_t now_ns) override;

  // An inventory: begin_reading(), then page tables are read, then their entries are added once every event until after that has
  // come; again and again, and at last end_reading(). In between, the slots that leave page tables are noted.
  void begin_reading();
  // `process`: its area is that of each entry. False: too much was noted to know what still holds, and nothing was added.
  bool add_found(const Holder& process, std::span<const FoundEntry> entries);
  void end_reading();

  std::optional<SlotHeld> at(uint64_t entry) const;
  uint64_t used(uint32_t area) const;  // slots, by entry_type()
  LedgerCounters counters() const;
  size_t bytes() const;  // of all tables, about

  // Each owner that holds anything, in no order.
  void for_each_holding(absl::FunctionRef<void(const Holding&)> visit) const;
  // For how long each owner's pages are away at `now_ns`, in no order: some 10 ms for a million slots.
  std::vector<HolderAges> ages(uint64_t now_ns) const;
  // The last one of an area, by entry_type(): it goes on, or was given up, or the area is gone. One that follows within kSwapoffPause_ns by
  // the same process counts as the same.
  const Swapoff& swapoff(uint32_t area) const;
  // Each used slot, in no order: some 10 ms for a million.
  void for_each_slot(absl::FunctionRef<void(const SlotHeld&)> visit) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
  const uint64_t start_ns_;
  EventSink* next_ = nullptr;
};

}  // namespace swaptrail::ledger
