#include "engine/steps/entry.h"

#include <gtest/gtest.h>

#include <random>

#include "trace/decode.h"

namespace swaptrail::engine {
namespace {

constexpr int kRounds = 2000;

template <typename Layout>
SwapEntry random_entry(Layout layout, std::mt19937_64& random) {
  return {static_cast<uint32_t>(random() % (max_type(layout) + 1)),
          1 + random() % max_offset(layout)};
}

TEST(EngineEntry, RoundTripsInEveryLayout) {
  std::mt19937_64 random(7);
  for (int at = 0; at < static_cast<int>(EntryLayout::kCount); ++at) {
    const auto layout = static_cast<EntryLayout>(at);
    for (int round = 0; round < kRounds; ++round) {
      const SwapEntry entry = random_entry(layout, random);
      const auto value = encode_entry(layout, entry);
      ASSERT_TRUE(value.ok()) << value.status();
      EXPECT_EQ(decode_entry(layout, *value).value(), entry) << entry_layout_name(layout);
    }
  }
}

TEST(EngineEntry, KnownValues) {
  EXPECT_EQ(encode_entry(EntryLayout::kLowType7, {3, 5}).value(), 3u << 1 | 5u << 8);
  EXPECT_EQ(encode_entry(EntryLayout::kLowType6, {63, 5}).value(), 63u << 1 | 5u << 8);
  EXPECT_EQ(encode_entry(EntryLayout::kTypeAt57, {1, 5}).value(), uint64_t{1} << 57 | 5);
  EXPECT_EQ(encode_entry(EntryLayout::kTypeAt58, {7, 16384}).value(), make_entry(7, 16384));
}

TEST(EngineEntry, RefusesWhatDoesNotFit) {
  const auto code = [](auto result) { return result.status().code(); };
  for (int at = 0; at < static_cast<int>(EntryLayout::kCount); ++at) {
    const auto layout = static_cast<EntryLayout>(at);
    EXPECT_EQ(code(encode_entry(layout, {max_type(layout) + 1, 1})), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(code(encode_entry(layout, {0, max_offset(layout) + 1})),
              absl::StatusCode::kOutOfRange);
    EXPECT_EQ(code(encode_entry(layout, {0, 0})), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(code(decode_entry(layout, 0)), absl::StatusCode::kOutOfRange);
  }
  EXPECT_EQ(code(decode_entry(EntryLayout::kLowType6, 1 << 8 | 1 << 7)),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(decode_entry(EntryLayout::kTypeAt58, uint64_t{1} << 63 | 1)),
            absl::StatusCode::kInvalidArgument);
}

TEST(EnginePte, RoundTripsInEveryLayout) {
  std::mt19937_64 random(11);
  for (int at = 0; at < static_cast<int>(PteLayout::kCount); ++at) {
    const auto layout = static_cast<PteLayout>(at);
    for (int round = 0; round < kRounds; ++round) {
      SwapPte pte{random_entry(layout, random)};
      pte.soft_dirty = layout <= PteLayout::kX86Inverted && random() % 2 == 0;
      pte.exclusive = (layout == PteLayout::kX86Inverted || layout >= PteLayout::kArm64Exclusive) &&
                      random() % 2 == 0;
      const auto value = encode_pte(layout, pte);
      ASSERT_TRUE(value.ok()) << value.status();
      EXPECT_EQ(*value & 1, 0u) << "a page table entry with bit 0 would be present";
      EXPECT_EQ(decode_pte(layout, *value).value(), pte) << pte_layout_name(layout);
    }
  }
}

// The kernel's own formula, arch/x86/include/asm/pgtable_64.h.
TEST(EnginePte, InvertedIsTheKernelsFormula) {
  std::mt19937_64 random(13);
  for (int round = 0; round < kRounds; ++round) {
    const SwapEntry entry = random_entry(PteLayout::kX86Inverted, random);
    const uint64_t expected = ~entry.offset << 14 >> 5 | uint64_t{entry.type} << 59;
    const uint64_t value = encode_pte(PteLayout::kX86Inverted, {entry}).value();
    EXPECT_EQ(value, expected);
    EXPECT_EQ(value >> 59, entry.type);
    EXPECT_EQ(~value << 5 >> 14, entry.offset);
  }
}

TEST(EnginePte, FlagsHaveTheirBits) {
  const SwapPte all{{2, 9}, true, true, true};
  EXPECT_EQ(encode_pte(PteLayout::kX86Inverted, all).value() & 0x1ff, 0b1110u);
  EXPECT_EQ(encode_pte(PteLayout::kX86Plain, {{2, 9}, true}).value(), 9u << 9 | 1u << 7 | 2u << 1);
  EXPECT_EQ(encode_pte(PteLayout::kArm64Plain, {{2, 9}}).value(), 9u << 8 | 2u << 2);
  EXPECT_EQ(encode_pte(PteLayout::kArm64Exclusive, {{2, 9}, false, false, true}).value(),
            9u << 8 | 2u << 3 | 1u << 2);
  EXPECT_EQ(encode_pte(PteLayout::kArm64UffdWp, {{2, 9}, false, true, true}).value(),
            9u << 12 | 2u << 6 | 0b1100u);
}

TEST(EnginePte, RefusesFlagsWithoutABitAndStrayBits) {
  const auto code = [](auto result) { return result.status().code(); };
  EXPECT_EQ(code(encode_pte(PteLayout::kArm64Plain, {{0, 1}, false, false, true})),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(encode_pte(PteLayout::kX86Plain, {{0, 1}, false, true})),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(decode_pte(PteLayout::kX86Inverted, 1)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(decode_pte(PteLayout::kX86Inverted, 1 << 7)), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(decode_pte(PteLayout::kArm64UffdWp, 1 << 11 | 1 << 12)),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(decode_pte(PteLayout::kX86Inverted, 0)), absl::StatusCode::kOutOfRange);
}

TEST(EngineEntry, NamesOutsideTheEnum) {
  EXPECT_EQ(entry_layout_name(EntryLayout::kTypeAt58), "type_at_58");
  EXPECT_EQ(entry_layout_name(EntryLayout::kCount), "unknown");
  EXPECT_EQ(pte_layout_name(PteLayout::kCount), "unknown");
}

}  // namespace
}  // namespace swaptrail::engine
