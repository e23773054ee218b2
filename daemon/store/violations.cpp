#include "daemon/store/violations.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace swaptrail::store {

void Violations::add(const Violation& violation) {
  const uint64_t number = total_.load(std::memory_order_relaxed) + 1;
  std::array<uint64_t, kWords> words{};
  const size_t length = std::min(violation.text.size(), kMaxViolationText);
  words[0] = std::bit_cast<uintptr_t>(violation.rule.data());
  words[1] = violation.rule.size() << 32 | length;
  words[2] = violation.lifecycle_id;
  words[3] = violation.folio;
  words[4] = violation.entry;
  words[5] = violation.time_ns;
  std::memcpy(words.data() + 6, violation.text.data(), length);
  Slot& slot = slots_[number % slots_.size()];
  slot.number.store(0, std::memory_order_relaxed);
  // Release: a reader that sees one of the words also sees that the number is gone.
  for (size_t at = 0; at < kWords; ++at) slot.words[at].store(words[at], std::memory_order_release);
  slot.number.store(number, std::memory_order_release);
  total_.store(number, std::memory_order_release);
}

std::optional<Violation> Violations::read(uint64_t number) const {
  const Slot& slot = slots_[number % slots_.size()];
  if (slot.number.load(std::memory_order_acquire) != number) return std::nullopt;
  std::array<uint64_t, kWords> words{};
  for (size_t at = 0; at < kWords; ++at) words[at] = slot.words[at].load(std::memory_order_acquire);
  if (slot.number.load(std::memory_order_relaxed) != number) return std::nullopt;
  Violation out;
  out.rule = {std::bit_cast<const char*>(static_cast<uintptr_t>(words[0])), words[1] >> 32};
  out.lifecycle_id = words[2];
  out.folio = words[3];
  out.entry = words[4];
  out.time_ns = words[5];
  out.text.resize(words[1] & 0xffffffff);
  std::memcpy(out.text.data(), words.data() + 6, out.text.size());
  return out;
}

ViolationPage Violations::page(uint64_t before, size_t page_size) const {
  ViolationPage out;
  out.total = total();
  const uint64_t end = before == 0 ? out.total + 1 : std::min(before, out.total + 1);
  const uint64_t kept = out.total > slots_.size() ? out.total - slots_.size() + 1 : 1;
  if (end < kept) out.lost = kept - end;
  for (uint64_t number = end; number-- > kept && out.violations.size() < page_size;) {
    auto violation = read(number);
    if (!violation) break;  // it and all older ones were overwritten meanwhile
    out.violations.push_back(*std::move(violation));
    out.next = number > kept ? number : 0;
  }
  return out;
}

}  // namespace swaptrail::store
