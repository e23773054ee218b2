// The store against a plain vector: random lifecycles and returns, and every query done twice.
#include <gtest/gtest.h>

#include <map>

#include "daemon/store/list.h"
#include "daemon/store/lookup.h"
#include "daemon/store/stats.h"
#include "tests/scene/store_model.h"

namespace swaptrail::store {
namespace {

// Keeps all notes, so that the answers of queries can be predicted.
Store::Options with_all_notes(Store::Options options) {
  options.max_notes = 8192;
  options.max_bytes += Notes::bytes_for(options.max_notes);
  return options;
}

class StoreModel : public testing::TestWithParam<uint32_t> {
 protected:
  void step();
  void expect_equal(const StoredLifecycle& told);
  void check_list();
  void check_lookups();
  void check_stats();
  void check_matrix();
  uint64_t oldest() const { return store_->status().evicted + 1; }
  // Those still in the store that pass, by sequence.
  template <typename Passes>
  std::vector<uint64_t> expected(const Passes& passes) {
    std::vector<uint64_t> out;
    for (uint64_t sequence = oldest(); sequence <= model_.all().size(); ++sequence) {
      if (passes(kept(sequence))) out.push_back(sequence);
    }
    return out;
  }
  Kept& kept(uint64_t sequence) { return model_.all()[sequence - 1]; }
  void expect_newest(std::vector<uint64_t> sequences, size_t limit,
                     const std::vector<StoredLifecycle>& told);

  std::mt19937_64 random_{GetParam()};
  std::unique_ptr<Store> store_ =
      store_of(with_all_notes(small_options((150 + random_() % 300) << 10)));
  Model model_;
  uint64_t now_ = 1'000'000;
};

void StoreModel::step() {
  now_ += random_() % 2000;
  if (random_() % 3 != 0 || model_.all().empty()) {
    const uint64_t late = random_() % 50 == 0 ? 5000 : 0;
    model_.add(random_lifecycle(random_, 1 + (model_.all().size() ^ 1), now_ - late));
    store_->add(model_.all().back().life);
    return;
  }
  const uint64_t sequence =
      model_.all().size() - random_() % std::min<size_t>(model_.all().size(), 600);
  const Return back = random_return(random_, kept(sequence).life);
  const bool there = sequence >= oldest();
  const uint64_t joined = store_->status().returns_joined;
  store_->note_return(back);
  ASSERT_EQ(store_->status().returns_joined, joined + (there ? 1 : 0));
  if (there) kept(sequence).returns.push_back(back);
}

void StoreModel::expect_equal(const StoredLifecycle& told) {
  const Kept& expected = kept(told.sequence);
  ASSERT_TRUE(same(told.lifecycle, expected.life)) << told.sequence;
  EXPECT_EQ(told.back.gone_pages, Model::pages(expected, false, false));
  EXPECT_EQ(told.back.swapped_in_pages, Model::pages(expected, true, false));
  EXPECT_EQ(told.back.regretted_pages, Model::pages(expected, true, true));
  const Return* first = Model::first(expected);
  ASSERT_EQ(told.first_return.has_value(), first != nullptr);
  if (first == nullptr) return;
  EXPECT_TRUE(same(*told.first_return, *first));
  std::vector<bool> gone(expected.life.nr_pages);
  for (const Return& back : expected.returns) {
    for (uint32_t page = 0; page < back.nr_pages; ++page) {
      const uint64_t index = back.entry - expected.life.entry + page;
      if (gone[index]) return;  // these random returns take a page out of swap twice
      gone[index] = true;
    }
  }
  for (uint32_t page = 0; page < gone.size(); ++page) EXPECT_EQ(told.is_gone(page), gone[page]);
}

void StoreModel::expect_newest(std::vector<uint64_t> sequences, size_t limit,
                               const std::vector<StoredLifecycle>& told) {
  std::ranges::reverse(sequences);
  if (sequences.size() > limit) sequences.resize(limit);
  ASSERT_EQ(told.size(), sequences.size());
  for (size_t at = 0; at < told.size(); ++at) {
    ASSERT_EQ(told[at].sequence, sequences[at]);
    expect_equal(told[at]);
  }
}

// All pages, one after the other, and more lifecycles in between.
void StoreModel::check_list() {
  ListQuery query;
  query.filter = random_filter(random_, now_);
  query.order = random_() % 2 == 0 ? Order::kNewestFirst : Order::kOldestFirst;
  query.page_size = 1 + random_() % 50;
  const bool newest = query.order == Order::kNewestFirst;
  auto left = expected([&](const Kept& one) { return Model::passes(one, query.filter); });
  const uint64_t end = model_.all().size();
  if (newest) std::ranges::reverse(left);
  size_t got = 0;
  const Snapshot snapshot = store_->snapshot();
  while (true) {
    const ListPage page = list_lifecycles(snapshot, query);
    ASSERT_EQ(page.evicted_between, 0u);
    ASSERT_EQ(page.lifecycles.size(), std::min(query.page_size, left.size() - got));
    for (const StoredLifecycle& told : page.lifecycles) {
      ASSERT_EQ(told.sequence, left[got++]);
      expect_equal(told);
    }
    ASSERT_EQ(page.next.has_value(), got < left.size());
    if (!page.next) break;
    query.position = page.next;
  }
  EXPECT_EQ(snapshot.next_sequence(), end + 1);
}

void StoreModel::check_lookups() {
  const size_t limit = 1 + random_() % 20;
  const Snapshot snapshot = store_->snapshot();
  const uint64_t frame = 0xffffea0000000000 + random_() % 140 * 64;
  expect_newest(expected([&](const Kept& one) {
                  return one.life.folio != 0 && frame >= one.life.folio &&
                         frame < one.life.folio + one.life.nr_pages * 64;
                }),
                limit, lifecycles_of_frame(snapshot, frame, limit));
  const uint64_t entry = make_entry(random_() % 4, 1 + random_() % 110);
  expect_newest(expected([&](const Kept& one) {
                  return one.life.entry != 0 && entry >= one.life.entry &&
                         entry < one.life.entry + one.life.nr_pages;
                }),
                limit, lifecycles_of_entry(snapshot, entry, limit));
  const auto tgid = static_cast<uint32_t>(random_() % 7);
  const uint64_t address = 0x10000 + random_() % (70 * 4096);
  const auto covers = [&](const Mapping& mapping, uint16_t nr_pages) {
    uint64_t pages = mapping.ptes;
    if (pages == 0 || pages == 0xffff) {
      pages = nr_pages > mapping.first_page ? nr_pages - mapping.first_page : 1;
    }
    return mapping.tgid == tgid && tgid != 0 && mapping.address != 0 &&
           address >= mapping.address && address < mapping.address + pages * 4096;
  };
  expect_newest(expected([&](const Kept& one) {
                  return std::ranges::any_of(one.life.mappings, [&](const Mapping& mapping) {
                    return covers(mapping, one.life.nr_pages);
                  });
                }),
                limit, lifecycles_of_address(snapshot, tgid, address, limit));
}

uint64_t value_of(GroupBy by, const Lifecycle& life) {
  switch (by) {
    case GroupBy::kVictimCgroup:
      return life.cgroup;
    case GroupBy::kVictimProcess:
      return life.mappings[0].tgid;
    case GroupBy::kReclaimer:
      return life.last.tgid;
    case GroupBy::kOrigin:
      return life.last.origin;
    case GroupBy::kArea:
      return life.entry == 0 ? kNoArea : entry_type(life.entry);
    case GroupBy::kOutcome:
      return static_cast<uint64_t>(life.outcome);
    default:
      return life.backend;
  }
}

struct Group {
  std::vector<const Kept*> members;
  std::vector<uint64_t> faults;  // of who waited
};
using Groups = std::map<std::array<uint64_t, 3>, Group>;

void expect_row(const Group& group, const StatsRow& row, const StatsQuery& query) {
  StatsCounts sum;
  for (const Kept* one : group.members) {
    const uint64_t pages = one->life.nr_pages;
    ++sum.lifecycles;
    sum.pages += pages;
    if (one->life.outcome <= Outcome::kFreedClean) sum.freed_pages += pages;
    if (one->life.outcome == Outcome::kAborted) sum.aborted_pages += pages;
    const bool unneeded =
        one->life.outcome == Outcome::kAborted && one->life.abort_reason == AbortReason::kSlotGone;
    if (unneeded) sum.unneeded_pages += pages;
    sum.returned_pages += Model::pages(*one, true, false);
    sum.regretted_pages += Model::pages(*one, true, true);
  }
  EXPECT_EQ(row.counts.lifecycles, sum.lifecycles);
  EXPECT_EQ(row.counts.pages, sum.pages);
  EXPECT_EQ(row.counts.freed_pages, sum.freed_pages);
  EXPECT_EQ(row.counts.aborted_pages, sum.aborted_pages);
  EXPECT_EQ(row.counts.unneeded_pages, sum.unneeded_pages);
  EXPECT_EQ(row.counts.returned_pages, sum.returned_pages);
  EXPECT_EQ(row.counts.regretted_pages, sum.regretted_pages);
  ASSERT_EQ(row.latencies.size(), query.spans.size());
  for (size_t span = 0; span < query.spans.size(); ++span) {
    std::vector<uint64_t> times;
    if (query.spans[span] == Latency::kFault) times = group.faults;
    for (const Kept* one : group.members) {
      if (query.spans[span] == Latency::kFault) break;
      if (const auto time = Model::span(*one, query.spans[span])) times.push_back(*time);
    }
    std::ranges::sort(times);
    EXPECT_EQ(row.latencies[span].count, times.size());
    if (times.empty()) continue;
    const uint64_t exact = times[(times.size() + 1) / 2 - 1];
    EXPECT_GE(row.latencies[span].p50, exact);
    EXPECT_LE(row.latencies[span].p50, exact + exact / 16);
    EXPECT_EQ(row.latencies[span].max, times.back());
  }
}

void StoreModel::check_stats() {
  StatsQuery query;
  query.filter = random_filter(random_, now_);
  std::vector<GroupBy> columns;
  for (int by = 0; by < static_cast<int>(GroupBy::kCount); ++by) {
    columns.push_back(static_cast<GroupBy>(by));
  }
  std::ranges::shuffle(columns, random_);
  columns.resize(random_() % 4);
  query.group_by = columns;
  for (size_t left = random_() % 4; left > 0; --left) {
    query.spans.push_back(static_cast<Latency>(random_() % kLatencyCount));
  }
  query.max_groups = 1 + random_() % 20;
  const auto stats = query_stats(store_->snapshot(), query);
  ASSERT_TRUE(stats.ok());
  Groups groups;
  for (const uint64_t at :
       expected([&](const Kept& k) { return Model::passes(k, query.filter); })) {
    std::array<uint64_t, 3> key{};
    for (size_t by = 0; by < columns.size(); ++by) key[by] = value_of(columns[by], kept(at).life);
    groups[key].members.push_back(&kept(at));
    if (std::ranges::find(query.spans, Latency::kFault) == query.spans.end()) continue;
    for (const Return& back : kept(at).returns) {
      for (size_t by = 0; by < columns.size(); ++by) {
        if (columns[by] == GroupBy::kVictimProcess) key[by] = back.tgid;
        if (columns[by] == GroupBy::kVictimCgroup) key[by] = back.reader_cgroup;
      }
      if (back.fault_ns != 0) groups[key].faults.push_back(back.fault_ns);
    }
  }
  ASSERT_EQ(stats->rows.size(), std::min(query.max_groups, groups.size()));
  EXPECT_EQ(stats->other_groups, groups.size() - stats->rows.size());
  EXPECT_EQ(stats->unplaced, 0u);
  uint64_t before = ~uint64_t{0};
  for (const StatsRow& row : stats->rows) {
    EXPECT_LE(row.counts.pages, before);
    before = row.counts.pages;
    ASSERT_TRUE(groups.contains(row.key));
    expect_row(groups[row.key], row, query);
    groups.erase(row.key);
  }
  Group others;
  for (const auto& [key, group] : groups) {
    others.members.insert(others.members.end(), group.members.begin(), group.members.end());
    others.faults.insert(others.faults.end(), group.faults.begin(), group.faults.end());
  }
  expect_row(others, stats->other, query);
}

void StoreModel::check_matrix() {
  const Filter filter = random_filter(random_, now_);
  const size_t limit = 1 + random_() % 30;
  const Matrix matrix = query_matrix(store_->snapshot(), filter, limit);
  std::map<std::array<uint64_t, 3>, std::pair<uint64_t, uint64_t>> cells;
  for (const uint64_t at : expected([&](const Kept& one) { return Model::passes(one, filter); })) {
    const Kept& one = kept(at);
    if (one.life.outcome > Outcome::kFreedClean) continue;
    auto& cell = cells[{one.life.cgroup, one.life.last.tgid, one.life.last.origin}];
    cell.first += one.life.nr_pages;
    cell.second += Model::pages(one, true, true);
  }
  ASSERT_EQ(matrix.cells.size(), std::min(limit, cells.size()));
  for (const MatrixCell& cell : matrix.cells) {
    const auto found = cells.find({cell.victim_cgroup, cell.reclaimer, cell.origin});
    ASSERT_NE(found, cells.end());
    EXPECT_EQ(cell.pages, found->second.first);
    EXPECT_EQ(cell.regretted_pages, found->second.second);
    EXPECT_EQ(comm_text(cell.reclaimer_comm)[0], static_cast<char>('a' + cell.reclaimer));
    cells.erase(found);
  }
  uint64_t rest = 0;
  for (const auto& [key, cell] : cells) {
    rest += cell.first;
    EXPECT_LE(cell.first, matrix.cells.back().pages);
  }
  EXPECT_EQ(matrix.other_pages, rest);
}

TEST_P(StoreModel, AnswersAsThePlainVector) {
  for (int round = 0; round < 60; ++round) {
    for (size_t steps = random_() % 120; steps > 0; --steps) ASSERT_NO_FATAL_FAILURE(step());
    ASSERT_NO_FATAL_FAILURE(check_list());
    ASSERT_NO_FATAL_FAILURE(check_lookups());
    ASSERT_NO_FATAL_FAILURE(check_stats());
    ASSERT_NO_FATAL_FAILURE(check_matrix());
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, StoreModel, testing::Range(0u, 20u));

}  // namespace
}  // namespace swaptrail::store
