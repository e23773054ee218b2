#include "daemon/counters/table.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "daemon/base/mixed.h"
#include "daemon/base/raise.h"

namespace swaptrail::counters {
namespace {

constexpr int kMostLooks = 100;    // at a table that is written all the time
constexpr int kMostCopies = 2000;  // seconds: no host is that busy

using CountWords = std::array<uint64_t, kCounts>;
CountWords words_of(const Counts& counts) { return std::bit_cast<CountWords>(counts); }

std::array<uint64_t, 2> words_of(const Comm& comm) {
  return std::bit_cast<std::array<uint64_t, 2>>(comm);
}

}  // namespace

void add_to(Counts& sum, const Counts& more) {
  CountWords words = words_of(sum);
  const CountWords added = words_of(more);
  for (size_t at = 0; at < kCounts; ++at) words[at] += added[at];
  sum = std::bit_cast<Counts>(words);
}

Table::Table(size_t most)
    : places_(std::max(most, kProbes)), tags_(places_.size()), used_ns_(places_.size()) {}

// The place where it is, or may be; kNowhere: there is none.
size_t Table::place_of(const Key& key, uint64_t hash, uint64_t now_ns) {
  const auto tag = static_cast<uint32_t>(hash) | 1;
  const size_t size = tags_.size(), home = (hash >> 32) * size >> 32;
  size_t at = home;
  for (size_t step = 0; step < kProbes; ++step) {
    // No place becomes empty again, so the key can't be further on.
    if (tags_[at] == 0 || (tags_[at] == tag && places_[at].has(key))) return at;
    if (++at == size) at = 0;
  }
  size_t oldest = at = home;
  for (size_t step = 0; step < kProbes; ++step) {
    if (used_ns_[at] < used_ns_[oldest]) oldest = at;
    if (++at == size) at = 0;
  }
  const bool is_idle = used_ns_[oldest] + kIdle_ns < now_ns;
  // Random, not every 64th: a key that misses in step with the count would never have its turn.
  return is_idle || base::mixed(++misses_) % kAdmitOneIn == 0 ? oldest : kNowhere;
}

// The place belongs to another key, or to an earlier process with the same number: it was idle for
// long, and comes back under another name.
bool Table::is_another(const Place& place, const Key& key, const Name& name, uint64_t now_ns) {
  if (!place.has(key)) return true;
  if (name.comm == nullptr || name.of_thread || place.at(kUsed) + kIdle_ns >= now_ns) return false;
  const auto words = words_of(*name.comm);
  return place.at(kComm) != 0 && words[0] != 0 &&
         (place.at(kComm) != words[0] || place.at(kComm2) != words[1]);
}

void Table::add(const Key& key, const Name& name, uint64_t now_ns, const Change& change) {
  if (is_last(key) && !is_another(places_[last_], key, name, now_ns)) {
    grow(places_[last_], name, now_ns, change);
    used_ns_[last_] = now_ns;
    return;
  }
  const uint64_t hash = base::mixed(key[0] + 0x9e3779b97f4a7c15u * key[1]);
  const size_t at = place_of(key, hash, now_ns);
  if (at == kNowhere) {
    for (const Change::Part& part : change.parts()) base::raise(other_[part.count], part.more);
    return;
  }
  Place& place = places_[at];
  if (tags_[at] == 0 || is_another(place, key, name, now_ns)) {
    make(place, key, name, now_ns, change);
    tags_[at] = static_cast<uint32_t>(hash) | 1;
  } else {
    grow(place, name, now_ns, change);
  }
  used_ns_[at] = now_ns;
  last_ = at;
}

// The previous owner of the place, if any, gives it up.
void Table::make(Place& place, const Key& key, const Name& name, uint64_t now_ns,
                 const Change& change) {
  const uint64_t version = place.version.load(std::memory_order_relaxed);
  const uint64_t moves = moves_.load(std::memory_order_relaxed);
  moves_.store(moves + 1, std::memory_order_relaxed);
  place.version.store(version + 1, std::memory_order_relaxed);
  for (size_t at = 0; version != 0 && at < kCounts; ++at) {
    base::raise(other_[at], place.at(kFirstCount + at));
  }
  if (version != 0) base::raise(given_up_);
  base::raise(made_);
  Words words{made_.load(std::memory_order_relaxed), key[0], key[1]};
  if (name.comm != nullptr) std::ranges::copy(words_of(*name.comm), words.begin() + kComm);
  words[kUsed] = now_ns;
  for (const Change::Part& part : change.parts()) words[kFirstCount + part.count] = part.more;
  // Release: a reader that sees one of the words also sees that the versions are odd.
  for (size_t at = 0; at < kWords; ++at) {
    place.words[at].store(words[at], std::memory_order_release);
  }
  place.version.store(version + 2, std::memory_order_release);
  moves_.store(moves + 2, std::memory_order_release);
}

void Table::grow(Place& place, const Name& name, uint64_t now_ns, const Change& change) {
  const uint64_t version = place.version.load(std::memory_order_relaxed);
  place.version.store(version + 1, std::memory_order_relaxed);
  if (name.comm != nullptr && !(name.of_thread && place.at(kComm) != 0)) {
    const auto comm = words_of(*name.comm);
    if (comm[0] != 0) place.words[kComm].store(comm[0], std::memory_order_release);
    if (comm[0] != 0) place.words[kComm2].store(comm[1], std::memory_order_release);
  }
  place.words[kUsed].store(now_ns, std::memory_order_release);
  for (const Change::Part& part : change.parts()) {
    base::raise(place.words[kFirstCount + part.count], part.more);
  }
  place.version.store(version + 2, std::memory_order_release);
}

Table::Seen Table::read(const Place& place, Words& words) {
  for (int look = 0; look < kMostLooks; ++look) {
    const uint64_t version = place.version.load(std::memory_order_acquire);
    if (version == 0) return Seen::kEmpty;
    if (version % 2 != 0) continue;
    for (size_t at = 0; at < kWords; ++at) {
      words[at] = place.words[at].load(std::memory_order_acquire);
    }
    if (place.version.load(std::memory_order_relaxed) == version) return Seen::kRow;
  }
  return Seen::kInPart;
}

// False: a row gave up its place meanwhile, so its counts may be in `out` twice or not at all; or the
// writer is in the middle of that.
bool Table::try_copy(TableCopy& out) const {
  const uint64_t moves = moves_.load(std::memory_order_acquire);
  out = {};
  out.rows.reserve(places_.size());
  CountWords other{};
  for (size_t at = 0; at < kCounts; ++at) other[at] = other_[at].load(std::memory_order_acquire);
  out.other = std::bit_cast<Counts>(other);
  out.made = made_.load(std::memory_order_acquire);
  out.given_up = given_up_.load(std::memory_order_acquire);
  for (const Place& place : places_) {
    Words words{};
    const Seen seen = read(place, words);
    if (seen == Seen::kInPart) return false;
    if (seen == Seen::kEmpty) continue;
    Row& row = out.rows.emplace_back();
    row.id = words[kId];
    row.key = {words[kKey], words[kKey2]};
    std::memcpy(row.comm.data(), &words[kComm], row.comm.size());
    row.used_ns = words[kUsed];
    CountWords counts;
    std::copy_n(words.begin() + kFirstCount, kCounts, counts.begin());
    row.counts = std::bit_cast<Counts>(counts);
  }
  return moves % 2 == 0 && moves_.load(std::memory_order_relaxed) == moves;
}

TableCopy Table::copy() const {
  TableCopy out;
  // A writer that is held up in the middle goes on sooner if it has the CPU.
  for (int look = 0; look < kMostCopies && !try_copy(out); ++look) {
    if (look >= kMostLooks) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return out;
}

}  // namespace swaptrail::counters
