#include "daemon/store/waiters.h"

#include <cstring>

#include "daemon/store/record.h"
#include "trace/decode.h"

namespace swaptrail::store {
namespace {

constexpr int kMostLooks = 100;  // at a row that is written all the time

// No read-modify-write is needed where one thread writes.
void count(std::atomic<uint64_t>& counter, uint64_t more) {
  counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_release);
}

}  // namespace

void Waiters::Sum::add(const Waits& more) {
  count(faults, more.faults);
  count(major, more.major);
  count(wait_ns, more.wait_ns);
}

Waits Waiters::Sum::read() const {
  return {.faults = faults.load(std::memory_order_acquire),
          .major = major.load(std::memory_order_acquire),
          .wait_ns = wait_ns.load(std::memory_order_acquire)};
}

// Its row, or one that it may take; null: there is none.
Waiters::Row* Waiters::place_of(uint64_t who, uint64_t cgroup, uint64_t now_ns) {
  const size_t home = mixed(who ^ mixed(cgroup)) % rows_.size();
  Row* idlest = nullptr;
  uint64_t used = ~uint64_t{0};
  for (size_t step = 0; step < kProbes; ++step) {
    Row& row = rows_[(home + step) % rows_.size()];
    if (row.version.load(std::memory_order_relaxed) == 0) return idlest == nullptr ? &row : idlest;
    const auto word = [&](Word at) { return row.words[at].load(std::memory_order_relaxed); };
    if (word(kWho) == who && word(kCgroup) == cgroup) return &row;
    if (word(kUsed) + kIdle_ns < now_ns && word(kUsed) < used) {
      idlest = &row;
      used = word(kUsed);
    }
  }
  return idlest;
}

void Waiters::add(const Return& back) {
  if (back.fault_ns == 0) return;
  const Waits more{.faults = 1, .major = back.major ? 1u : 0u, .wait_ns = back.fault_ns};
  const uint32_t type = entry_type(back.entry);
  const uint64_t who = uint64_t{back.tgid} << 32 | (areas_[type] << kTypeBits) | type;
  Row* row = place_of(who, back.reader_cgroup, back.time_ns);
  if (row == nullptr) return other_.add(more);
  std::array<uint64_t, kWords> words{};
  for (size_t at = 0; at < kWords; ++at) words[at] = row->words[at].load(std::memory_order_relaxed);
  const uint64_t version = row->version.load(std::memory_order_relaxed);
  if (version != 0 && (words[kWho] != who || words[kCgroup] != back.reader_cgroup)) {
    departed_.add({words[kFaults], words[kMajor], words[kWait]});
    words = {};
  }
  words[kWho] = who;
  words[kCgroup] = back.reader_cgroup;
  std::memcpy(&words[kComm], back.comm.data(), back.comm.size());
  words[kFaults] += more.faults;
  words[kMajor] += more.major;
  words[kWait] += more.wait_ns;
  words[kUsed] = back.time_ns;
  row->version.store(version + 1, std::memory_order_relaxed);
  // Release: who sees one of the words also sees that the version is odd.
  for (size_t at = 0; at < kWords; ++at) row->words[at].store(words[at], std::memory_order_release);
  row->version.store(version + 2, std::memory_order_release);
}

// False: it is empty.
bool Waiters::read(const Row& row, std::array<uint64_t, kWords>& words) {
  for (int look = 0; look < kMostLooks; ++look) {
    const uint64_t version = row.version.load(std::memory_order_acquire);
    if (version == 0) return false;
    if (version % 2 != 0) continue;
    for (size_t at = 0; at < kWords; ++at)
      words[at] = row.words[at].load(std::memory_order_acquire);
    if (row.version.load(std::memory_order_relaxed) == version) return true;
  }
  return true;  // then some of its counts are one fault apart
}

WaiterCopy Waiters::copy() const {
  WaiterCopy out;
  out.departed = departed_.read();
  out.other = other_.read();
  for (const Row& row : rows_) {
    std::array<uint64_t, kWords> words{};
    if (!read(row, words)) continue;
    Waiter& waiter = out.rows.emplace_back();
    waiter.tgid = static_cast<uint32_t>(words[kWho] >> 32);
    waiter.area = static_cast<uint32_t>(words[kWho]) % kTypes;
    waiter.cgroup = words[kCgroup];
    waiter.used_ns = words[kUsed];
    std::memcpy(waiter.comm.data(), &words[kComm], waiter.comm.size());
    waiter.waits = {words[kFaults], words[kMajor], words[kWait]};
  }
  return out;
}

}  // namespace swaptrail::store
