// Not damages: things that the kernel or the host may well do. A finding here is a false alarm.
#include "tests/mutation/damage.h"

namespace swaptrail::mutation {
namespace {

constexpr size_t kMostLost = 30;
// A ring loses what would have been reserved in sequence: here that must also be the order of time.
bool cpu_goes_on_in_order(const Original& original, size_t at) {
  for (size_t i = 0; i < kMostLost; ++i) {
    const size_t next = original.next_of_cpu(at);
    if (next == kNone) return false;
    if (original.stream()[next].sequence != original.stream()[at].sequence + 1) return false;
    at = next;
  }
  return true;
}

bool has_other_cpu(const Original& original, size_t) { return original.header().cpus > 1; }

constexpr Damage kControls[] = {
    {"control_loss",
     "events are lost, and the loss is told",
     kAnyKind,
     cpu_goes_on_in_order,
     [](Change& change, size_t at) { change.tell_loss(at, change.random().between(1, kMostLost)); },
     Shape::kGap,
     kLost,
     {},
     false},
    {"control_late_begin",
     "the observation begins in the middle",
     kAnyKind,
     anywhere,
     [](Change& change, size_t at) { change.cut_before(at); },
     Shape::kCut,
     0,
     {},
     false},
    {"control_early_end",
     "the observation ends in the middle",
     kAnyKind,
     anywhere,
     [](Change& change, size_t at) { change.cut_behind(at); },
     Shape::kCut,
     0,
     {},
     false},
    {"control_migration",
     "a thread makes one event on another CPU",
     kAnyKind,
     has_other_cpu,
     [](Change& change, size_t at) {
       const uint32_t cpus = change.original().header().cpus;
       change.move_to_cpu(at, (change.before(at).cpu + 1) % cpus);
     },
     Shape::kEdited,
     kCpu | kSequence,
     {},
     false},
};

}  // namespace

std::span<const Damage> controls() { return kControls; }

}  // namespace swaptrail::mutation
