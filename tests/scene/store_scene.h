// Lifecycles for the tests of the store: random ones, and ones whose every field is known in
// advance.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string_view>
#include <tuple>

#include "daemon/store/store.h"
#include "trace/decode.h"

namespace swaptrail::store {

inline constexpr uint64_t kStoreSecond = 1'000'000'000;

inline Comm comm_of(std::string_view text) {
  Comm comm{};
  std::memcpy(comm.data(), text.data(), std::min(text.size(), comm.size()));
  return comm;
}

// Small: segments of 16 KiB hold about 40 lifecycles.
inline Store::Options small_options(size_t max_bytes = size_t{400} << 10) {
  Store::Options options;
  options.max_bytes = max_bytes;
  options.segment_bytes = size_t{16} << 10;
  options.max_violations = 20;
  return options;
}

inline std::unique_ptr<Store> store_of(const Store::Options& options) {
  auto store = Store::create(options);
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

inline Reclaimer random_reclaimer(std::mt19937_64& random) {
  Reclaimer out;
  out.tgid = static_cast<uint32_t>(random() % 5);
  out.tid = out.tgid + static_cast<uint32_t>(random() % 2);
  out.batch_ns = random() % 1000;
  out.cgroup = random() % 3;
  out.origin = static_cast<uint8_t>(random() % SWAPTRAIL_ORIGIN_END);
  out.comm = comm_of(std::string(1, static_cast<char>('a' + out.tgid)) + "-reclaims");
  return out;
}

inline Mapping random_mapping(std::mt19937_64& random) {
  constexpr std::string_view kComms[] = {"", "init", "exactly-16-bytes", "web", "db"};
  Mapping out;
  out.tgid = static_cast<uint32_t>(random() % 6);
  out.address = random() % 5 == 0 ? 0 : 0x10000 + random() % 64 * 4096;
  out.first_page = static_cast<uint16_t>(random() % 3);
  out.ptes = static_cast<uint16_t>(random() % 3 == 0 ? 0xffff : random() % 5);
  out.comm = comm_of(kComms[random() % 5]);
  return out;
}

// Any values in any combination, from small ranges so that they meet.
inline Lifecycle random_lifecycle(std::mt19937_64& random, uint64_t id, uint64_t now_ns) {
  Lifecycle out;
  out.id = id;
  out.folio = random() % 10 == 0 ? 0 : 0xffffea0000000000 + random() % 128 * 64;
  out.nr_pages = static_cast<uint16_t>(random() % 3 == 0 ? 1 + random() % 20 : 1);
  const auto area = static_cast<uint32_t>(random() % 3);
  out.entry = random() % 6 == 0 ? 0 : make_entry(area, 1 + random() % 100);
  out.cgroup = random() % 5;
  out.closed_ns = now_ns;
  const uint64_t far = random() % 10 == 0 ? 20 * kStoreSecond : 5000;
  for (uint64_t& time : out.stage_ns) {
    time = random() % 3 == 0 ? 0 : 30 * kStoreSecond + random() % far;
  }
  out.first = random_reclaimer(random);
  out.last = random() % 2 == 0 ? random_reclaimer(random) : out.first;
  if (random() % 2 == 0) out.last.batch_ns = random();
  for (size_t left = random() % (kMaxMappings + 1); left-- > 0;) {
    out.mappings[left] = random_mapping(random);
  }
  out.mapping_count = static_cast<uint32_t>(random() % 9);
  out.generation = static_cast<uint32_t>(random());
  out.passes = static_cast<uint32_t>(random() % 4);
  out.backend = static_cast<uint8_t>(random() % SWAPTRAIL_BACKEND_END);
  out.visible_stages = static_cast<uint8_t>(random());
  out.outcome = static_cast<Outcome>(random() % static_cast<size_t>(Outcome::kCount));
  out.abort_reason = static_cast<AbortReason>(random() % static_cast<size_t>(AbortReason::kCount));
  out.kept_because = static_cast<AbortReason>(random() % static_cast<size_t>(AbortReason::kCount));
  out.incomplete =
      random() % 2 == 0
          ? IncompleteReason::kNone
          : static_cast<IncompleteReason>(random() % static_cast<size_t>(IncompleteReason::kCount));
  out.waiting_for = static_cast<Waiting>(random() % static_cast<size_t>(Waiting::kCount));
  if (random() % 4 == 0) {
    out.object = {
        .inode = random(), .index = random() % 100, .device = static_cast<uint32_t>(random())};
  }
  for (bool* flag : {&out.shmem, &out.ksm, &out.rewritten, &out.readahead, &out.owner_guessed,
                     &out.overlapped_loss}) {
    *flag = random() % 2 == 0;
  }
  return out;
}

// Closed at a time that is its id.
inline Lifecycle random_lifecycle(std::mt19937_64& random, uint64_t id) {
  return random_lifecycle(random, id, id);
}

inline Return random_return(std::mt19937_64& random, const Lifecycle& lifecycle) {
  Return out;
  out.lifecycle_id = lifecycle.id;
  const auto first = static_cast<uint16_t>(random() % lifecycle.nr_pages);
  out.entry = lifecycle.entry + first;
  out.generation = lifecycle.generation;
  out.nr_pages = static_cast<uint16_t>(1 + random() % (lifecycle.nr_pages - first));
  out.time_ns = lifecycle.closed_ns + random() % kStoreSecond;
  out.after_ns = random() % 4 == 0 ? 0 : random() % (2 * kStoreSecond);
  out.fault_ns = random() % 2 == 0 ? 0 : random() % 100'000;
  out.address = random() % 2 == 0 ? 0 : 0x10000 + random() % 4096;
  out.tgid = static_cast<uint32_t>(random() % 6);
  out.how = static_cast<ReturnHow>(random() % 3);  // of those that bring pages back
  out.reader_cgroup = random() % 5;
  out.tid = static_cast<uint32_t>(random() % 6);
  out.owner_tgid = static_cast<uint32_t>(random() % 6);
  out.mapped_pages = static_cast<uint16_t>(random() % 20);
  out.passes = static_cast<uint16_t>(random() % 4);
  out.shmem = random() % 2 == 0;
  if (random() % 6 == 0) {  // a fault that brings nothing back
    out.nr_pages = 0;
    out.how = random() % 2 == 0 ? ReturnHow::kReadError : ReturnHow::kSwappedIn;
    out.after_ns = 0;
  }
  out.backend = static_cast<uint8_t>(random() % SWAPTRAIL_BACKEND_END);
  out.major = random() % 2 == 0;
  out.comm = comm_of("comes-back");
  return out;
}

inline bool same(const Reclaimer& a, const Reclaimer& b) {
  const auto all = [](const Reclaimer& r) {
    return std::tie(r.batch_ns, r.cgroup, r.tid, r.tgid, r.origin, r.comm);
  };
  return all(a) == all(b);
}

inline bool same(const Mapping& a, const Mapping& b) {
  return std::tie(a.address, a.tgid, a.first_page, a.ptes, a.comm) ==
         std::tie(b.address, b.tgid, b.first_page, b.ptes, b.comm);
}

inline bool same(const Lifecycle& a, const Lifecycle& b) {
  const auto numbers = [](const Lifecycle& l) {
    return std::tie(l.id, l.folio, l.entry, l.cgroup, l.closed_ns, l.stage_ns, l.mapping_count,
                    l.generation, l.passes, l.nr_pages, l.backend, l.visible_stages, l.outcome,
                    l.abort_reason, l.kept_because, l.incomplete, l.waiting_for, l.shmem, l.ksm,
                    l.rewritten, l.readahead, l.owner_guessed, l.overlapped_loss, l.object.inode,
                    l.object.index, l.object.device, l.sample_shift);
  };
  return numbers(a) == numbers(b) && same(a.first, b.first) && same(a.last, b.last) &&
         std::equal(a.mappings.begin(), a.mappings.end(), b.mappings.begin(),
                    [](const Mapping& x, const Mapping& y) { return same(x, y); });
}

inline bool same(const Return& a, const Return& b) {
  const auto all = [](const Return& r) {
    return std::tie(r.lifecycle_id, r.entry, r.time_ns, r.after_ns, r.fault_ns, r.address,
                    r.generation, r.tgid, r.nr_pages, r.how, r.backend, r.major, r.comm, r.tid,
                    r.owner_tgid, r.reader_cgroup, r.mapped_pages, r.passes, r.shmem);
  };
  return all(a) == all(b);
}

}  // namespace swaptrail::store
