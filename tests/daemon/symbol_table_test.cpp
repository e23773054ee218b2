#include "daemon/probe/symbol_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace swaptrail::probe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kKallsyms[] =
    "ffffffff81641600 t setup_swap_info\n"
    "ffffffff81641700 T add_to_swap\n"
    "ffffffff81641800 t once.isra.0\n"
    "ffffffff81641900 t split.part.0\n"
    "ffffffff81641910 t split.constprop.0.isra.0\n"
    "ffffffff81641920 t split.cold\n"
    "ffffffff81641930 t split\n"
    "ffffffff81641a00 t twice\n"
    "ffffffff81641a10 t twice\n"
    "ffffffff81641b00 t only_cold.cold\n"
    "ffffffff8d5e2fa0 B swap_info\n"
    "ffffffff8d5e30a0 b swap_info_lock\n"
    "ffffffff8d5e30b0 t of_a_module\t[module]\n"
    "ffffffff8d5e30c0 t last";

TEST(SymbolTable, FindsFunctionsAndTheirClones) {
  const SymbolTable table(kKallsyms);
  ASSERT_TRUE(table.has_functions());
  EXPECT_EQ(table.function("add_to_swap").state, SymbolState::kExact);
  EXPECT_THAT(table.function("add_to_swap").twins, IsEmpty());
  EXPECT_EQ(table.function("once").state, SymbolState::kSuffixOnly);
  EXPECT_THAT(table.function("once").twins, ElementsAre("once.isra.0"));
  EXPECT_EQ(table.function("split").state, SymbolState::kExact);
  EXPECT_THAT(table.function("split").twins,
              ElementsAre("split.constprop.0.isra.0", "split.part.0"));
  EXPECT_EQ(table.function("twice").state, SymbolState::kAmbiguous);
  EXPECT_EQ(table.function("last").state, SymbolState::kExact) << "a line without an end";
  for (const char* none : {"only_cold", "add_to", "swap_info", "of_a_module", "sp", ""})
    EXPECT_EQ(table.function(none).state, SymbolState::kAbsent) << none;
}

TEST(SymbolTable, AnAddressIsOfTheWholeNameAndOfOneSymbol) {
  const SymbolTable table(kKallsyms);
  EXPECT_EQ(table.address("swap_info"), 0xffffffff8d5e2fa0);
  EXPECT_EQ(table.address("nr_swapfiles"), 0u);
  EXPECT_EQ(table.address("twice"), 0u);
  EXPECT_EQ(table.address("last"), 0xffffffff8d5e30c0);
}

TEST(SymbolTable, BareNamesAreFunctions) {
  const SymbolTable table("one\r\n\n  two  \nthree four\n");
  EXPECT_EQ(table.function("one").state, SymbolState::kExact);
  EXPECT_EQ(table.function("two").state, SymbolState::kExact);
  EXPECT_EQ(table.function("three").state, SymbolState::kAbsent);
  EXPECT_EQ(table.address("one"), 0u);
}

TEST(SymbolTable, NothingIsInNone) {
  for (const char* text : {"", "\n\n", "ffffffff8d5e2fa0 B swap_info\n"})
    EXPECT_FALSE(SymbolTable(text).has_functions()) << text;
}

}  // namespace
}  // namespace swaptrail::probe
