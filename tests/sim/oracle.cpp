#include "tests/sim/oracle.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/sim/folios.h"
#include "trace/decode.h"

namespace swaptrail::sim {
namespace {

constexpr uint64_t kPage = 4096;

constexpr uint64_t kStageKinds[kStageCount] = {
    0,  // shown by the batch of any event
    lifecycles::kind_bit(SWAPTRAIL_SLOT_ALLOCATED),
    lifecycles::kind_bit(SWAPTRAIL_UNMAPPED) | lifecycles::kind_bit(SWAPTRAIL_UNMAPPED_ONE),
    lifecycles::kind_bit(SWAPTRAIL_WRITE_BEGIN),
    lifecycles::kind_bit(SWAPTRAIL_WRITE_ISSUED),
    lifecycles::kind_bit(SWAPTRAIL_WRITE_END),
    lifecycles::kind_bit(SWAPTRAIL_WRITE_COMPLETED),
    lifecycles::kind_bit(SWAPTRAIL_REMOVED),
};

constexpr uint64_t kWriteKinds =
    lifecycles::kind_bit(SWAPTRAIL_WRITE_BEGIN) | lifecycles::kind_bit(SWAPTRAIL_WRITE_ISSUED);
constexpr uint64_t kBackendKinds = kWriteKinds | lifecycles::kind_bit(SWAPTRAIL_ZSWAP_STORED) |
                                   lifecycles::kind_bit(SWAPTRAIL_CACHE_DELETED) |
                                   lifecycles::kind_bit(SWAPTRAIL_RECLAIM_BEGIN);

// Whether an event is a folio's passing of a stage, and no failure to pass it.
bool passes_stage(const swaptrail_event& event, Stage stage) {
  if (!(kStageKinds[static_cast<size_t>(stage)] & lifecycles::kind_bit(event.kind))) return false;
  if (event.kind == SWAPTRAIL_SLOT_ALLOCATED) return event.result == 0;
  if (event.kind == SWAPTRAIL_UNMAPPED) return !(event.state & SWAPTRAIL_STATE_MAPPED);
  if (event.kind == SWAPTRAIL_REMOVED) return event.result == 1;
  return true;
}

// Even if all was seen: the end came in the middle of a batch, or shmem was given up where no
// hook says why.
bool may_be_incomplete(const Lifecycle& life) {
  if (life.incomplete == IncompleteReason::kEnded) return life.outcome == Outcome::kInFlight;
  return life.incomplete == IncompleteReason::kNotHooked && life.shmem && life.entry == 0 &&
         life.outcome == Outcome::kAborted;
}

void note(std::string& text, bool different, std::string_view name, uint64_t told,
          uint64_t true_one) {
  if (different) absl::StrAppendFormat(&text, "%s %d, truly %d; ", name, told, true_one);
}

}  // namespace

Oracle::Oracle(const Distorted& distorted, std::span<const TrueSwapOut> truth,
               std::span<const engine::DroppedCopy> dropped)
    : distorted_(distorted), truth_(truth), dropped_(dropped) {
  index_events();
}

void Oracle::index_events() {
  for (uint32_t index = 0; index < distorted_.witnesses.size(); ++index) {
    const swaptrail_event& event = distorted_.witnesses[index].truth;
    if (event.folio == 0) continue;
    for (uint32_t page = 0; page < pages_of(event); ++page) {
      events_[event.folio + page * kPageStruct].push_back(index);
    }
  }
  for (uint32_t index = 0; index < truth_.size(); ++index) {
    swap_outs_[truth_[index].folio].push_back(index);
  }
}

void Oracle::complain(const Lifecycle& life, std::string text) {
  complaints_.push_back(
      {absl::StrFormat("lifecycle %d: %s", life.id, text), life.folio, life.entry, life.nr_pages});
}

// When that really was, or nothing if it never happened to the folio as far as could be seen.
std::optional<uint64_t> Oracle::true_time(const Case& one, Stage stage) const {
  const Lifecycle& life = one.told->life;
  const auto events = events_.find(life.folio);
  if (events == events_.end()) return std::nullopt;
  for (const uint32_t index : events->second) {
    const Witness& witness = distorted_.witnesses[index];
    if (witness.fate != Fate::kDelivered || witness.observation != one.number) continue;
    if (stage == Stage::kIsolated && witness.record.batch_ns == life.at(stage)) {
      return witness.truth.batch_ns;
    }
    if (witness.record.time_ns == life.at(stage) && passes_stage(witness.record, stage)) {
      return witness.truth.time_ns;
    }
  }
  return std::nullopt;
}

Oracle::Case Oracle::open_case(uint32_t observation, const ToldLifecycle& told) {
  Case one{&told, &distorted_.observations[observation], observation, {}, 0};
  for (size_t index = 0; index < kStageCount; ++index) {
    const Stage stage = static_cast<Stage>(index);
    if (told.life.at(stage) == 0) continue;
    const auto true_ns = true_time(one, stage);
    if (!true_ns) {
      complain(told.life, absl::StrFormat("%s at %d, and nothing of the kind was seen of it then",
                                          stage_name(stage), told.life.at(stage)));
      continue;
    }
    one.true_ns[index] = *true_ns;
    one.last_ns = std::max(one.last_ns, *true_ns);
  }
  return one;
}

bool Oracle::is_true_mapping(const Case& one, const Mapping& mapping) const {
  const auto events = events_.find(one.told->life.folio);
  if (events == events_.end()) return false;
  return std::any_of(events->second.begin(), events->second.end(), [&](uint32_t index) {
    const Witness& witness = distorted_.witnesses[index];
    if (witness.fate != Fate::kDelivered || witness.observation != one.number) return false;
    if (witness.record.kind != SWAPTRAIL_UNMAPPED_ONE) return false;
    const auto& map = witness.record.u.map;
    return map.owner == mapping.tgid && map.address <= mapping.address &&
           mapping.address < map.address + map.ptes * kPage;
  });
}

// The swap-out in which the last thing that the lifecycle reports happened; a write may end after
// its folio was given up. A batch can give a folio up twice (a large one that got no slot, and its
// first piece): then the one that fits.
const engine::TrueSwapOut* Oracle::truth_of(const Case& one) const {
  const auto found = swap_outs_.find(one.told->life.folio);
  if (found == swap_outs_.end()) return nullptr;
  const uint64_t isolated_ns = one.true_ns[static_cast<size_t>(Stage::kIsolated)];
  const TrueSwapOut* best = nullptr;
  for (const uint32_t index : found->second) {
    const TrueSwapOut& truth = truth_[index];
    bool candidate = truth.begin_ns <= one.last_ns;
    if (one.last_ns == isolated_ns) {  // it reports nothing else, perhaps of no time at all
      const uint64_t batch_ns = truth.stage_ns[static_cast<size_t>(Stage::kIsolated)];
      const bool running = truth.begin_ns <= isolated_ns && isolated_ns <= truth.end_ns;
      candidate = isolated_ns == 0 ? truth.begin_ns <= one.observation->true_end_ns
                                   : batch_ns == isolated_ns || running;
    }
    if (!candidate) continue;
    // one that reports no time at all must only be possible
    const bool fits =
        contradiction(one, truth).empty() && (one.last_ns == 0 || differences(one, truth).empty());
    best = &truth;
    if (fits) return best;
  }
  return best;
}

std::string Oracle::stage_differences(const Case& one, const TrueSwapOut& truth) const {
  std::string text;
  for (size_t stage = 0; stage < kStageCount; ++stage) {
    // without its hook another event may report it: a true one, as is known by now
    if (!(one.told->life.visible_stages & (1U << stage))) continue;
    // the end of a write whose begin no hook saw is not reported
    const bool no_writes = !(one.observation->visible_kinds & kWriteKinds);
    if (no_writes && static_cast<Stage>(stage) == Stage::kWriteCompleted) continue;
    if (truth.stage_ns[stage] > one.observation->true_end_ns) continue;
    note(text, one.true_ns[stage] != truth.stage_ns[stage], stage_name(static_cast<Stage>(stage)),
         one.true_ns[stage], truth.stage_ns[stage]);
  }
  return text;
}

// What a complete lifecycle reports that differs from the truth.
std::string Oracle::differences(const Case& one, const TrueSwapOut& truth) const {
  const Lifecycle& life = one.told->life;
  const Observation& seen = *one.observation;
  std::string text = stage_differences(one, truth);
  absl::StrAppend(&text, contradiction(one, truth));
  note(text, life.entry != truth.entry, "entry", life.entry, truth.entry);
  note(text, life.nr_pages != truth.nr_pages, "pages", life.nr_pages, truth.nr_pages);
  if (truth.end_ns > seen.true_end_ns) return text;  // it went on: that is all that can be held
  const bool batches = seen.visible_kinds & lifecycles::kind_bit(SWAPTRAIL_RECLAIM_END);
  const bool owners = seen.visible_kinds & lifecycles::kind_bit(SWAPTRAIL_UNMAPPED_ONE);
  note(text, batches && life.passes != truth.passes, "passes", life.passes, truth.passes);
  const bool backends = (seen.visible_kinds & kBackendKinds) == kBackendKinds;
  const bool not_told = !backends && life.backend == SWAPTRAIL_BACKEND_UNKNOWN;
  note(text, !not_told && life.backend != truth.backend, "backend", life.backend, truth.backend);
  note(text, owners && life.mapping_count != truth.mappings, "mappings", life.mapping_count,
       truth.mappings);
  return text;
}

// Compares every swap-out with the lifecycles of its folio, one after the other.
void Oracle::expect_truth(const Account& account) {
  absl::flat_hash_map<uint64_t, size_t> seen;
  for (const ToldLifecycle& told : account.lifecycles) {
    const auto found = swap_outs_.find(told.life.folio);
    const size_t turn = seen[told.life.folio]++;
    const bool known = found != swap_outs_.end() && turn < found->second.size();
    check_lossless_lifecycle(told, known ? &truth_[found->second[turn]] : nullptr);
  }
  for (const auto& [folio, swap_outs] : swap_outs_) {
    for (size_t turn = seen[folio]; turn < swap_outs.size(); ++turn) {
      const TrueSwapOut& truth = truth_[swap_outs[turn]];
      complaints_.push_back(
          {absl::StrFormat("no lifecycle for the swap-out from %d to %d (%s)", truth.begin_ns,
                           truth.end_ns, outcome_name(truth.outcome)),
           folio, truth.entry});
    }
  }
  check_violations(account);
  check_losses(0, account);
  if (account.merger.late != 0) complaints_.push_back({"events came too late", 0, 0});
}

void Oracle::check_lossless_lifecycle(const ToldLifecycle& told, const TrueSwapOut* truth) {
  const Case one = open_case(0, told);
  if (truth == nullptr) return complain(told.life, "there was no such swap-out");
  const std::string text = differences(one, *truth);
  if (!text.empty()) complain(told.life, text);
  if (!told.life.complete() && !may_be_incomplete(told.life)) {
    complain(told.life, absl::StrFormat("called incomplete: %s",
                                        incomplete_reason_name(told.life.incomplete)));
  }
  for (size_t index = 0; index < std::min<size_t>(told.life.mapping_count, kMaxMappings); ++index) {
    if (!is_true_mapping(one, told.life.mappings[index])) complain(told.life, "untrue mapping");
  }
}

void Oracle::expect_honest(uint32_t observation, const Account& account) {
  for (const ToldLifecycle& told : account.lifecycles) {
    check_lifecycle(open_case(observation, told), account);
  }
  check_violations(account);
  check_losses(observation, account);
  if (account.merger.late != 0) complaints_.push_back({"events came too late", 0, 0});
}

void Oracle::check_lifecycle(const Case& one, const Account& account) {
  const Lifecycle& life = one.told->life;
  for (size_t index = 0; index < std::min<size_t>(life.mapping_count, kMaxMappings); ++index) {
    if (!is_true_mapping(one, life.mappings[index])) complain(life, "untrue mapping");
  }
  const auto& dropped = one.observation->dropped;
  const bool lost = std::any_of(dropped.begin(), dropped.end(), [](uint32_t n) { return n != 0; });
  std::string text = reason_difference(one, lost);
  const TrueSwapOut* truth = truth_of(one);
  // A copy that was read in unseen, and that nobody mapped, looks like a page of a file when reclaim
  // removes it: then trace/ must report that it does not know.
  const bool may_be_copy = life.outcome == Outcome::kUnknown && life.mapping_count == 0;
  if (!life.complete() && is_dropped_copy(one)) return;
  if (truth == nullptr) {
    if (!may_be_copy) absl::StrAppend(&text, "there was no such swap-out");
  } else if (life.complete()) {
    absl::StrAppend(&text, differences(one, *truth));
    const bool twice = !complete_.try_emplace(truth, one.told).second;
    if (twice) absl::StrAppend(&text, "a second one that is called complete; ");
  } else {
    absl::StrAppend(&text, contradiction(one, *truth));
  }
  if (text.empty()) return;
  if (told_too_late(one, account)) {
    ++excused_;
  } else {
    complain(life, absl::StrCat(life.complete() ? "called complete, but " : "", text));
  }
}

// The reported outcome is not the true one.
std::string Oracle::contradiction(const Case& one, const TrueSwapOut& truth) const {
  const Lifecycle& life = one.told->life;
  if (life.outcome == Outcome::kUnknown && !life.complete()) return "";
  const bool ended = truth.end_ns <= one.observation->true_end_ns;
  // What is given up is so only when its batch ends; but what makes it so may have been seen.
  if (life.outcome == truth.outcome && (ended || life.outcome == Outcome::kAborted)) return "";
  // What ends it may have been reported with the next event.
  const bool just_ended =
      truth.outcome == Outcome::kAborted && truth.end_ns == one.observation->true_end_ns;
  const bool not_told = !ended || just_ended || swapped_off(one);
  if (life.outcome == Outcome::kInFlight && not_told) return "";
  if (merges(one, truth)) return "";
  return absl::StrFormat("told as %s, truly %s%s; ", outcome_name(life.outcome),
                         outcome_name(truth.outcome), ended ? "" : ", later");
}

// swapoff maps a page that is in the swap cache, and only when it is done with all reports it.
bool Oracle::swapped_off(const Case& one) const {
  const Lifecycle& life = one.told->life;
  const auto& all = distorted_.witnesses;
  return std::any_of(all.begin(), all.end(), [&](const Witness& witness) {
    const swaptrail_event& event = witness.truth;
    return event.kind == SWAPTRAIL_SLOT_FREED && (event.state & SWAPTRAIL_STATE_SWAPOFF) &&
           life.entry - event.entry < pages_of(event) &&
           event.time_ns > one.observation->true_end_ns;
  });
}

// The missing events hid that the folio came back in between: written in one swap-out, freed or in
// flight in another. Where it went is true.
bool Oracle::merges(const Case& one, const TrueSwapOut& truth) const {
  const Lifecycle& life = one.told->life;
  if (life.complete()) return false;
  const auto& all = swap_outs_.at(life.folio);
  return std::any_of(all.begin(), all.end(), [&](uint32_t index) {
    const TrueSwapOut& other = truth_[index];
    if (other.entry != truth.entry) return false;
    const bool written = truth.outcome == Outcome::kFreedClean && other.end_ns <= truth.begin_ns &&
                         other.backend == life.backend;
    const bool flies = life.outcome == Outcome::kInFlight && other.begin_ns >= truth.end_ns &&
                       other.outcome == Outcome::kInFlight;
    return written || flies;
  });
}

// The missing events hid that a fault had mapped the folio, which reclaim then freed as an unused
// copy.
bool Oracle::is_dropped_copy(const Case& one) const {
  const auto at = [&](Stage stage) { return one.true_ns[static_cast<size_t>(stage)]; };
  return std::ranges::any_of(dropped_, [&](const engine::DroppedCopy& copy) {
    const bool its_end =
        copy.time_ns == at(Stage::kRemoved) || copy.batch_ns == at(Stage::kIsolated);
    return copy.folio == one.told->life.folio && its_end;
  });
}

// A reason that can't be the reason.
std::string Oracle::reason_difference(const Case& one, bool dropped) const {
  const Observation& seen = *one.observation;
  const auto untrue = [&](std::string_view text) {
    return absl::StrFormat("incomplete because of %s; ", text);
  };
  switch (one.told->life.incomplete) {
    case IncompleteReason::kDropped:
      return dropped ? "" : untrue("a loss, and there was none");
    case IncompleteReason::kBeforeAttach:
      // with a hook less, what was there before looks like what could not be seen
      return seen.from_begin && seen.visible_kinds == lifecycles::kAllKinds
                 ? untrue("what happened before the attach, and nothing did")
                 : "";
    case IncompleteReason::kNotHooked:
      return seen.visible_kinds == lifecycles::kAllKinds && !may_be_incomplete(one.told->life)
                 ? untrue("missing hooks, and none is")
                 : "";
    case IncompleteReason::kTableFull:
      return untrue("a full table, and none is");
    default:
      return "";
  }
}

bool Oracle::told_too_late(const Case& one, const Account& account) const {
  const Lifecycle& life = one.told->life;
  const uint64_t begin_ns = life.at(Stage::kIsolated);
  return std::any_of(account.losses.begin() + static_cast<ptrdiff_t>(one.told->losses_before),
                     account.losses.end(), [&](const Loss& loss) {
                       return loss.from_ns < life.closed_ns && loss.to_ns > begin_ns;
                     });
}

void Oracle::check_violations(const Account& account) {
  for (const Violation& violation : account.violations) {
    const bool in_loss =
        std::any_of(account.losses.begin(), account.losses.end(), [&](const Loss& loss) {
          return loss.from_ns < violation.time_ns && loss.to_ns > violation.time_ns;
        });
    if (in_loss) {  // it was reported only afterwards
      ++excused_;
      continue;
    }
    complaints_.push_back(
        {absl::StrFormat("violation of %s at %d: lifecycle %d, %s", violation.rule,
                         violation.time_ns, violation.lifecycle_id, violation.text),
         violation.folio, violation.entry});
  }
}

void Oracle::check_losses(uint32_t observation, const Account& account) {
  const auto& dropped = distorted_.observations[observation].dropped;
  std::vector<uint64_t> told(dropped.size());
  for (const Loss& loss : account.losses) told.at(loss.cpu) += loss.count;
  for (size_t cpu = 0; cpu < dropped.size(); ++cpu) {
    if (told[cpu] == dropped[cpu]) continue;
    complaints_.push_back({absl::StrFormat("%d events told as lost by CPU %d, truly %d", told[cpu],
                                           cpu, dropped[cpu]),
                           0, 0});
  }
}

}  // namespace swaptrail::sim
