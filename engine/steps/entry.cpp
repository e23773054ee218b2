#include "engine/steps/entry.h"

#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace swaptrail::engine {
namespace {

constexpr int8_t kNoBit = -1;

// The positions of a value's parts. All other bits are zero.
struct Fields {
  std::string_view name;
  uint8_t type_shift;
  uint8_t type_bits;
  uint8_t offset_shift;
  uint8_t offset_bits;
  bool inverted = false;  // the offset: so that a speculative load finds no memory there (L1TF)
  int8_t soft_dirty = kNoBit;
  int8_t uffd_wp = kNoBit;
  int8_t exclusive = kNoBit;
};

constexpr Fields kEntryFields[] = {
    {"low_type_7", 1, 7, 8, 24},
    {"low_type_6", 1, 6, 8, 24},
    {"type_at_57", 57, 5, 0, 57},
    {"type_at_58", 58, 5, 0, 58},
};
static_assert(std::size(kEntryFields) == static_cast<size_t>(EntryLayout::kCount));

constexpr Fields kPteFields[] = {
    {"x86_plain", 1, 5, 9, 55, false, 7, kNoBit, kNoBit},
    {"x86_inverted", 59, 5, 9, 50, true, 1, 2, 3},
    {"arm64_plain", 2, 6, 8, 50},
    {"arm64_exclusive", 3, 5, 8, 50, false, kNoBit, kNoBit, 2},
    {"arm64_uffd_wp", 6, 5, 12, 50, false, kNoBit, 3, 2},
};
static_assert(std::size(kPteFields) == static_cast<size_t>(PteLayout::kCount));

const Fields& fields_of(EntryLayout layout) { return kEntryFields[static_cast<size_t>(layout)]; }
const Fields& fields_of(PteLayout layout) { return kPteFields[static_cast<size_t>(layout)]; }

constexpr uint64_t low_bits(int count) { return (uint64_t{1} << count) - 1; }
constexpr uint64_t bit(int8_t place) { return place == kNoBit ? 0 : uint64_t{1} << place; }
constexpr uint64_t type_mask(const Fields& fields) {
  return low_bits(fields.type_bits) << fields.type_shift;
}
constexpr uint64_t offset_mask(const Fields& fields) {
  return low_bits(fields.offset_bits) << fields.offset_shift;
}

absl::StatusOr<uint64_t> pack(const Fields& fields, const SwapEntry& entry) {
  if (entry.type > low_bits(fields.type_bits)) {
    return absl::OutOfRangeError(
        absl::StrFormat("%s has no room for swap type %u", fields.name, entry.type));
  }
  if (entry.offset == 0 || entry.offset > low_bits(fields.offset_bits)) {
    return absl::OutOfRangeError(absl::StrFormat("%s has no slot %u", fields.name, entry.offset));
  }
  const uint64_t offset = fields.inverted ? ~entry.offset : entry.offset;
  return uint64_t{entry.type} << fields.type_shift |
         ((offset << fields.offset_shift) & offset_mask(fields));
}

absl::StatusOr<SwapEntry> unpack(const Fields& fields, uint64_t value) {
  const uint64_t flags = bit(fields.soft_dirty) | bit(fields.uffd_wp) | bit(fields.exclusive);
  const uint64_t stray = value & ~(type_mask(fields) | offset_mask(fields) | flags);
  if (stray != 0) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%s: bits %#x of %#x are not zero", fields.name, stray, value));
  }
  const uint64_t plain = fields.inverted ? ~value : value;
  const SwapEntry entry{static_cast<uint32_t>((value & type_mask(fields)) >> fields.type_shift),
                        (plain & offset_mask(fields)) >> fields.offset_shift};
  if (value == 0 || entry.offset == 0) {
    return absl::OutOfRangeError(absl::StrFormat("%s: %#x is no slot", fields.name, value));
  }
  return entry;
}

}  // namespace

uint32_t max_type(EntryLayout layout) { return low_bits(fields_of(layout).type_bits); }
uint64_t max_offset(EntryLayout layout) { return low_bits(fields_of(layout).offset_bits); }
uint32_t max_type(PteLayout layout) { return low_bits(fields_of(layout).type_bits); }
uint64_t max_offset(PteLayout layout) { return low_bits(fields_of(layout).offset_bits); }

absl::StatusOr<uint64_t> encode_entry(EntryLayout layout, const SwapEntry& entry) {
  return pack(fields_of(layout), entry);
}

absl::StatusOr<SwapEntry> decode_entry(EntryLayout layout, uint64_t value) {
  return unpack(fields_of(layout), value);
}

absl::StatusOr<uint64_t> encode_pte(PteLayout layout, const SwapPte& pte) {
  const Fields& fields = fields_of(layout);
  absl::StatusOr<uint64_t> value = pack(fields, pte.entry);
  if (!value.ok()) return value;
  const struct {
    bool wanted;
    int8_t place;
    std::string_view name;
  } flags[] = {{pte.soft_dirty, fields.soft_dirty, "soft-dirty"},
               {pte.uffd_wp, fields.uffd_wp, "uffd-wp"},
               {pte.exclusive, fields.exclusive, "exclusive"}};
  for (const auto& flag : flags) {
    if (flag.wanted && flag.place == kNoBit) {
      return absl::InvalidArgumentError(
          absl::StrFormat("%s has no %s bit", fields.name, flag.name));
    }
    if (flag.wanted) *value |= bit(flag.place);
  }
  return value;
}

absl::StatusOr<SwapPte> decode_pte(PteLayout layout, uint64_t value) {
  const Fields& fields = fields_of(layout);
  const absl::StatusOr<SwapEntry> entry = unpack(fields, value);
  if (!entry.ok()) return entry.status();
  return SwapPte{*entry, (value & bit(fields.soft_dirty)) != 0, (value & bit(fields.uffd_wp)) != 0,
                 (value & bit(fields.exclusive)) != 0};
}

std::string_view entry_layout_name(EntryLayout layout) {
  return layout < EntryLayout::kCount ? fields_of(layout).name : "unknown";
}

std::string_view pte_layout_name(PteLayout layout) {
  return layout < PteLayout::kCount ? fields_of(layout).name : "unknown";
}

}  // namespace swaptrail::engine
