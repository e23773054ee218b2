// Compares what trace/ reported with what really happened.
//
// Two promises. For a lossless stream: the truth, all of it, and nothing else. For any other:
// nothing is invented - a lifecycle that is called complete is true in all respects, each time and
// mapping belongs to that folio, no outcome contradicts the truth, and what was lost is reported.
//
// One excuse, which trace/lifecycles/reconstructor.h claims for itself: a loss that a CPU reports only after
// a lifecycle closed is not in that lifecycle. Such lifecycles, and violations, are counted. And what no
// hook can show (swapoff maps a page of the swap cache) need not be known at the end.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/machine/simulation.h"
#include "tests/sim/account.h"
#include "tests/sim/distortion.h"

namespace swaptrail::sim {

struct Complaint {
  std::string text;
  uint64_t folio = 0;
  uint64_t entry = 0;
  uint32_t nr_pages = 1;
};

using Stages = std::array<uint64_t, kStageCount>;  // 0 = not passed, or not reported

class Oracle {
 public:
  // All must outlive it.
  Oracle(const Distorted& distorted, std::span<const engine::TrueSwapOut> truth,
         std::span<const engine::DroppedCopy> dropped = {});

  // Every swap-out of the run has one lifecycle that equals it, and there is no other.
  void expect_truth(const Account& account);
  // Everything that the account of an observation reports is true.
  void expect_honest(uint32_t observation, const Account& account);

  const std::vector<Complaint>& complaints() const { return complaints_; }
  uint64_t excused() const { return excused_; }  // untrue, because a loss was reported too late

  // The events that concern a folio or its slot, one a line, with what became of each.
  std::string story(const Complaint& complaint) const;

 private:
  using TrueSwapOut = engine::TrueSwapOut;
  struct Case {
    const ToldLifecycle* told;
    const Observation* observation;
    uint32_t number;       // of the observation
    Stages true_ns;        // its stages, by the clock of the simulation
    uint64_t last_ns = 0;  // the latest of them
  };

  void index_events();
  Case open_case(uint32_t observation, const ToldLifecycle& told);
  std::optional<uint64_t> true_time(const Case& one, Stage stage) const;
  bool is_true_mapping(const Case& one, const Mapping& mapping) const;
  const TrueSwapOut* truth_of(const Case& one) const;
  std::string differences(const Case& one, const TrueSwapOut& truth) const;
  std::string stage_differences(const Case& one, const TrueSwapOut& truth) const;
  std::string contradiction(const Case& one, const TrueSwapOut& truth) const;
  bool swapped_off(const Case& one) const;
  bool merges(const Case& one, const TrueSwapOut& truth) const;
  bool is_dropped_copy(const Case& one) const;
  std::string reason_difference(const Case& one, bool dropped) const;
  bool told_too_late(const Case& one, const Account& account) const;
  void check_lossless_lifecycle(const ToldLifecycle& told, const TrueSwapOut* truth);
  void check_lifecycle(const Case& one, const Account& account);
  void check_losses(uint32_t observation, const Account& account);
  void check_violations(const Account& account);
  void complain(const Lifecycle& life, std::string text);

  const Distorted& distorted_;
  std::span<const TrueSwapOut> truth_;
  std::span<const engine::DroppedCopy> dropped_;
  absl::flat_hash_map<uint64_t, std::vector<uint32_t>> events_;     // by address of each page
  absl::flat_hash_map<uint64_t, std::vector<uint32_t>> swap_outs_;  // by address of the folio
  absl::flat_hash_map<const TrueSwapOut*, const ToldLifecycle*> complete_;
  std::vector<Complaint> complaints_;
  uint64_t excused_ = 0;
};

}  // namespace swaptrail::sim
