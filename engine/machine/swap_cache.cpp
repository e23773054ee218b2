#include "engine/machine/swap_cache.h"

#include "trace/decode.h"

namespace swaptrail::engine {

void SwapCache::add_area(uint32_t type, uint64_t pages) {
  if (areas_.size() <= type) areas_.resize(type + 1);
  areas_[type].clear();
  areas_[type].resize((pages + part_slots_ - 1) / part_slots_);
}

void SwapCache::remove_area(uint32_t type) {
  if (type < areas_.size()) areas_[type].clear();
}

uint64_t SwapCache::load(uint64_t entry) const {
  const uint32_t type = entry_type(entry);
  const uint64_t offset = entry_offset(entry);
  if (type >= areas_.size() || offset / part_slots_ >= areas_[type].size()) return 0;
  const Part& part = areas_[type][offset / part_slots_];
  return part == nullptr ? 0 : part[offset % part_slots_];
}

uint64_t& SwapCache::store(uint64_t entry) {
  const uint64_t offset = entry_offset(entry);
  Part& part = areas_[entry_type(entry)][offset / part_slots_];
  if (part == nullptr) {
    part = std::make_unique<uint64_t[]>(part_slots_);
    ++parts_;
  }
  return part[offset % part_slots_];
}

void SwapCache::add(uint64_t entry, uint32_t nr_pages, uint32_t frame) {
  for (uint32_t i = 0; i < nr_pages; ++i) {
    store(entry + i) = uint64_t{frame + i} << kTagBits | kFrame;
  }
}

void SwapCache::remove(uint64_t entry, uint32_t nr_pages, std::optional<uint64_t> age) {
  const uint64_t word = age.has_value() ? *age << kTagBits | kShadow : 0;
  for (uint32_t i = 0; i < nr_pages; ++i) store(entry + i) = word;
}

std::optional<uint64_t> SwapCache::shadow(uint64_t entry) const {
  const uint64_t word = load(entry);
  if ((word & kShadow) == 0) return std::nullopt;
  return word >> kTagBits;
}

void SwapCache::forget(uint64_t entry) {
  if (load(entry) != 0) store(entry) = 0;
}

}  // namespace swaptrail::engine
