#include "engine/steps/shrink.h"

#include <array>
#include <cstddef>

namespace swaptrail::engine {
namespace {

struct Pass : ShrinkCall {
  PassEnd end;
};

enum class Next : uint8_t { kStep, kLeave };

Next leave(Pass& pass, Exit exit, Why why) {
  pass.end.exit = exit;
  pass.end.why = why;
  return Next::kLeave;
}

// activate_locked: to the active list, unless it is mlocked.
Next activate(Pass& pass, Why why) {
  if (!pass.folio.mlocked) pass.folio.active = true;
  return leave(pass, Exit::kActivated, why);
}

Next keep(Pass& pass, Why why) { return leave(pass, Exit::kKept, why); }

void report(const ShrinkCall& pass, swaptrail_kind kind, int32_t result = 0,
            uint8_t backend = SWAPTRAIL_BACKEND_UNKNOWN) {
  pass.world.report(kind, pass.folio, result, backend);
}

// may_enter_fs. A device of a file system would need __GFP_FS: none of ours is one.
bool may_enter_fs(const Pass& pass) {
  const uint32_t gfp = pass.control.gfp;
  return (gfp & kGfpFs) || (pass.folio.swapcache && (gfp & kGfpIo));
}

// ---- up to the slot --------------------------------------------------------------------------

Next take_lock(Pass& pass) {
  return pass.world.lock(pass.folio) ? Next::kStep : keep(pass, Why::kLocked);
}

Next check_evictable(Pass& pass) {
  if (pass.folio.mlocked) return activate(pass, Why::kUnevictable);
  const bool may = pass.control.may_unmap || pass.folio.mapped == 0;
  return may ? Next::kStep : keep(pass, Why::kMayNotUnmap);
}

// In flight since an earlier pass. If it is activated here, the rotation at the end of writeback
// undoes that.
Next check_writeback(Pass& pass) {
  if (!pass.folio.writeback) return Next::kStep;
  pass.folio.reclaim = true;
  return pass.features.activates_at_writeback ? activate(pass, Why::kWriteback)
                                              : keep(pass, Why::kWriteback);
}

Next check_references(Pass& pass) {
  switch (pass.world.references(pass.folio)) {
    case References::kReclaim:
      return Next::kStep;
    case References::kKeep:
      return keep(pass, Why::kReferenced);
    case References::kActivate:
      return activate(pass, Why::kReferenced);
  }
  return Next::kStep;
}

// One try; true if the folio is in the swap cache now.
bool allocate_slot(Pass& pass) {
  Folio& folio = pass.folio;
  const SlotAnswer answer = pass.world.allocate(folio);
  if (answer.error == 0) {
    folio.entry = answer.entry;
    folio.swapcache = true;
    if (folio.anon && pass.features.dirties_in_add_to_swap) folio.dirty = true;
  }
  const bool hidden = !folio.anon && pass.features.shmem_slot_hidden;
  if (!hidden) report(pass, SWAPTRAIL_SLOT_ALLOCATED, answer.error);
  if (answer.error == 0 && folio.anon) folio.dirty = true;
  return answer.error == 0;
}

Next get_slot(Pass& pass) {
  Folio& folio = pass.folio;
  if (!folio.anon || folio.swapcache) return Next::kStep;
  if (!(pass.control.gfp & kGfpIo)) return keep(pass, Why::kMayNotSwap);
  if (pass.world.pinned(folio)) return keep(pass, Why::kPinned);
  if (folio.nr_pages > 1 && pass.world.split_first(folio) && !pass.world.split(folio)) {
    return activate(pass, Why::kCannotSplit);
  }
  if (allocate_slot(pass)) return Next::kStep;
  // No room for the whole of a large folio: try once more, with its first page alone.
  if (folio.nr_pages > 1 && pass.world.split(folio) && allocate_slot(pass)) return Next::kStep;
  return activate(pass, Why::kNoSlot);
}

// ---- unmapping ---------------------------------------------------------------------------------

Next unmap(Pass& pass) {
  Folio& folio = pass.folio;
  if (folio.mapped == 0) return Next::kStep;
  const UnmapAnswer answer = pass.world.unmap(folio);
  folio.mapped = answer.still_mapped;
  folio.dirty |= answer.dirty;
  report(pass, SWAPTRAIL_UNMAPPED);
  return folio.mapped == 0 ? Next::kStep : activate(pass, Why::kStillMapped);
}

Next check_pinned_again(Pass& pass) {
  if (!pass.features.pinned_check_after_unmap || !pass.world.pinned(pass.folio)) return Next::kStep;
  return activate(pass, Why::kPinned);
}

// ---- writing -----------------------------------------------------------------------------------

// shmem gets its slot only now, inside pageout.
bool has_slot(Pass& pass) { return pass.folio.swapcache || allocate_slot(pass); }

Next refuse(Pass& pass, Why why) {
  pass.folio.dirty = true;
  pass.folio.reclaim = false;
  return activate(pass, why);
}

Next write(Pass& pass) {
  Folio& folio = pass.folio;
  if (!folio.dirty) return Next::kStep;
  if (!may_enter_fs(pass) || !pass.control.may_writepage) return keep(pass, Why::kMayNotWrite);
  if (pass.world.extra_reference(folio)) return keep(pass, Why::kExtraReference);
  folio.dirty = false;
  folio.reclaim = true;
  if (!has_slot(pass)) return refuse(pass, Why::kNoSlot);
  const int32_t result = write_to_swap(pass);
  if (result == kWritepageActivate) return refuse(pass, Why::kRefused);
  if (folio.writeback) return leave(pass, Exit::kInFlight, Why::kWriteback);
  folio.reclaim = false;
  if (folio.dirty)
    return keep(pass, result < 0 || folio.swapcache ? Why::kWriteError : Why::kNoUser);
  if (!pass.world.relock(folio)) return keep(pass, Why::kRelock);
  if (folio.dirty || folio.writeback) return keep(pass, Why::kDirtied);
  return Next::kStep;
}

// ---- freeing -----------------------------------------------------------------------------------

// __remove_mapping. A folio outside the swap cache (shmem that was never written) is not handled
// here.
Next remove(Pass& pass) {
  Folio& folio = pass.folio;
  if (!folio.swapcache) return keep(pass, Why::kExtraReference);
  const bool frozen = pass.world.freeze(folio);
  if (!frozen || folio.dirty) {
    report(pass, SWAPTRAIL_REMOVED, 0);
    return keep(pass, folio.dirty ? Why::kDirtied : Why::kExtraReference);
  }
  pass.world.leave_cache(folio, true);
  folio.swapcache = false;
  report(pass, SWAPTRAIL_REMOVED, 1);
  folio.entry = 0;
  return leave(pass, Exit::kFreed, Why::kNothing);
}

struct Step {
  Next (*take)(Pass&);
};

constexpr std::array kTexts = {
    StepText{"lock", "mm/vmscan.c: shrink_folio_list", "somebody else holds the lock: keep"},
    StepText{"evictable", "mm/vmscan.c: shrink_folio_list",
             "mlocked: activate; mapped, and may not unmap: keep"},
    StepText{"writeback", "mm/vmscan.c: shrink_folio_list",
             "still under writeback: back, and rotated when it ends"},
    StepText{"references", "mm/vmscan.c: folio_check_references",
             "young page table entries: keep or activate"},
    StepText{"slot", "mm/swapfile.c: folio_alloc_swap; mm/swap_state.c: add_to_swap",
             "anonymous: a slot, and into the swap cache; no slot: split, or activate"},
    StepText{"unmap", "mm/rmap.c: try_to_unmap",
             "every page table entry becomes a swap entry; some left: activate"},
    StepText{"pinned", "mm/vmscan.c: shrink_folio_list", "pinned for DMA meanwhile: activate"},
    StepText{"write", "mm/vmscan.c: pageout; mm/page_io.c: swap_writeout",
             "dirty: to the zero map, to zswap or to the device; under writeback: a later pass"},
    StepText{"remove", "mm/vmscan.c: __remove_mapping",
             "unused and clean: out of the swap cache, and freed"},
};

constexpr std::array<Step, kTexts.size()> kSteps = {{
    {take_lock},
    {check_evictable},
    {check_writeback},
    {check_references},
    {get_slot},
    {unmap},
    {check_pinned_again},
    {write},
    {remove},
}};

static_assert(kSteps.size() == static_cast<size_t>(ShrinkStep::kCount));

constexpr std::array<std::string_view, static_cast<size_t>(Exit::kCount)> kExitNames = {
    "freed", "kept", "activated", "in_flight", "requeued"};

constexpr std::array<std::string_view, static_cast<size_t>(Why::kCount)> kWhyNames = {
    "nothing",         "locked",  "unevictable",  "may_not_unmap", "writeback",    "referenced",
    "may_not_swap",    "pinned",  "cannot_split", "no_slot",       "still_mapped", "may_not_write",
    "extra_reference", "refused", "no_user",      "write_error",   "dirtied",      "relock"};

}  // namespace

PassEnd shrink_folio(const Features& features, const ScanControl& control, Folio& folio,
                     World& world) {
  Pass pass{{features, control, folio, world}, {}};
  for (const Step& step : kSteps) {
    ++pass.end.steps;
    if (step.take(pass) == Next::kLeave) break;
  }
  return pass.end;
}

std::optional<PassEnd> take_step(ShrinkStep step, const ShrinkCall& call) {
  Pass pass{call, {}};
  pass.end.steps = 1;
  if (kSteps[static_cast<size_t>(step)].take(pass) == Next::kStep) return std::nullopt;
  return pass.end;
}

bool free_unused_slot(const ShrinkCall& call) {
  Folio& folio = call.folio;
  if (call.world.has_user(folio)) return false;
  report(call, SWAPTRAIL_CACHE_DELETED);
  call.world.leave_cache(folio, false);
  folio.swapcache = false;
  folio.entry = 0;
  folio.dirty = true;
  return true;
}

bool store_compressed(const ShrinkCall& call) {
  if (!call.world.zswap_stores(call.folio)) return false;
  if (call.features.fake_zswap_writeback) {
    call.folio.writeback = true;
    report(call, SWAPTRAIL_WRITE_COMPLETED);
    call.folio.writeback = false;
  }
  return true;
}

void write_to_device(const ShrinkCall& call) {
  report(call, SWAPTRAIL_WRITE_ISSUED);
  call.world.device_write(call.folio);
}

int32_t write_to_swap(const ShrinkCall& call) {
  Folio& folio = call.folio;
  const auto end = [&call](int32_t result, uint8_t backend) {
    report(call, SWAPTRAIL_WRITE_END, result, backend);
    return result;
  };
  report(call, SWAPTRAIL_WRITE_BEGIN);
  if (free_unused_slot(call)) return end(0, SWAPTRAIL_BACKEND_NONE);
  if (!call.world.prepares(folio)) {
    folio.dirty = true;
    return end(-1, SWAPTRAIL_BACKEND_NONE);
  }
  if (call.features.zero_map && call.world.zero_filled(folio))
    return end(0, SWAPTRAIL_BACKEND_ZERO);
  if (store_compressed(call)) return end(0, SWAPTRAIL_BACKEND_ZSWAP);
  if (call.world.zswap_only(folio)) {
    folio.dirty = true;
    return end(kWritepageActivate, SWAPTRAIL_BACKEND_NONE);
  }
  write_to_device(call);
  return end(0, SWAPTRAIL_BACKEND_DEVICE);
}

std::span<const StepText> step_texts() { return kTexts; }

std::string_view exit_name(Exit exit) {
  const size_t index = static_cast<size_t>(exit);
  return index < kExitNames.size() ? kExitNames[index] : "unknown";
}

std::string_view why_name(Why why) {
  const size_t index = static_cast<size_t>(why);
  return index < kWhyNames.size() ? kWhyNames[index] : "unknown";
}

}  // namespace swaptrail::engine
