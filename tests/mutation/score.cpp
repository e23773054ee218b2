#include "tests/mutation/score.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "trace/decode.h"
#include "trace/lifecycles/reconstructor.h"

namespace swaptrail::mutation {
namespace {

using engine::Finding;
using engine::FindingKind;

// Rules about a CPU or a batch: their findings are about the time, and of whatever folio was next.
constexpr RuleSet kOfSequence(Rule::kSequenceGap, Rule::kSequenceRepeated);
constexpr RuleSet kOfTime(Rule::kTimeBackwards, Rule::kBadEvent, Rule::kBatchNotBegun,
                          Rule::kBatchNotEnded, Rule::kBatchReclaimedLess, Rule::kBatchOtherThread,
                          Rule::kBatchUnscanned, Rule::kBatchTwice);

uint64_t mix(uint64_t value) {  // splitmix64
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

uint64_t hash(std::string_view text) {  // FNV-1a: the same everywhere
  uint64_t value = 0xcbf29ce484222325;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return value;
}

// The sites of one recording, in an order of chance; the same again when there are no more.
class Sites {
 public:
  Sites(const Damage& damage, const Original& original, uint64_t seed)
      : damage_(damage), original_(&original) {
    for (size_t at = 0; at < original.size(); ++at) {
      if (is_kind(original.event(at), damage.kinds)) candidates_.push_back(at);
    }
    Random random(seed);
    for (size_t i = candidates_.size(); i > 1; --i)
      std::swap(candidates_[i - 1], candidates_[random.below(i)]);
  }

  // kNone: there is none at all.
  size_t next() {
    while (next_ < candidates_.size()) {
      const size_t at = candidates_[next_++];
      if (!damage_.eligible(*original_, at)) continue;
      found_.push_back(at);
      return at;
    }
    if (found_.empty()) return kNone;
    return found_[again_++ % found_.size()];
  }

  size_t found() const { return found_.size(); }
  const Original* original() const { return original_; }

 private:
  const Damage& damage_;
  const Original* original_;
  std::vector<size_t> candidates_;
  std::vector<size_t> found_;
  size_t next_ = 0;
  size_t again_ = 0;
};

class Listener : public engine::FindingSink, public lifecycles::LifecycleSink {
 public:
  Listener(Report& report, const Damaged& damaged, const Judge* judge)
      : report_(report), told_(damaged.lifecycle), back_(damaged.back), judge_(judge) {}

  void follow(engine::Lockstep& lockstep) { lockstep_ = &lockstep; }

  void on_finding(const Finding& finding) override {
    report_.findings.push_back(finding);
    if (judge_ && judge_->is_right(finding)) report_.stopped = true;
  }
  void on_lifecycle(const Lifecycle& lifecycle) override {
    if (lifecycle.incomplete == IncompleteReason::kDropped) report_.dropped.push_back(lifecycle);
    const bool other = lifecycle.folio == told_.folio && lifecycle.closed_ns == told_.closed_ns &&
                       told_.folio != 0;
    for (size_t i = 0; i < (other ? told_.times : 1); ++i)
      lockstep_->on_lifecycle(other && told_.as ? told_.as(lifecycle, told_.choice) : lifecycle);
  }
  void on_return(const Return& back) override {
    const bool other = back_.time_ns != 0 && back.time_ns == back_.time_ns && back.tid == back_.tid;
    for (size_t i = 0; i < (other ? back_.times : 1); ++i)
      lockstep_->on_return(other && back_.as ? back_.as(back, back_.choice) : back);
  }
  void on_stay(const Stay& stay) override { lockstep_->on_stay(stay); }
  void on_violation(const Violation&) override {}
  void on_loss(const Loss&) override {}

 private:
  Report& report_;
  const ToldLifecycle& told_;
  const ToldReturn& back_;
  const Judge* judge_;
  engine::Lockstep* lockstep_ = nullptr;
};

engine::Area area_of(const recording::SwapArea& seen) {
  engine::Area area;
  area.type = seen.type;
  area.pages = engine::pages_of_size(seen.bytes);
  area.priority = seen.priority;
  area.rotational = seen.rotational == recording::Known::kYes;
  return area;
}

}  // namespace

// ---- judging -----------------------------------------------------------------------------------

// The sequences of a CPU belong together: a gap is reported when nothing can fill it any more, and
// a repeated sequence when the original ones are over.
bool Judge::concerns(const Finding& finding) const {
  // A batch without end is reported when its thread does what it can't do in one.
  if (kOfSequence.has(finding.rule) || finding.rule == Rule::kBatchNotEnded) return true;
  if (place_.has_folio(finding.folio) || place_.has_entry(finding.entry)) return true;
  return kOfTime.has(finding.rule) && finding.time_ns >= place_.from_ns &&
         finding.time_ns <= place_.to_ns;
}

bool Judge::is_right(const Finding& finding) const {
  return finding.kind != FindingKind::kLoss && damage_.right.has(finding.rule) && concerns(finding);
}

bool Judge::tells_loss(const Finding& finding) const {
  return damage_.loss_is_right && finding.kind == FindingKind::kLoss && concerns(finding);
}

bool Judge::is_weak(const Finding& finding) const {
  return finding.kind == FindingKind::kLoss && damage_.right.has(finding.rule) && concerns(finding);
}

Answer Judge::answer(const Report& report) const {
  if (damage_.right.empty()) return report.findings.empty() ? Answer::kRight : Answer::kMissed;
  const auto any = [&](bool (Judge::*is)(const Finding&) const) {
    return std::any_of(report.findings.begin(), report.findings.end(),
                       [&](const Finding& finding) { return (this->*is)(finding); });
  };
  if (any(&Judge::is_right)) return Answer::kRight;
  if (any(&Judge::tells_loss)) return Answer::kLoss;
  if (any(&Judge::is_weak)) return Answer::kWeak;
  const bool dropped =
      std::any_of(report.dropped.begin(), report.dropped.end(), [this](const Lifecycle& lifecycle) {
        return place_.has_folio(lifecycle.folio) || place_.has_entry(lifecycle.entry);
      });
  return damage_.loss_is_right && dropped ? Answer::kLoss : Answer::kMissed;
}

// ---- planning ----------------------------------------------------------------------------------

Plan make_plan(const Damage& damage, std::span<const Original> originals, size_t instances,
               uint64_t seed) {
  const uint64_t own = mix(seed ^ hash(damage.name));
  std::vector<Sites> all;
  for (const Original& original : originals)
    all.emplace_back(damage, original, mix(own ^ hash(original.name())));
  Plan plan;
  for (size_t turn = 0; plan.instances.size() < instances; ++turn) {
    const size_t before = plan.instances.size();
    for (Sites& sites : all) {
      if (plan.instances.size() == instances) break;
      const size_t site = sites.next();
      if (site == kNone) continue;
      const uint64_t number = plan.instances.size();
      plan.instances.push_back({sites.original(), site, mix(own + number)});
    }
    if (plan.instances.size() == before) break;
  }
  for (const Sites& sites : all) {
    plan.sites += sites.found();
    plan.recordings += sites.found() != 0;
  }
  return plan;
}

// ---- playing -----------------------------------------------------------------------------------

absl::StatusOr<engine::LockstepOptions> options_for(const Original& original) {
  const recording::RecordingHeader& header = original.header();
  std::vector<engine::HookTarget> hooks;
  for (const recording::RecordedHook& hook : header.hooks) {
    if (hook.state == "chosen") hooks.push_back({hook.hook, hook.target});
  }
  auto features = engine::features_of(hooks);
  if (!features.ok()) return features.status();
  engine::LockstepOptions options;
  options.features = *features;
  options.event_abi = header.event_abi;
  options.shmem_faults_seen = std::any_of(
      hooks.begin(), hooks.end(), [](const auto& hook) { return hook.hook == "shmem_swap_in"; });
  options.start_ns = header.reconstruction.start_ns;
  options.may_miss_silently = header.reconstruction.may_miss_silently;
  options.cpus = header.cpus;
  options.page_struct_size = header.reconstruction.page_struct_size;
  options.max_swapfiles = header.reconstruction.max_swapfiles;
  return options;
}

Report play(const Original& original, const engine::LockstepOptions& base, const Damaged& damaged,
            const Judge* judge) {
  Report report;
  Listener listener(report, damaged, judge);
  engine::LockstepOptions options = base;
  options.start_ns = damaged.start_ns;
  engine::Lockstep lockstep(options, listener);
  listener.follow(lockstep);
  lifecycles::ReconstructorOptions reconstruction = original.header().reconstruction;
  reconstruction.start_ns = damaged.start_ns;
  lifecycles::Reconstructor reconstructor(reconstruction, listener);
  for (const recording::SwapArea& area : original.areas()) lockstep.on_area(area_of(area));
  auto loss = damaged.losses.begin();
  for (size_t at = 0; at < damaged.stream.size() && !report.stopped; ++at) {
    for (; loss != damaged.losses.end() && loss->before == at; ++loss) {
      lockstep.on_loss(loss->loss);
      reconstructor.on_loss(loss->loss);
    }
    const Step& step = damaged.stream[at];
    lockstep.on_event(step.event, step.sequence);
    // what comes out of a recording is valid; the lockstep is asked all the same
    if (is_valid_event(step.event)) reconstructor.on_event(step.event, step.sequence);
  }
  if (report.stopped) return report;
  reconstructor.finish(damaged.end_ns);
  lockstep.finish(damaged.end_ns);
  report.counters = lockstep.counters();
  return report;
}

void undamaged(const Original& original, Damaged& damaged) {
  Random random(0);
  Change(original, random, damaged).finish();
}

void do_damage(const Damage& damage, const Instance& instance, Damaged& damaged) {
  Random random(instance.seed);
  Change change(*instance.original, random, damaged);
  damage.apply(change, instance.site);
  change.finish();
}

}  // namespace swaptrail::mutation
