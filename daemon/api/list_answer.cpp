// ListLifecycles and ListViolations: page by page.
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/api/answers.h"
#include "daemon/api/convert.h"
#include "daemon/api/filter.h"
#include "daemon/store/list.h"

namespace swaptrail::api {
namespace {

constexpr size_t kUsualPage = 100;

// What a token belongs to beside its filter.
enum ListKind : uint32_t { kNewestFirst = 1, kOldestFirst = 2, kViolations = 3 };

}  // namespace

absl::Status answer(const Query& asked, const v1::ListLifecyclesRequest& request,
                    v1::ListLifecyclesResponse& response) {
  auto filter = to_filter(request.filter(), asked.host.cgroups, asked.moment);
  if (!filter.ok()) return filter.status();
  const auto page_size = to_count("page_size", request.page_size(), kUsualPage);
  if (!page_size.ok()) return page_size.status();
  if (!v1::LifecycleOrder_IsValid(request.order())) {
    return out_of_bounds("order", absl::StrCat(static_cast<int>(request.order())), "0 to 2");
  }
  const bool oldest_first = request.order() == v1::LIFECYCLE_ORDER_OLDEST_FIRST;
  const uint64_t list =
      asked.tokens.list_of(oldest_first ? kOldestFirst : kNewestFirst, request.filter());

  store::ListQuery query;
  query.filter = *std::move(filter);
  query.order = oldest_first ? store::Order::kOldestFirst : store::Order::kNewestFirst;
  query.page_size = *page_size;
  query.stop = asked.stop;
  if (!request.page_token().empty()) {
    const auto place = asked.tokens.read(list, request.page_token());
    if (!place.ok()) return place.status();
    query.position = store::Position{place->sequence, place->oldest};
  }
  uint64_t oldest = 0;
  store::ListPage page;
  {
    const store::Snapshot snapshot = asked.host.store.snapshot();
    oldest = snapshot.oldest_sequence();
    page = store::list_lifecycles(snapshot, query);
  }
  Converter converter(asked.host, asked.moment, true);
  size_t bytes = 0;
  for (const store::StoredLifecycle& stored : page.lifecycles) {
    v1::Lifecycle& told = *response.add_lifecycles();
    converter.put(stored, told);
    bytes += told.ByteSizeLong();
    if (bytes <= kAnswerBytes) continue;
    response.mutable_lifecycles()->RemoveLast();
    page.next = store::Position{stored.sequence, oldest};
    break;
  }
  if (page.next)
    response.set_next_page_token(asked.tokens.make(list, {page.next->sequence, page.next->oldest}));
  response.set_evicted_between(page.evicted_between);
  return absl::OkStatus();
}

absl::Status answer(const Query& asked, const v1::ListViolationsRequest& request,
                    v1::ListViolationsResponse& response) {
  const auto page_size = to_count("page_size", request.page_size(), kUsualPage);
  if (!page_size.ok()) return page_size.status();
  const uint64_t list = asked.tokens.list_of(kViolations, v1::LifecycleFilter());
  uint64_t before = 0;
  if (!request.page_token().empty()) {
    const auto place = asked.tokens.read(list, request.page_token());
    if (!place.ok()) return place.status();
    before = place->sequence;
  }
  const store::ViolationPage page = asked.host.store.violations().page(before, *page_size);
  Converter converter(asked.host, asked.moment, false);
  for (const Violation& violation : page.violations) {
    converter.put(violation, *response.add_violations());
  }
  if (page.next != 0) response.set_next_page_token(asked.tokens.make(list, {page.next, 0}));
  response.set_total(page.total);
  return absl::OkStatus();
}

}  // namespace swaptrail::api
