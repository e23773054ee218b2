#include "daemon/store/lookup.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "trace/decode.h"

namespace swaptrail::store {
namespace {

// Notes of one lifecycle: enough for a large folio that came back page by page, and some more.
constexpr size_t kMostNotes = 2 * kMostPagesKept;

template <typename Wanted, typename IsIt>
std::vector<StoredLifecycle> newest(const Snapshot& snapshot, size_t limit, const Wanted& wanted,
                                    const IsIt& is_it) {
  std::vector<StoredLifecycle> found;
  if (limit == 0) return found;
  const auto visit = [&](uint64_t sequence, const RecordView& record) {
    if (is_it(record)) found.push_back(snapshot.stored(sequence, record, kMostNotes));
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

std::vector<StoredLifecycle> lifecycles_returned_to(const Snapshot& snapshot, uint32_t tgid,
                                                    uint64_t address, size_t limit) {
  const PageSizes sizes = sizes_of(snapshot);
  const uint64_t unit = address / sizes.page;
  const auto is_there = [&](const Return& back) {
    const uint32_t owner = back.owner_tgid != 0 ? back.owner_tgid : back.tgid;
    return owner == tgid && back.address != 0 &&
           unit - back.address / sizes.page < std::max<uint16_t>(back.mapped_pages, 1);
  };
  absl::flat_hash_set<uint64_t> ids;
  if (snapshot.notes() != nullptr) {
    snapshot.notes()->visit_returns([&](const Return& back) {
      if (is_there(back)) ids.insert(back.lifecycle_id);
      return ids.size() < limit;
    });
  }
  return newest(
      snapshot, limit, [](const SegmentSummary&) { return true; },
      [&](const RecordView& record) {
        const Back back = record.back();
        return (back.any && is_there(record.first_return(back))) ||
               (!ids.empty() && ids.contains(record.id()));
      });
}

bool has_unkept_mappings(const Snapshot& snapshot) {
  return std::ranges::any_of(snapshot.parts(), [](const Snapshot::Part& part) {
    if (part.sealed) return part.segment->summary().unkept_mappings;
    for (uint32_t at = 0; at < part.count; ++at) {
      const RecordView record = part.segment->record(at);
      if (record.mapping_count() > record.hot().mappings) return true;
    }
    return false;
  });
}

}  // namespace swaptrail::store
