#include "daemon/store/list.h"

#include <algorithm>

namespace swaptrail::store {
namespace {

// How many lifecycles that the previous page left for later are gone by now.
uint64_t evicted_between(const ListQuery& query, const Snapshot& snapshot) {
  if (!query.position) return 0;
  const uint64_t oldest = snapshot.oldest_sequence();
  if (query.order == Order::kOldestFirst) {
    return oldest - std::min(query.position->sequence, oldest);
  }
  const uint64_t end = std::min(oldest, std::min(query.position->sequence, oldest) + 1);
  return end - std::min(query.position->oldest, end);
}

}  // namespace

ListPage list_lifecycles(const Snapshot& snapshot, const ListQuery& query) {
  const Matcher matcher(query.filter);
  const bool newest_first = query.order == Order::kNewestFirst;
  ListPage page;
  page.evicted_between = evicted_between(query, snapshot);
  Patience patience(query.stop);
  const auto wanted = [&](const SegmentSummary& summary) { return matcher.may_match(summary); };
  const auto visit = [&](uint64_t sequence, const RecordView& record) {
    if (patience.is_over()) return false;
    if (!matcher.matches(record)) return true;
    if (page.lifecycles.size() == query.page_size) {  // there is at least one more
      page.next = Position{.sequence = sequence, .oldest = snapshot.oldest_sequence()};
      return false;
    }
    page.lifecycles.push_back(snapshot.stored(sequence, record, query.most_notes));
    return true;
  };
  if (newest_first) {
    const uint64_t from = query.position ? query.position->sequence : ~uint64_t{0};
    visit_newest_first(snapshot, from, wanted, visit);
  } else {
    visit_oldest_first(snapshot, query.position ? query.position->sequence : 0, wanted, visit);
  }
  return page;
}

}  // namespace swaptrail::store
