// Runs one damaged stream through trace/ and the lockstep, and judges the answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/lockstep/lockstep.h"
#include "tests/mutation/change.h"
#include "tests/mutation/damage.h"
#include "tests/mutation/original.h"

namespace swaptrail::mutation {

enum class Answer : uint8_t {
  kRight,   // one of the right rules, about the damaged place; of a control: nothing was found
  kLoss,    // reported as a missing event, if the two look the same
  kWeak,    // by a right rule, but as a missing event, where more could be reported
  kMissed,  // nothing, or something else; of a control: something was found
};

// What was said of a stream.
struct Report {
  std::vector<engine::Finding> findings;
  std::vector<Lifecycle> dropped;  // lifecycles that trace/ calls incomplete for a missing event
  engine::LockstepCounters counters;
  bool stopped = false;  // at the first right finding
};

class Judge {
 public:
  Judge(const Damage& damage, const Place& place) : damage_(damage), place_(place) {}
  bool is_right(const engine::Finding& finding) const;
  bool tells_loss(const engine::Finding& finding) const;
  bool is_weak(const engine::Finding& finding) const;
  Answer answer(const Report& report) const;

 private:
  bool concerns(const engine::Finding& finding) const;

  const Damage& damage_;
  const Place& place_;
};

// Where a damage is done. With the same seed, the n-th instance of its kind is the same in every
// run.
struct Instance {
  const Original* original = nullptr;
  size_t site = 0;
  uint64_t seed = 0;  // of all that the damage chooses
};

// Evenly over the recordings that have sites; a site is used again when there is no other. Empty:
// there is none at all.
struct Plan {
  std::vector<Instance> instances;
  size_t sites = 0;       // different ones
  size_t recordings = 0;  // that have some
};
Plan make_plan(const Damage& damage, std::span<const Original> originals, size_t instances,
               uint64_t seed);

// Errors: of engine::features_of.
absl::StatusOr<engine::LockstepOptions> options_for(const Original& original);

// Stops at the first finding that the judge calls right; without a judge, at the end.
Report play(const Original& original, const engine::LockstepOptions& options,
            const Damaged& damaged, const Judge* judge);

// The original, as a stream to play.
void undamaged(const Original& original, Damaged& damaged);
void do_damage(const Damage& damage, const Instance& instance, Damaged& damaged);

}  // namespace swaptrail::mutation
