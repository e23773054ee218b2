#include "engine/lockstep/event_check.h"

#include "trace/kinds.h"

namespace swaptrail::engine {
namespace {

constexpr int kUserBits = 56;  // the user half of the address space ends there or below

}  // namespace

std::string_view oddity(const swaptrail_event& event, uint32_t cpus, uint32_t page_struct_size,
                        uint32_t event_abi) {
  const EventKind& rule = event_kind(event.kind);
  if (event.cpu >= cpus) return "there is no such CPU";
  const uint32_t sample = event_abi >= 3 ? SWAPTRAIL_STATE_SAMPLE : 0;
  if (event.state & ~(rule.states | sample)) return "it can't have such a state";
  if (!rule.reader && rule.folio != (event.folio != 0))
    return rule.folio ? "no folio" : "it has a folio";
  if (rule.folio && event.folio % page_struct_size != 0) return "no address of a struct page";
  if (rule.folio && event.nr_pages == 0) return "a folio without pages";
  if ((event.batch_ns != 0) != (event.origin != SWAPTRAIL_ORIGIN_NONE))
    return "a batch without origin";
  if (event.batch_ns == 0 && rule.in_batch == InBatch::kMust) return "it names no batch";
  if (event.batch_ns != 0 && rule.in_batch == InBatch::kNever) return "it names a batch";
  if (event.batch_ns > event.time_ns) return "its batch begins after it";
  if (rule.results != kAnyResult && (event.result < 0 || event.result > rule.results))
    return "such a result";
  const bool unmaps = event.kind == SWAPTRAIL_UNMAPPED_ONE;
  if (unmaps && (event.u.map.address % 4096 != 0 || event.u.map.address == 0)) {
    return "no address of a page";
  }
  // shmem has an inode in its place
  const bool has_address = rule.arm == EventArm::kMap && event.kind != SWAPTRAIL_SHMEM_SWAP_IN;
  if (has_address && event.u.map.address >> kUserBits != 0) return "no address of a process";
  return {};
}

}  // namespace swaptrail::engine
