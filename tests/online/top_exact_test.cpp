// What `top` shows against what really happened, with all of the product between the reconstructor's
// output and its lines: the store, the counters, the answer of the service, and the rounds. The store is
// so small that it keeps only a moment; the clock is made up, so no rate is too high for the host.
#include <gmock/gmock.h>

#include <deque>
#include <map>
#include <random>

#include "cli/top/top_keys.h"
#include "cli/top/top_screen.h"
#include "daemon/api/answers.h"
#include "daemon/store/store_sink.h"
#include "tests/api/api_scene.h"
#include "trace/decode.h"

namespace swaptrail::online {
namespace {

constexpr uint64_t kSecond_ns = 1'000'000'000, kBegin_ns = 1000 * kSecond_ns;
constexpr uint64_t kRound_ns = 2 * kSecond_ns;
constexpr uint64_t kRegret_ns = kSecond_ns;

// What happened, counted by hand, by the names of lines.
using Truth = std::map<std::string, top::TopRow>;

// Makes lifecycles at a rate. A third comes back, after up to 3 seconds.
class Host {
 public:
  Host(uint64_t rate, top::Pivot pivot) : step_ns_(kSecond_ns / rate), pivot_(pivot) {}

  // Until `end_ns`; what happened is added to `truth`.
  void run(uint64_t end_ns, const std::vector<lifecycles::LifecycleSink*>& sinks, Truth& truth) {
    for (; now_ns_ < end_ns; now_ns_ += step_ns_) {
      const Lifecycle life = next();
      for (lifecycles::LifecycleSink* sink : sinks) sink->on_lifecycle(life);
      count(life, truth);
      if (is_freed(life.outcome) && random_() % 3 == 0) away_.push_back(life);
      while (!away_.empty() &&
             away_.front().closed_ns + 3 * kSecond_ns * (random_() % 100) / 100 < now_ns_) {
        const Return back = back_of(away_.front());
        for (lifecycles::LifecycleSink* sink : sinks) sink->on_return(back);
        count(back, away_.front(), truth);
        away_.pop_front();
      }
    }
  }
  uint64_t now_ns() const { return now_ns_; }

 private:
  static Comm comm_of(uint64_t number) {
    return store::comm_of("process" + std::to_string(number));
  }
  Lifecycle next() {
    Lifecycle life;
    life.id = ++id_;
    life.closed_ns = now_ns_;
    life.nr_pages = random_() % 10 == 0 ? 16 : 1;
    life.entry = make_entry(static_cast<uint32_t>(random_() % 2), 1 + id_ % 100'000 * 16);
    const uint64_t process = random_() % 300;  // a few of them most of the time
    const uint64_t victim = process < 200 ? process % 5 : process;
    life.mappings[0].tgid = static_cast<uint32_t>(1000 + victim);
    life.mappings[0].comm = comm_of(victim);
    life.mapping_count = 1;
    life.cgroup = 50 + victim % 20;
    life.last.tgid = static_cast<uint32_t>(60 + random_() % 3);
    life.last.comm = store::comm_of("kswapd");
    life.last.origin = random_() % 4 == 0 ? SWAPTRAIL_ORIGIN_DIRECT : SWAPTRAIL_ORIGIN_KSWAPD;
    life.outcome = random_() % 8 == 0 ? Outcome::kAborted : Outcome::kFreedDevice;
    if (life.outcome == Outcome::kAborted && random_() % 2 == 0)
      life.abort_reason = AbortReason::kSlotGone;
    return life;
  }
  Return back_of(const Lifecycle& life) {
    Return back;
    back.lifecycle_id = life.id;
    back.entry = life.entry;
    back.nr_pages = life.nr_pages;
    back.time_ns = now_ns_;
    back.after_ns = now_ns_ - life.closed_ns;
    back.fault_ns = 50'000 + random_() % 50'000;
    const bool is_stranger = random_() % 10 == 0;  // a debugger
    back.tgid = is_stranger ? 7 : life.mappings[0].tgid;
    back.reader_cgroup = is_stranger ? 49 : life.cgroup;
    back.comm = is_stranger ? store::comm_of("gdb") : life.mappings[0].comm;
    back.eviction = eviction_of(life);
    return back;
  }

  std::string name_of(const Lifecycle& life) const {
    const auto process = [](const Comm& comm, uint32_t tgid) {
      return std::string(comm_text(comm)) + "/" + std::to_string(tgid);
    };
    switch (pivot_) {
      case top::Pivot::kProcess:
        return process(life.mappings[0].comm, life.mappings[0].tgid);
      case top::Pivot::kCgroup:
        return "id " + std::to_string(life.cgroup);
      case top::Pivot::kDevice:
        return entry_type(life.entry) == 0 ? "/dev/one" : "/dev/two";
      case top::Pivot::kOrigin:
        return std::string(origin_name(life.last.origin));
      default:
        return process(life.last.comm, life.last.tgid);
    }
  }
  void count(const Lifecycle& life, Truth& truth) const {
    top::TopRow& row = truth[name_of(life)];
    if (is_freed(life.outcome)) {
      row.freed_pages += life.nr_pages;
    } else if (life.abort_reason != AbortReason::kSlotGone) {
      row.stayed_pages += life.nr_pages;
    }
  }
  void count(const Return& back, const Lifecycle& life, Truth& truth) const {
    top::TopRow& row = truth[name_of(life)];
    row.returned_pages += back.nr_pages;
    if (back.after_ns < kRegret_ns) row.regretted_pages += back.nr_pages;
    const bool is_stranger = back.tgid == 7;
    const bool of_reader = pivot_ == top::Pivot::kProcess || pivot_ == top::Pivot::kCgroup;
    if (!is_stranger || !of_reader) {
      row.wait_ns += back.fault_ns;
    } else {
      truth[pivot_ == top::Pivot::kProcess ? "gdb/7" : "id 49"].wait_ns += back.fault_ns;
    }
  }

  const uint64_t step_ns_;
  const top::Pivot pivot_;
  uint64_t now_ns_ = kBegin_ns, id_ = 0;
  std::mt19937_64 random_{1};
  std::deque<Lifecycle> away_;
};

struct Load {
  uint64_t rate;  // lifecycles a second
  top::Pivot pivot;
};

class TopExact : public testing::TestWithParam<Load> {
 protected:
  v1::GetCountersResponse answer(uint64_t now_ns) {
    v1::GetCountersResponse response;
    const api::Query asked{.host = scene_.host,
                           .clock = clock_,
                           .tables = nullptr,
                           .tokens = tokens_,
                           .watchers = 0,
                           .moment = api::Moment(now_ns, 0),
                           .deadline = absl::InfiniteFuture(),
                           .stop = nullptr};
    const absl::Status status = api::answer(asked, rounds_.request(), response);
    EXPECT_TRUE(status.ok()) << status;
    return response;
  }

  api::Scene scene_{store::small_options(size_t{200} << 10)};  // some hundred lifecycles
  api::Clock clock_;
  api::PageTokens tokens_;
  store::StoreSink store_sink_{*scene_.store};
  top::TopRounds rounds_{top::group_of(GetParam().pivot), {}};
};

TEST_P(TopExact, EachRoundIsWhatHappenedInIt) {
  const Load load = GetParam();
  Host host(load.rate, load.pivot);
  const std::vector<lifecycles::LifecycleSink*> sinks = {&store_sink_, &scene_.counters};
  Truth warm_up;
  host.run(kBegin_ns + 5 * kSecond_ns, sinks, warm_up);
  rounds_.on_answer(answer(kBegin_ns + 5 * kSecond_ns));
  for (int round = 0; round < 3; ++round) {
    Truth truth;
    const uint64_t end_ns = kBegin_ns + 5 * kSecond_ns + (round + 1) * kRound_ns;
    host.run(end_ns, sinks, truth);
    rounds_.on_answer(answer(end_ns));
    ASSERT_TRUE(rounds_.window());
    ASSERT_EQ(absl::ToInt64Nanoseconds(rounds_.window_length()), static_cast<int64_t>(kRound_ns));
    uint64_t freed = 0, true_freed = 0;
    const std::vector<top::TopRow> rows = top::top_rows(*rounds_.window(), top::SortBy::kRate);
    EXPECT_EQ(rows.size(), truth.size());
    for (const top::TopRow& row : rows) {
      SCOPED_TRACE(row.name);
      ASSERT_TRUE(truth.contains(row.name));
      const top::TopRow& happened = truth[row.name];
      EXPECT_EQ(row.freed_pages, happened.freed_pages);
      EXPECT_EQ(row.stayed_pages, happened.stayed_pages);
      EXPECT_EQ(row.returned_pages, happened.returned_pages);
      EXPECT_EQ(row.regretted_pages, happened.regretted_pages);
      EXPECT_EQ(row.wait_ns, happened.wait_ns);
      freed += row.freed_pages;
    }
    for (const auto& [name, happened] : truth) true_freed += happened.freed_pages;
    EXPECT_NEAR(static_cast<double>(freed), static_cast<double>(true_freed),
                0.01 * static_cast<double>(true_freed));
    EXPECT_GT(freed, load.rate);  // something was looked at
  }
  // The store wraps, and keeps less than the rounds had: what top shows can't have come from it.
  EXPECT_GT(scene_.store->status().evicted, 0u);
  EXPECT_LT(scene_.store->status().lifecycles, 3 * load.rate * kRound_ns / kSecond_ns);
}

std::vector<Load> loads() {
  std::vector<Load> all;
  for (const uint64_t rate : {100, 3'000, 100'000}) {
    for (size_t pivot = 0; pivot < static_cast<size_t>(top::Pivot::kCount); ++pivot)
      all.push_back({rate, static_cast<top::Pivot>(pivot)});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Loads, TopExact, testing::ValuesIn(loads()), [](const auto& load) {
  return std::to_string(load.param.rate) + "_by_" + std::string(top::pivot_name(load.param.pivot));
});

}  // namespace
}  // namespace swaptrail::online
