#include "trace/ledger/ledger.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "trace/check.h"
#include "trace/decode.h"
#include "trace/ledger/actors.h"
#include "trace/ledger/held_slots.h"
#include "trace/ledger/holdings.h"

namespace swaptrail::ledger {
namespace {

static_assert(SWAPTRAIL_ORIGIN_END <= 16);

constexpr uint64_t kOneLess = ~uint64_t{0};
constexpr size_t kMostNoted = size_t{1} << 20;

bool is_swap(uint64_t entry) { return entry != 0 && entry_type(entry) < kMostAreaTypes; }

// 0: it has more bits than are kept.
uint64_t place_of(uint64_t first, uint64_t page) {
  return (first + page) >> HeldSlot::kPlaceBits == 0 ? first + page : 0;
}

Where where_of(uint8_t backend, Where before) {
  switch (backend) {
    case SWAPTRAIL_BACKEND_DEVICE:
      return Where::kDevice;
    case SWAPTRAIL_BACKEND_ZSWAP:
      return Where::kZswap;
    case SWAPTRAIL_BACKEND_ZERO:
      return Where::kZero;
    default:
      return before;
  }
}

}  // namespace

class Ledger::Impl {
 public:
  explicit Impl(const Options& options)
      : page_shift_(options.page_shift),
        slots_(options.max_slots),
        holdings_(options.max_holdings) {}

  void on_event(const swaptrail_event& event);
  void begin_reading();
  bool add_found(Holder process, std::span<const FoundEntry> entries);
  void end_reading();

  HeldSlots& slots() { return slots_; }
  SlotHeld held(uint64_t entry, const HeldSlot& slot) const;
  std::vector<HolderAges> ages(uint64_t now_ns) const;

  LedgerCounters counters;
  std::array<uint64_t, kMostAreaTypes> used{};
  std::array<Swapoff, kMostAreaTypes> swapoffs{};
  const Holdings& holdings() const { return holdings_; }
  size_t bytes() const { return slots_.room() * sizeof(HeldSlot) + holdings_.bytes(); }

 private:
  void on_reclaim_begin(const swaptrail_event& event);
  void on_allocated(const swaptrail_event& event);
  void on_unmapped_one(const swaptrail_event& event);
  void on_write_begin(const swaptrail_event& event);
  void on_written(const swaptrail_event& event, uint8_t backend);
  void on_removed(const swaptrail_event& event);
  void on_read(const swaptrail_event& event);
  void on_cache_deleted(const swaptrail_event& event);
  void on_swap_in(const swaptrail_event& event);
  void on_freed(const swaptrail_event& event);

  // The slot, which is used from now on: by `holder`, if it was free. Null: there is no room.
  HeldSlot* take(uint64_t entry, const Holder& holder, const swaptrail_event& event,
                 uint64_t state = SlotState::of(Where::kUnknown, Presence::kAway));
  // The slot; if it was in use before we looked, from now on.
  HeldSlot* met(uint64_t entry, const swaptrail_event& event);
  void give(HeldSlot& slot, const Holder& holder);
  void free(uint64_t entry, HeldSlot& slot);
  void put_by(HeldSlot& slot, const swaptrail_event& event);
  void set_state(HeldSlot& slot, Where where, Presence presence);
  void set_presence(HeldSlot& slot, Presence presence) {
    set_state(slot, SlotState::where(slot.state), presence);
  }
  template <typename Change>
  void recount(HeldSlot& slot, const Change& change);
  void set_shared(HeldSlot& slot, bool shared) {
    if (slot.shared != shared) recount(slot, [&] { slot.shared = shared; });
  }
  void set_found(HeldSlot& slot, bool found) {
    if (slot.found != found) recount(slot, [&] { slot.found = found; });
  }
  void add_found(const Holder& process, const FoundEntry& found);
  void note_left(uint64_t entry, uint32_t tgid);
  void note_swapoff(const swaptrail_event& event);
  static Holder of_cgroup(const swaptrail_event& event, uint64_t cgroup);

  const uint32_t page_shift_;
  HeldSlots slots_;
  Holdings holdings_;
  Actors actors_;
  bool reading_ = false;
  absl::flat_hash_set<std::pair<uint64_t, uint32_t>> left_;  // entry, process; 0: that of each
};

void Ledger::Impl::on_event(const swaptrail_event& event) {
  switch (event.kind) {
    case SWAPTRAIL_RECLAIM_BEGIN:
      return on_reclaim_begin(event);
    case SWAPTRAIL_SLOT_ALLOCATED:
      return on_allocated(event);
    case SWAPTRAIL_UNMAPPED_ONE:
      return on_unmapped_one(event);
    case SWAPTRAIL_WRITE_BEGIN:
      return on_write_begin(event);
    case SWAPTRAIL_WRITE_ISSUED:  // inside swap_writepage WRITE_END says it; else zswap moves an old page to the device
      if (event.u.page.backend == SWAPTRAIL_BACKEND_UNKNOWN)
        on_written(event, SWAPTRAIL_BACKEND_DEVICE);
      return;
    case SWAPTRAIL_WRITE_END:
      if (event.result == 0) on_written(event, static_cast<uint8_t>(event.u.page.backend));
      return;
    case SWAPTRAIL_REMOVED:
      if (event.result == 1) on_removed(event);
      return;
    case SWAPTRAIL_SWAP_READ:
      return on_read(event);
    case SWAPTRAIL_CACHE_DELETED:
      return on_cache_deleted(event);
    case SWAPTRAIL_SWAP_IN:
      return on_swap_in(event);
    case SWAPTRAIL_SLOT_FREED:
      return on_freed(event);
    default:
      return;
  }
}

// Apart from the others: what it has on its stack costs all of them.
[[gnu::noinline]] void Ledger::Impl::on_reclaim_begin(const swaptrail_event& event) {
  Comm comm;
  std::memcpy(comm.data(), event.u.begin.comm, comm.size());
  actors_.name(event.tgid, comm);
}

Holder Ledger::Impl::of_cgroup(const swaptrail_event& event, uint64_t cgroup) {
  Holder holder;
  holder.cgroup = cgroup;
  holder.area = entry_type(event.entry);
  return holder;
}

void Ledger::Impl::set_state(HeldSlot& slot, Where where, Presence presence) {
  const uint64_t state = SlotState::of(where, presence);
  if (state == slot.state) return;
  holdings_.move(slot, state);
  slot.state = state;
}

// Changes what its row counts of it.
template <typename Change>
void Ledger::Impl::recount(HeldSlot& slot, const Change& change) {
  holdings_.count(slot, kOneLess);
  change();
  holdings_.count(slot, 1);
}

HeldSlot* Ledger::Impl::take(uint64_t entry, const Holder& holder, const swaptrail_event& event,
                             uint64_t state) {
  HeldSlot* slot = slots_.obtain(entry);
  if (slot == nullptr) {
    ++counters.no_room;
    return nullptr;
  }
  if (slot->used()) return slot;
  ++counters.taken;
  slot->sample_shift = sample_shift_of(event.state);
  used[holder.area] += uint64_t{1} << slot->sample_shift;
  slot->holding = holdings_.of(holder);
  slot->since = static_cast<uint32_t>(event.time_ns >> HeldSlot::kTickShift);
  slot->state = state;
  slot->origin = SWAPTRAIL_ORIGIN_UNKNOWN;
  holdings_.count(*slot, 1);
  return slot;
}

HeldSlot* Ledger::Impl::met(uint64_t entry, const swaptrail_event& event) {
  HeldSlot* slot = slots_.find(entry);
  return slot != nullptr ? slot : take(entry, of_cgroup(event, event.u.page.cgroup), event);
}

void Ledger::Impl::give(HeldSlot& slot, const Holder& holder) {
  const uint32_t row = holdings_.of(holder);
  if (row != slot.holding) recount(slot, [&] { slot.holding = row; });
}

void Ledger::Impl::free(uint64_t entry, HeldSlot& slot) {
  holdings_.count(slot, kOneLess);
  if (slot.actor != 0) actors_.remove(slot.actor);
  ++counters.freed;
  used[entry_type(entry)] -= uint64_t{1} << slot.sample_shift;
  slots_.release(entry);
}

void Ledger::Impl::put_by(HeldSlot& slot, const swaptrail_event& event) {
  slot.since = static_cast<uint32_t>(event.time_ns >> HeldSlot::kTickShift);
  slot.origin = known_origin(event.origin);
  const uint32_t actor = actors_.of(event.tgid);
  if (actor == slot.actor && actor != 0) return;
  if (slot.actor != 0) actors_.remove(slot.actor);
  slot.actor = actor;
  if (actor != 0)
    actors_.add(actor);
  else
    ++counters.no_actor;
}

// mm/swapfile.c: the slots are taken, and the folio is in the swap cache.
void Ledger::Impl::on_allocated(const swaptrail_event& event) {
  if (event.result != 0 || !is_swap(event.entry)) return;
  const Holder holder = of_cgroup(event, event.u.page.cgroup);
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    const uint64_t entry = event.entry + page;
    if (HeldSlot* before = slots_.find(entry)) {
      ++counters.reused;
      free(entry, *before);
    }
    HeldSlot* slot = take(entry, holder, event, SlotState::of(Where::kNowhere, Presence::kMapped));
    if (slot != nullptr) put_by(*slot, event);
  }
}

// Whoever is unmapped first since the page was last mapped owns the slot.
void Ledger::Impl::on_unmapped_one(const swaptrail_event& event) {
  if (!is_swap(event.entry) || event.result != 1) return;
  const bool exact =
      event.u.map.first_page != SWAPTRAIL_PAGE_UNKNOWN && event.u.map.ptes != SWAPTRAIL_NOT_COUNTED;
  const uint32_t pages = pages_of(event);
  const uint32_t first = exact ? std::min<uint32_t>(event.u.map.first_page, pages) : 0;
  const uint32_t end = exact ? std::min<uint32_t>(first + event.u.map.ptes, pages) : pages;
  Holder holder = of_cgroup(event, event.u.map.value);
  if (event.u.map.owner != 0) {
    holder.kind = OwnerKind::kProcess;
    holder.tgid = event.u.map.owner;
    std::memcpy(holder.comm.data(), event.u.map.comm, holder.comm.size());
  }
  for (uint32_t page = first; page < end; ++page) {
    HeldSlot* slot = take(event.entry + page, holder, event);
    if (slot == nullptr) continue;
    if (slot->owned) {
      set_shared(*slot, true);
      continue;
    }
    set_shared(*slot, false);
    set_found(*slot, false);
    give(*slot, holder);
    set_presence(*slot, Presence::kCached);
    slot->owned = slot->leaving = 1;
    slot->place = exact ? place_of(event.u.map.address >> page_shift_, page - first) : 0;
  }
}

// A file of shared memory says so when it is written: up to Linux 6.14 its slot is seen here first.
void Ledger::Impl::on_write_begin(const swaptrail_event& event) {
  const uint64_t inode = event.u.page.inode;
  if (!is_swap(event.entry) || (event.state & SWAPTRAIL_STATE_ANON) || inode == 0) return;
  Holder holder = of_cgroup(event, event.u.page.cgroup);
  if (inode != SWAPTRAIL_INODE_UNKNOWN) {
    holder.kind = OwnerKind::kShared;
    holder.inode = inode;
    holder.device = event.u.page.device;
  }
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    const bool is_new = slots_.find(event.entry + page) == nullptr;
    HeldSlot* slot = take(event.entry + page, holder, event);
    if (slot == nullptr) continue;
    set_found(*slot, false);
    give(*slot, holder);
    set_presence(*slot, Presence::kCached);
    slot->owned = slot->leaving = 1;
    slot->place = inode == SWAPTRAIL_INODE_UNKNOWN ? 0 : place_of(event.u.page.index, page);
    if (is_new) put_by(*slot, event);
  }
}

void Ledger::Impl::on_written(const swaptrail_event& event, uint8_t backend) {
  if (!is_swap(event.entry)) return;
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    HeldSlot* slot = met(event.entry + page, event);
    if (slot == nullptr) continue;
    const Where where = where_of(backend, SlotState::where(slot->state));
    set_state(*slot, where, SlotState::presence(slot->state));
  }
}

// mm/vmscan.c __remove_mapping: it leaves memory now.
void Ledger::Impl::on_removed(const swaptrail_event& event) {
  if (!is_swap(event.entry)) return;
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    HeldSlot* slot = slots_.find(event.entry + page);
    if (slot == nullptr) continue;  // freed inside __remove_mapping: nobody needs it
    set_presence(*slot, Presence::kAway);
    if (slot->leaving)
      put_by(*slot, event);  // else a copy that was read ahead, and that nobody mapped
    slot->leaving = 0;
  }
}

void Ledger::Impl::on_read(const swaptrail_event& event) {
  if (!is_swap(event.entry)) return;
  const bool cached = event.state & SWAPTRAIL_STATE_SWAPCACHE;
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    HeldSlot* slot = met(event.entry + page, event);
    if (slot != nullptr) set_presence(*slot, cached ? Presence::kCached : Presence::kAway);
  }
}

// mm/swapfile.c folio_free_swap: no page table refers to the slots. Their cgroup stays charged until they are free.
void Ledger::Impl::on_cache_deleted(const swaptrail_event& event) {
  if (!is_swap(event.entry)) return;
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    HeldSlot* slot = slots_.find(event.entry + page);
    if (slot == nullptr) continue;
    const Holder nobody = of_cgroup(event, holdings_.holder(slot->holding).cgroup);
    set_shared(*slot, false);
    give(*slot, nobody);
    set_state(*slot, Where::kReserve, Presence::kAway);
    slot->place = 0;
  }
}

// The page is mapped again, and the kernel has kept its slot: who is unmapped next owns it. If it was read past the swap cache, the
// slot is kept for others who share it.
void Ledger::Impl::on_swap_in(const swaptrail_event& event) {
  if (!is_swap(event.entry)) return;
  const bool counted =
      event.u.map.ptes != SWAPTRAIL_NOT_COUNTED;  // Linux 5.10: a pass that is done has filled one
  const bool done = (static_cast<uint32_t>(event.result) & SWAPTRAIL_FAULT_NOT_DONE) == 0;
  const uint32_t pages = counted ? event.u.map.ptes : uint32_t{done};
  const uint64_t first = event.entry - (counted ? event.u.map.first_page : 0);
  for (uint32_t page = 0; page < pages; ++page) {
    note_left(first + page, event.u.map.owner);
    if (HeldSlot* slot = slots_.find(first + page)) {
      if (SlotState::presence(slot->state) == Presence::kCached)
        set_presence(*slot, Presence::kMapped);
      slot->owned = 0;
    }
  }
}

void Ledger::Impl::on_freed(const swaptrail_event& event) {
  if (!is_swap(event.entry)) return;
  if (event.state & SWAPTRAIL_STATE_SWAPOFF) note_swapoff(event);
  for (uint32_t page = 0; page < pages_of(event); ++page) {
    note_left(event.entry + page, 0);
    if (HeldSlot* slot = slots_.find(event.entry + page))
      free(event.entry + page, *slot);
    else
      ++counters.older_freed;
  }
}

[[gnu::noinline]] void Ledger::Impl::note_swapoff(const swaptrail_event& event) {
  Swapoff& swapoff = swapoffs[entry_type(event.entry)];
  const bool goes_on =
      swapoff.tgid == event.tgid && event.time_ns < swapoff.last_ns + kSwapoffPause_ns;
  if (!goes_on) swapoff = {.first_ns = event.time_ns, .tgid = event.tgid};
  swapoff.pages += uint64_t{pages_of(event)} << sample_shift_of(event.state);
  swapoff.last_ns = event.time_ns;
}

void Ledger::Impl::begin_reading() {
  reading_ = true;
  left_.clear();
}

void Ledger::Impl::end_reading() {
  reading_ = false;
  left_ = {};
}

// One more than there may be says that some are missing.
void Ledger::Impl::note_left(uint64_t entry, uint32_t tgid) {
  if (reading_ && left_.size() <= kMostNoted) left_.emplace(entry, tgid);
}

bool Ledger::Impl::add_found(Holder process, std::span<const FoundEntry> entries) {
  if (left_.size() > kMostNoted) return false;
  for (const FoundEntry& found : entries) {
    if (!is_swap(found.entry) || left_.contains({found.entry, 0}) ||
        left_.contains({found.entry, process.tgid}))
      continue;
    process.area = entry_type(found.entry);
    add_found(process, found);
  }
  return true;
}

void Ledger::Impl::add_found(const Holder& process, const FoundEntry& found) {
  HeldSlot* slot = slots_.find(found.entry);
  if (slot != nullptr && slot->owned) {  // by an event, or another page table has it too
    const Holder& owner = holdings_.holder(slot->holding);
    if (owner.kind != OwnerKind::kProcess || owner.tgid != process.tgid) set_shared(*slot, true);
    return;
  }
  Holder holder = process;
  const uint64_t charged = slot != nullptr ? holdings_.holder(slot->holding).cgroup : 0;
  if (charged != 0) holder.cgroup = charged;  // an event has said it
  if (slot == nullptr) slot = take(found.entry, holder, swaptrail_event{});
  if (slot == nullptr) return;
  set_found(*slot, charged == 0);
  give(*slot, holder);
  slot->owned = 1;
  slot->place = place_of(found.page, 0);
  ++counters.found;
}

SlotHeld Ledger::Impl::held(uint64_t entry, const HeldSlot& slot) const {
  SlotHeld out;
  out.entry = entry;
  out.holder = holdings_.holder(slot.holding);
  out.by = actors_.at(slot.actor);
  out.since_ns = uint64_t{slot.since} << HeldSlot::kTickShift;
  out.page = slot.place;
  out.where = SlotState::where(slot.state);
  out.origin = static_cast<uint8_t>(slot.origin);
  out.presence = SlotState::presence(slot.state);
  out.shared = slot.shared;
  out.found = slot.found;
  out.sample_shift = slot.sample_shift;
  return out;
}

std::vector<HolderAges> Ledger::Impl::ages(uint64_t now_ns) const {
  std::vector<Ages> rows(holdings_.size());
  slots_.for_each([&](uint64_t, const HeldSlot& slot) {
    const bool away = SlotState::presence(slot.state) == Presence::kAway &&
                      SlotState::where(slot.state) != Where::kReserve;
    if (!away) return;
    const uint64_t pages = uint64_t{1} << slot.sample_shift;
    const uint64_t since_ns = uint64_t{slot.since} << HeldSlot::kTickShift;
    Ages& ages = rows[slot.holding];
    if (slot.since == 0) {
      ages.before += pages;
      return;
    }
    const auto bound = std::ranges::lower_bound(kAgeBounds, now_ns - std::min(now_ns, since_ns));
    ages.pages[static_cast<size_t>(bound - kAgeBounds.begin())] += pages;
  });
  std::vector<HolderAges> out;
  for (uint32_t row = 1; row < rows.size(); ++row)
    if (rows[row].sum() != 0) out.push_back({holdings_.holder(row), rows[row]});
  return out;
}

void Ages::add(const Ages& more) {
  for (size_t at = 0; at < pages.size(); ++at) pages[at] += more.pages[at];
  before += more.before;
}
uint64_t Ages::sum() const { return std::accumulate(pages.begin(), pages.end(), before); }

Ledger::Ledger(const Options& options)
    : impl_(std::make_unique<Impl>(options)), start_ns_(options.start_ns) {}
Ledger::~Ledger() = default;

bool Ledger::is_possible(uint64_t visible_kinds) {
  constexpr uint64_t kNeeded = kind_bit(SWAPTRAIL_SLOT_ALLOCATED) | kind_bit(SWAPTRAIL_SLOT_FREED) |
                               kind_bit(SWAPTRAIL_UNMAPPED_ONE);
  return (visible_kinds & kNeeded) == kNeeded;
}

void Ledger::on_event(const swaptrail_event& event, uint64_t sequence) {
  if (event.time_ns >= start_ns_) impl_->on_event(event);
  if (next_ != nullptr) return next_->on_event(event, sequence);
}

void Ledger::on_loss(const Loss& loss) {
  impl_->counters.lost += loss.count;
  if (next_ != nullptr) next_->on_loss(loss);
}

void Ledger::on_time(uint64_t now_ns) {
  if (next_ != nullptr) next_->on_time(now_ns);
}

void Ledger::begin_reading() { impl_->begin_reading(); }
void Ledger::end_reading() { impl_->end_reading(); }
bool Ledger::add_found(const Holder& process, std::span<const FoundEntry> entries) {
  return impl_->add_found(process, entries);
}

std::optional<SlotHeld> Ledger::at(uint64_t entry) const {
  const HeldSlot* slot = impl_->slots().find(entry);
  if (slot == nullptr) return std::nullopt;
  return impl_->held(entry, *slot);
}
uint64_t Ledger::used(uint32_t area) const {
  return area < impl_->used.size() ? impl_->used[area] : 0;
}
LedgerCounters Ledger::counters() const {
  LedgerCounters counters = impl_->counters;
  counters.no_row = impl_->holdings().overflows();
  return counters;
}
size_t Ledger::bytes() const { return impl_->bytes(); }
void Ledger::for_each_holding(absl::FunctionRef<void(const Holding&)> visit) const {
  const Holdings& holdings = impl_->holdings();
  for (uint32_t row = 1; row < holdings.size(); ++row)
    if (const Holding holding = holdings.snapshot(row); holding.pages() != 0) visit(holding);
}
std::vector<HolderAges> Ledger::ages(uint64_t now_ns) const { return impl_->ages(now_ns); }
const Swapoff& Ledger::swapoff(uint32_t area) const {
  SWAPTRAIL_CHECK(area < kMostAreaTypes);
  return impl_->swapoffs[area];
}
void Ledger::for_each_slot(absl::FunctionRef<void(const SlotHeld&)> visit) const {
  impl_->slots().for_each(
      [&](uint64_t entry, const HeldSlot& slot) { visit(impl_->held(entry, slot)); });
}

}  // namespace swaptrail::ledger
