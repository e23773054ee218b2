#include "daemon/counters/counters.h"

#include "trace/decode.h"
#include "trace/latency.h"

namespace swaptrail::counters {
namespace {

Counts counts_of(const Lifecycle& life) {
  const uint64_t pages = life.nr_pages * life.weight();
  Counts out{.lifecycles = life.weight(), .pages = pages};
  if (is_freed(life.outcome)) out.freed_pages = pages;
  if (life.outcome == Outcome::kAborted) {
    out.aborted_pages = pages;
    if (life.abort_reason == AbortReason::kSlotGone) out.unneeded_pages = pages;
  }
  return out;
}

// The pages that came back, for their owner.
Counts pages_of(const Return& back, uint64_t regret_ns) {
  Counts out;
  if (back.how != ReturnHow::kSwappedIn) return out;
  out.returned_pages = back.nr_pages * back.weight();
  if (is_regretted(back, regret_ns)) out.regretted_pages = out.returned_pages;
  return out;
}

// ... and how long the reader waited.
Counts wait_of(const Return& back) {
  if (back.fault_ns == 0) return {};
  const uint64_t weight = back.weight();
  return {
      .faults = weight, .major_faults = back.major ? weight : 0, .wait_ns = back.fault_ns * weight};
}

}  // namespace

Counters::Counters(const Options& options)
    : options_(options),
      tables_{Table(options.processes), Table(options.cgroups), Table(options.areas),
              Table(SWAPTRAIL_ORIGIN_END), Table(options.reclaimers)} {}

Key Counters::area_of(uint64_t entry) const {
  if (entry == 0) return {kNoArea, 0};
  const uint32_t type = entry_type(entry) % kTypes;
  return {area_key(type, areas_[type]), 0};
}

void Counters::on_lifecycle(const Lifecycle& life) {
  const Change more(counts_of(life));
  const uint64_t now_ns = life.closed_ns;
  const Mapping& victim = life.mappings[0];
  const Eviction eviction = eviction_of(life);
  table(Grouping::kProcess).add({eviction.victim, eviction.cgroup}, {&victim.comm}, now_ns, more);
  table(Grouping::kCgroup).add({eviction.cgroup, 0}, {}, now_ns, more);
  table(Grouping::kArea).add(area_of(life.entry), {}, now_ns, more);
  table(Grouping::kOrigin).add({eviction.origin, 0}, {}, now_ns, more);
  table(Grouping::kReclaimer).add({eviction.reclaimer, 0}, {&life.last.comm}, now_ns, more);
}

void Counters::on_return(const Return& back) {
  const Counts pages = pages_of(back, options_.regret_ns), wait = wait_of(back);
  if (pages.returned_pages == 0 && wait.faults == 0) return;
  Counts sum = pages;
  add_to(sum, wait);
  const Change both(sum);
  const uint64_t now_ns = back.time_ns;
  const Eviction& of = back.eviction;
  table(Grouping::kArea).add(area_of(back.entry), {}, now_ns, both);
  table(Grouping::kOrigin).add({of.origin, 0}, {}, now_ns, both);
  table(Grouping::kReclaimer).add({of.reclaimer, 0}, {}, now_ns, both);
  // Pages belong to their owner, waits to the reader: mostly the same process.
  const auto add = [&](Grouping grouping, const Key& owner, const Key& reader, const Name& name) {
    Table& rows = table(grouping);
    if (owner == reader) return rows.add(owner, name, now_ns, both);
    if (pages.returned_pages != 0) rows.add(owner, {}, now_ns, Change(pages));
    if (wait.faults != 0) rows.add(reader, name, now_ns, Change(wait));
  };
  const Name reader_name{&back.comm, true};
  add(Grouping::kProcess, {of.victim, of.cgroup}, {back.tgid, back.reader_cgroup}, reader_name);
  add(Grouping::kCgroup, {of.cgroup, 0}, {back.reader_cgroup, 0}, {});
}

}  // namespace swaptrail::counters
