#include "tests/sim/account.h"

namespace swaptrail::sim {
namespace {

class Keeper : public lifecycles::LifecycleSink {
 public:
  explicit Keeper(Account& account) : account_(account) {}
  void on_lifecycle(const Lifecycle& life) override {
    account_.lifecycles.push_back({life, account_.losses.size()});
  }
  void on_return(const Return& back) override { account_.returns.push_back(back); }
  void on_violation(const Violation& violation) override {
    account_.violations.push_back(violation);
  }
  void on_loss(const Loss& loss) override { account_.losses.push_back(loss); }

 private:
  Account& account_;
};

}  // namespace

Account watch(const Observation& observation) {
  Account account;
  Keeper keeper(account);
  lifecycles::ReconstructorOptions options;
  options.visible_kinds = observation.visible_kinds;
  options.start_ns = observation.start_ns;
  // tables that grow in small steps: a run has a few hundred events
  options.max_attempts = 4096;
  lifecycles::Reconstructor reconstructor(options, keeper);
  Merger::Options merging;
  merging.start_ns = observation.start_ns;
  Merger merger(merging);
  for (const Sweep& sweep : observation.sweeps) {
    for (const swaptrail_event& record : sweep.records) merger.push(record.cpu, record);
    merger.advance(sweep.complete_until_ns, reconstructor);
  }
  for (uint32_t cpu = 0; cpu < observation.dropped.size(); ++cpu) {
    merger.report_drops(cpu, observation.dropped[cpu], observation.end_ns);
  }
  merger.flush(reconstructor);
  account.merger = merger.counters();
  reconstructor.finish(observation.end_ns);
  account.counters = reconstructor.counters();
  return account;
}

}  // namespace swaptrail::sim
