// Reads the folios that are on their way, without changing anything.
#include <optional>

#include "trace/lifecycles/reconstructor_impl.h"

namespace swaptrail::lifecycles {
namespace {

constexpr uint32_t kMostPages = 512;  // of a folio that can go to swap: a PMD of 4 KiB pages

}  // namespace

std::optional<Lifecycle> Reconstructor::in_flight_of_frame(uint64_t struct_page) const {
  return impl_->in_flight_of_frame(struct_page);
}

std::optional<Lifecycle> Reconstructor::in_flight_of_entry(uint64_t entry) const {
  return impl_->in_flight_of_entry(entry);
}

// The lifecycle as if the observation ended now, though it goes on.
Lifecycle Reconstructor::Impl::as_it_stands(const Attempt& attempt) const {
  const Judgement judgement = judge_end(attempt, sight_);
  Lifecycle life = attempt.life;
  life.outcome = Outcome::kInFlight;
  life.waiting_for = judgement.waiting;
  life.incomplete = judgement.incomplete == IncompleteReason::kEnded ? IncompleteReason::kNone
                                                                     : judgement.incomplete;
  life.overlapped_loss = sight_.overlapped(attempt);
  return life;
}

// A folio is identified by its first page.
std::optional<Lifecycle> Reconstructor::Impl::in_flight_of_frame(uint64_t struct_page) {
  for (uint32_t page = 0; page < kMostPages; ++page) {
    const uint32_t index = attempts.find(struct_page - uint64_t{page} * options_.page_struct_size);
    if (index == kNoIndex) continue;
    const Attempt& attempt = attempts.at(index);
    if (attempt.life.nr_pages <= page || !attempt.confirmed) return std::nullopt;
    return as_it_stands(attempt);
  }
  return std::nullopt;
}

std::optional<Lifecycle> Reconstructor::Impl::in_flight_of_entry(uint64_t entry) {
  const Slot* slot = slots.find(entry);
  if (slot == nullptr || slot->attempt == kNoIndex) return std::nullopt;
  const Attempt& attempt = attempts.at(slot->attempt);
  if (!attempt.confirmed) return std::nullopt;
  return as_it_stands(attempt);
}

}  // namespace swaptrail::lifecycles
