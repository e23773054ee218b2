#include "daemon/store/lookup.h"

#include <algorithm>

#include "trace/decode.h"

namespace swaptrail::store {
namespace {

template <typename Wanted, typename IsIt>
std::vector<StoredLifecycle> newest(const Snapshot& snapshot, size_t limit, const Wanted& wanted,
                                    const IsIt& is_it) {
  std::vector<StoredLifecycle> found;
  if (limit == 0) return found;
  const auto visit = [&](uint64_t sequence, const RecordView& record) {
    if (is_it(record)) found.push_back(record.stored(sequence));
    return found.size() < limit;
  };
  visit_newest_first(snapshot, ~uint64_t{0}, wanted, visit);
  return found;
}

PageSizes sizes_of(const Snapshot& snapshot) {
  return snapshot.parts().empty() ? PageSizes{} : snapshot.parts().front().segment->sizes();
}

}  // namespace

std::vector<StoredLifecycle> lifecycles_of_frame(const Snapshot& snapshot, uint64_t struct_page,
                                                 size_t limit) {
  const PageSizes sizes = sizes_of(snapshot);
  const uint64_t unit = struct_page / sizes.struct_page;
  return newest(
      snapshot, limit,
      [&](const SegmentSummary& summary) { return summary.folios.may_have(0, unit); },
      [&](const RecordView& record) { return folio_units(record.hot(), sizes).covers(unit); });
}

std::vector<StoredLifecycle> lifecycles_of_entry(const Snapshot& snapshot, uint64_t entry,
                                                 size_t limit) {
  const uint32_t area = entry_type(entry);
  const uint64_t slot = entry_offset(entry);
  return newest(
      snapshot, limit,
      [&](const SegmentSummary& summary) { return summary.slots.may_have(area, slot); },
      [&](const RecordView& record) {
        return entry_type(record.hot().entry) == area && slot_units(record.hot()).covers(slot);
      });
}

std::vector<StoredLifecycle> lifecycles_of_address(const Snapshot& snapshot, uint32_t tgid,
                                                   uint64_t address, size_t limit) {
  const PageSizes sizes = sizes_of(snapshot);
  const uint64_t unit = address / sizes.page;
  const auto is_mapped_there = [&](const RecordView& record) {
    if (record.hot().mappings < 2 && record.hot().victim != tgid) return false;
    return std::ranges::any_of(record.mappings(), [&](const Mapping& mapping) {
      return mapping.tgid == tgid &&
             mapped_units(mapping, record.hot().nr_pages, sizes).covers(unit);
    });
  };
  return newest(
      snapshot, limit,
      [&](const SegmentSummary& summary) { return summary.addresses.may_have(tgid, unit); },
      is_mapped_there);
}

}  // namespace swaptrail::store
