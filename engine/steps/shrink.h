// shrink_folio_list (mm/vmscan.c), one folio at a time: a table of steps with every early exit.
//
// The steps decide; for what they can't know they ask a World. In a free run the World is a simulated machine
// (engine/machine/machine), in lockstep it is a recording (engine/lockstep/lockstep): so the table that produces a
// stream is the same one that a stream is checked against.
//
// Every step and exit that a hook of bpf/ can see is reported to the World, in the order of the
// kernel.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "bpf/event.h"
#include "engine/steps/features.h"
#include "engine/steps/folio.h"

namespace swaptrail::engine {

inline constexpr uint32_t kGfpIo = 0x40;  // ___GFP_IO, ___GFP_FS: include/linux/gfp_types.h
inline constexpr uint32_t kGfpFs = 0x80;
inline constexpr int32_t kWritepageActivate = 0x80000;  // AOP_WRITEPAGE_ACTIVATE

// struct scan_control, as far as it affects an anonymous or shmem folio.
struct ScanControl {
  uint8_t origin = SWAPTRAIL_ORIGIN_DIRECT;  // enum swaptrail_origin
  uint32_t gfp = kGfpIo | kGfpFs;
  bool may_writepage = true;
  bool may_unmap = true;
  bool may_swap = true;
};

// Where a folio goes when shrink_folio_list is done with it.
enum class Exit : uint8_t {
  kFreed,      // to the page allocator
  kKept,       // back to its list
  kActivated,  // back, to the active list
  kInFlight,   // back, under writeback: a later pass frees it
  kRequeued,   // processed again in this call, after its writeback has ended
  kCount,
};

// Why it was not freed.
enum class Why : uint8_t {
  kNothing,
  kLocked,       // somebody else holds the folio lock
  kUnevictable,  // mlocked
  kMayNotUnmap,  // scan_control
  kWriteback,    // still under writeback
  kReferenced,   // young page table entries
  kMayNotSwap,   // no __GFP_IO: no slot may be allocated
  kPinned,       // for DMA
  kCannotSplit,
  kNoSlot,
  kStillMapped,
  kMayNotWrite,     // no __GFP_FS or __GFP_IO, or not may_writepage
  kExtraReference,  // somebody else holds a reference
  kRefused,         // AOP_WRITEPAGE_ACTIVATE
  kNoUser,          // no page table refers to the slot any more
  kWriteError,
  kDirtied,  // dirty again
  kRelock,   // somebody took the folio lock after the write
  kCount,
};

struct PassEnd {
  Exit exit = Exit::kKept;
  Why why = Why::kNothing;
  uint32_t steps = 0;  // of the table that were taken
};

enum class References : uint8_t { kReclaim, kKeep, kActivate };  // folio_check_references

struct SlotAnswer {
  int32_t error = 0;   // as SLOT_ALLOCATED's result: 0, or why not
  uint64_t entry = 0;  // of the first page
};

// How try_to_unmap left it.
struct UnmapAnswer {
  uint32_t still_mapped = 0;  // page table entries that still map it
  bool dirty = false;         // some were dirty: the folio is now
};

// Makes the decisions that do not follow from the folio. Called in the order of the kernel's program;
// the folio has its state of that moment. An answer may change the folio where noted.
class World {
 public:
  virtual ~World() = default;
  // ---- questions
  virtual bool lock(Folio& folio) = 0;              // folio_trylock
  virtual References references(Folio& folio) = 0;  // folio_check_references
  virtual bool pinned(Folio& folio) = 0;            // folio_maybe_dma_pinned
  virtual bool split_first(Folio& folio) = 0;       // a large folio that must not be written whole
  // split_folio_to_list: if true, `folio` is now its first page, and the rest is queued for this
  // call.
  virtual bool split(Folio& folio) = 0;
  virtual SlotAnswer allocate(Folio& folio) = 0;   // folio_alloc_swap, shmem_writeout
  virtual UnmapAnswer unmap(Folio& folio) = 0;     // try_to_unmap; reports UNMAPPED_ONE itself
  virtual bool extra_reference(Folio& folio) = 0;  // pageout: is_page_cache_freeable
  virtual bool has_user(Folio& folio) = 0;         // swap_writepage: folio_free_swap finds users
  virtual bool prepares(Folio& folio) = 0;         // arch_prepare_to_swap
  virtual bool zero_filled(Folio& folio) = 0;      // is_folio_zero_filled
  virtual bool zswap_stores(Folio& folio) = 0;  // zswap_store; reports ZSWAP_STORED itself if true
  virtual bool zswap_only(Folio& folio) = 0;    // mem_cgroup_zswap_writeback_enabled is false
  virtual void device_write(Folio& folio) = 0;  // __swap_writepage; sets and ends writeback
  virtual bool relock(Folio& folio) = 0;        // after the write
  virtual bool freeze(Folio& folio) = 0;        // __remove_mapping: folio_ref_freeze
  // ---- what a hook sees, in order. `result` and `backend` as in bpf/event.h.
  virtual void report(swaptrail_kind kind, const Folio& folio, int32_t result, uint8_t backend) = 0;
  // ---- effects
  virtual void leave_cache(Folio& folio,
                           bool reclaimed) = 0;  // out of the swap cache; may free its slot
};

// One pass of one folio. Leaves the folio's flags as the kernel does.
PassEnd shrink_folio(const Features& features, const ScanControl& control, Folio& folio,
                     World& world);

// ---- one function of the kernel alone, for those who call it by its name (engine/generations/linux_4_4.h)

// The steps, in the order of the table.
enum class ShrinkStep : uint8_t {
  kLock,
  kEvictable,
  kWriteback,
  kReferences,
  kSlot,
  kUnmap,
  kPinned,
  kWrite,
  kRemove,
  kCount,
};
// What a function of the kernel is given.
struct ShrinkCall {
  const Features& features;
  const ScanControl& control;
  Folio& folio;
  World& world;
};
// One step. Nothing: the pass goes on.
std::optional<PassEnd> take_step(ShrinkStep step, const ShrinkCall& call);
// swap_writepage, and swap_writeout since: its result. The folio is unlocked then, unless it was refused.
int32_t write_to_swap(const ShrinkCall& call);
// The three ways out of it. try_to_free_swap: nobody refers to the slot, and it is given up; the folio is dirty.
bool free_unused_slot(const ShrinkCall& call);
// frontswap_store, and zswap_store since: true if zswap has it now, and nothing is left to write.
bool store_compressed(const ShrinkCall& call);
void write_to_device(const ShrinkCall& call);  // __swap_writepage

// The table, for reports and documentation: name, kernel function, what it does.
struct StepText {
  std::string_view name;
  std::string_view kernel;
  std::string_view text;
};
std::span<const StepText> step_texts();

std::string_view exit_name(Exit exit);
std::string_view why_name(Why why);

}  // namespace swaptrail::engine
