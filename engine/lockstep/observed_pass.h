// One observed pass of one folio: the World that answers from a recording.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/lockstep/lockstep_impl.h"
#include "engine/steps/shrink.h"

namespace swaptrail::engine {

// Answers what the model can't know from the next events, and checks everything else against them.
// After the first mismatch it follows the observation: one finding a pass.
class ObservedPass : public World {
 public:
  // All must outlive it. `events`: the folio's events in this pass, and what happened to it
  // meanwhile.
  using Impl = Lockstep::Impl;
  ObservedPass(Impl& lockstep, Batch& batch, FolioRecord& record, const std::vector<Event>& events);

  PassEnd run();

  bool lock(Folio& folio) override;
  References references(Folio&) override { return References::kReclaim; }
  bool pinned(Folio& folio) override;
  bool split_first(Folio&) override { return false; }  // a hook sees only its effects
  bool split(Folio& folio) override;
  SlotAnswer allocate(Folio& folio) override;
  UnmapAnswer unmap(Folio& folio) override;
  bool extra_reference(Folio& folio) override;
  bool has_user(Folio& folio) override;
  bool prepares(Folio& folio) override;
  bool zero_filled(Folio& folio) override;
  bool zswap_stores(Folio& folio) override;
  bool zswap_only(Folio& folio) override;
  void device_write(Folio& folio) override;
  bool relock(Folio& folio) override;
  bool freeze(Folio& folio) override;
  void report(swaptrail_kind kind, const Folio& folio, int32_t result, uint8_t backend) override;
  void leave_cache(Folio& folio, bool reclaimed) override;

 private:
  // The next event of the pass itself, or null. Applies what happened to the folio meanwhile.
  const Event* peek(bool completions_too = true);
  bool next_is(uint8_t kind) {
    const Event* next = peek();
    return next != nullptr && next->kind == kind;
  }
  // WRITE_END, if it is next with this result; otherwise null.
  const Event* ending();
  bool is_own(const Event& event) const;
  bool comes_later(uint8_t kind) const;
  bool was_removed() const;
  void take_one(const Event& event, const Folio& folio);
  void check(const Event& event, const Folio& folio, int32_t result, uint8_t backend);
  bool check_state(const Event& event, const Folio& folio);
  void missed(uint8_t kind, const Event* next);
  std::string observed() const;
  void fail(FindingKind kind, Rule rule, const Event& event, std::string text);
  void resynchronise();
  void give_up() { next_ = events_.size(); }

  Impl& lockstep_;
  Batch& batch_;
  FolioRecord& record_;
  const std::vector<Event>& events_;
  size_t next_ = 0;
  uint32_t users_ = 0;       // swap entries that this pass put into page tables
  bool fresh_slot_ = false;  // allocated in this pass
  bool failed_ = false;
  uint32_t seen_ = 0;                                  // bits 1 << kind: own events that were taken
  std::vector<std::pair<uint32_t, uint64_t>> mapped_;  // process and address of its mappings
};

}  // namespace swaptrail::engine
