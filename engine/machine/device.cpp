#include "engine/machine/device.h"

#include <algorithm>

#include "trace/check.h"

namespace swaptrail::engine {
namespace {

uint64_t digest_of(const Block& content) {
  uint64_t digest = 0xcbf29ce484222325;
  for (uint64_t word : content) digest = (digest ^ word) * 0x100000001b3;
  return digest;
}

bool ends_later(const Flight& one, const Flight& other) {
  return one.done_ns != other.done_ns ? one.done_ns > other.done_ns : one.number > other.number;
}

}  // namespace

void Store::write_device(uint64_t offset, const Block& content) {
  forget_zswap(offset);
  disk_[offset] = content;
  slots_[offset].home = Home::kDevice;
  slots_[offset].digest = digest_of(content);
}

void Store::write_zswap(uint64_t offset, const Block& content) {
  forget_zswap(offset);
  Slot& slot = slots_[offset];
  if (zswap_free_.empty()) {
    zswap_free_.push_back(static_cast<uint32_t>(zswap_.size()));
    zswap_.emplace_back();
  }
  slot.compressed = zswap_free_.back();
  zswap_free_.pop_back();
  zswap_[slot.compressed] = content;
  slot.home = Home::kZswap;
  slot.digest = digest_of(content);
}

void Store::write_zero(uint64_t offset) {
  forget_zswap(offset);
  slots_[offset].home = Home::kZero;
  slots_[offset].digest = digest_of(Block{});
}

Home Store::read(uint64_t offset, Block& content) const {
  const Slot& slot = slots_[offset];
  if (slot.home == Home::kDevice) content = disk_[offset];
  if (slot.home == Home::kZswap) content = zswap_[slot.compressed];
  if (slot.home == Home::kZero) content = Block{};
  return slot.home;
}

void Store::forget_zswap(uint64_t offset) {
  Slot& slot = slots_[offset];
  if (slot.home != Home::kZswap) return;
  zswap_free_.push_back(slot.compressed);
  slot.compressed = kNoFrame;
  slot.home = Home::kNowhere;
}

void Store::forget(uint64_t offset) {
  forget_zswap(offset);
  slots_[offset].home = Home::kNowhere;
}

bool Store::is_what_went_out(uint64_t offset, const Block& content) const {
  return slots_[offset].digest == digest_of(content);
}

void Flights::add(Flight flight) {
  flight.number = numbers_++;
  heap_.push_back(flight);
  std::push_heap(heap_.begin(), heap_.end(), ends_later);
}

Flight Flights::take() {
  SWAPTRAIL_CHECK(!heap_.empty());
  std::pop_heap(heap_.begin(), heap_.end(), ends_later);
  const Flight flight = heap_.back();
  heap_.pop_back();
  return flight;
}

}  // namespace swaptrail::engine
