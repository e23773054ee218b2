// Any bytes as ListLifecyclesRequest: it is refused with a reason, or answered from a small store, and what is
// answered matches the filter. The way is that of TraceService, without gRPC.
#include <random>
#include <set>
#include <string>

#include "daemon/api/filter.h"
#include "daemon/api/page_token.h"
#include "daemon/store/list.h"
#include "daemon/store/store.h"
#include "swaptrail/v1/trace.pb.h"
#include "tests/fuzz/fuzzed.h"
#include "trace/decode.h"

namespace swaptrail {
namespace {

using fuzz::check;

constexpr uint64_t kSecond_ns = 1'000'000'000;
constexpr uint64_t kNow_ns = 100 * kSecond_ns;
constexpr uint64_t kLives = 200;  // more than the usual page

Lifecycle drawn_life(std::mt19937_64& random, uint64_t id) {
  Lifecycle life;
  life.id = id;
  life.closed_ns = id * kSecond_ns / 4;
  life.entry = random() % 8 == 0 ? 0 : make_entry(random() % 3, 1 + random() % 100);
  life.outcome = static_cast<Outcome>(random() % static_cast<int>(Outcome::kCount));
  life.mapping_count = random() % 3;
  for (uint32_t index = 0; index < life.mapping_count; ++index) {
    life.mappings[index].tgid = static_cast<uint32_t>(1 + random() % 4);
    life.mappings[index].comm = {static_cast<char>('a' + random() % 3)};
  }
  life.first.origin = static_cast<uint8_t>(random() % SWAPTRAIL_ORIGIN_END);
  life.stage_ns[static_cast<size_t>(Stage::kIsolated)] = life.closed_ns - random() % kSecond_ns;
  life.stage_ns[static_cast<size_t>(Stage::kRemoved)] = life.closed_ns;
  return life;
}

std::unique_ptr<store::Store> made_store() {
  store::Store::Options options;
  options.max_bytes = size_t{4} << 20;  // room for all
  options.segment_bytes = size_t{16} << 10;
  auto made = store::Store::create(options);
  check(made.ok());
  std::mt19937_64 random(1);
  for (uint64_t id = 1; id <= kLives; ++id) (*made)->add(drawn_life(random, id));
  return *std::move(made);
}

template <typename Values, typename Value>
bool lets_pass(const Values& values, const Value& value) {
  return values.empty() || std::find(values.begin(), values.end(), value) != values.end();
}

// Written anew, from the contract: what the filter says of one lifecycle.
void check_matches(const v1::LifecycleFilter& filter, const Lifecycle& life) {
  std::set<uint32_t> pids;
  std::set<std::string> comms;
  for (uint32_t index = 0; index < life.mapping_count; ++index) {
    pids.insert(life.mappings[index].tgid);
    comms.emplace(life.mappings[index].comm.data());
  }
  const auto has = [](const auto& wanted, const auto& there) {
    return wanted.empty() || std::any_of(wanted.begin(), wanted.end(),
                                         [&](const auto& one) { return there.contains(one); });
  };
  check(has(filter.pids(), pids) && has(filter.comms(), comms));
  check(lets_pass(filter.outcomes(), static_cast<int>(life.outcome) + 1));
  check(lets_pass(filter.origins(), static_cast<int>(life.first.origin)));
  check(filter.areas().empty() ||
        (life.entry != 0 && lets_pass(filter.areas(), entry_type(life.entry))));
  check(!filter.regretted());
}

void list(const v1::ListLifecyclesRequest& request) {
  static const auto store = made_store();
  static const api::PageTokens tokens;
  static host::Cgroups cgroups("");
  const api::Moment moment(kNow_ns, 0);
  const auto filter = api::to_filter(request.filter(), cgroups, moment);
  const auto size = api::to_count("page_size", request.page_size(), 100);
  if (!filter.ok() || !size.ok()) {
    check(absl::IsInvalidArgument(filter.ok() ? size.status() : filter.status()));
    return;
  }
  const bool oldest_first = request.order() == v1::LIFECYCLE_ORDER_OLDEST_FIRST;
  const uint64_t list = tokens.list_of(oldest_first ? 2 : 1, request.filter());
  check(request.page_token().empty() || !tokens.read(list, request.page_token()).ok());
  store::ListQuery query;
  query.filter = *filter;
  query.order = oldest_first ? store::Order::kOldestFirst : store::Order::kNewestFirst;
  query.page_size = *size;
  std::set<uint64_t> told;
  const store::Snapshot snapshot = store->snapshot();
  for (;;) {
    const store::ListPage page = store::list_lifecycles(snapshot, query);
    check(page.lifecycles.size() <= query.page_size);
    for (const store::StoredLifecycle& stored : page.lifecycles) {
      check(told.insert(stored.lifecycle.id).second);
      check_matches(request.filter(), stored.lifecycle);
    }
    if (!page.next) break;
    const auto place =
        tokens.read(list, tokens.make(list, {page.next->sequence, page.next->oldest}));
    check(place.ok());
    query.position = store::Position{place->sequence, place->oldest};
  }
  check(request.has_filter() || told.size() == kLives);
}

}  // namespace
}  // namespace swaptrail

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  swaptrail::v1::ListLifecyclesRequest request;
  if (request.ParseFromArray(bytes, static_cast<int>(size))) swaptrail::list(request);
  return 0;
}
