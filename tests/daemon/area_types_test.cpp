// Which type a line of /proc/swaps has.
#include "daemon/host/area_types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/host/kernel_areas.h"
#include "daemon/host/swap_areas.h"

namespace swaptrail::host {
namespace {

using testing::ElementsAre;

constexpr uint32_t kUnknown = kTypeNotKnown;

SeenArea line(const std::string& path, uint64_t pages = 100, int32_t priority = -2,
              AreaFile file = {}) {
  SeenArea seen;
  seen.area.path = path;
  seen.area.bytes = pages * 4096;
  seen.area.priority = priority;
  seen.area.type = kUnknown;
  seen.file = file;
  return seen;
}

std::vector<uint32_t> types_of(const std::vector<SeenArea>& lines) {
  std::vector<uint32_t> types;
  for (const SeenArea& one : lines) types.push_back(one.area.type);
  return types;
}

TEST(TypesByKernel, AHoleBeforeAnAreaShiftsNoType) {
  const KernelArea kernel[] = {{1, 100, -3, {.device = 0x100001}}, {2, 500, -4, {.inode = 77}}};
  std::vector<SeenArea> lines = {line("/dev/ram1", 100, -3, {.device = 0x100001}),
                                 line("/swap", 500, -4, {.inode = 77})};
  EXPECT_TRUE(set_types(kernel, 4096, lines));
  EXPECT_THAT(types_of(lines), ElementsAre(1, 2));
}

TEST(TypesByKernel, AnAreaOnItsWayOnIsPassedOver) {
  const KernelArea kernel[] = {{0, 0, 0, {}}, {1, 100, -3, {.device = 0x100001}}};
  std::vector<SeenArea> lines = {line("/dev/ram1", 100, -3, {.device = 0x100001})};
  EXPECT_TRUE(set_types(kernel, 4096, lines));
  EXPECT_THAT(types_of(lines), ElementsAre(1));
}

TEST(TypesByKernel, AFileThatStatDoesNotSeeIsFoundByItsPlaceIfNoneIsLeftOver) {
  const KernelArea two[] = {{1, 100, -2, {.inode = 5}}, {3, 100, -2, {.inode = 6}}};
  std::vector<SeenArea> lines = {line("/hidden/a"), line("/hidden/b")};
  EXPECT_TRUE(set_types(two, 4096, lines));
  EXPECT_THAT(types_of(lines), ElementsAre(1, 3));
  // three alike for two lines: which of them are the lines is not known
  const KernelArea three[] = {
      {1, 100, -2, {.inode = 5}}, {2, 100, -2, {.inode = 7}}, {3, 100, -2, {.inode = 6}}};
  lines = {line("/hidden/a"), line("/hidden/b")};
  EXPECT_FALSE(set_types(three, 4096, lines));
  EXPECT_THAT(types_of(lines), ElementsAre(kUnknown, kUnknown));
}

TEST(TypesByKernel, ListsOfTwoMomentsGiveNoType) {
  const KernelArea kernel[] = {{0, 100, -2, {.device = 1}}};
  std::vector<SeenArea> lines = {line("/a", 100, -2, {.device = 1}),
                                 line("/b", 100, -3, {.device = 2})};
  EXPECT_FALSE(set_types(kernel, 4096, lines));
  EXPECT_THAT(types_of(lines), ElementsAre(kUnknown, kUnknown));
}

struct ByUse : testing::Test {
  std::vector<uint32_t> update(std::vector<SeenArea> lines) {
    types.update(lines);
    EXPECT_EQ(types_of(lines), types.types());
    return types.types();
  }
  TypesByUse types;
};

TEST_F(ByUse, WhatWasOnBeforeTheStartIsNotKnownUntilItIsUsed) {
  EXPECT_THAT(update({line("/a")}), ElementsAre(kUnknown));
  EXPECT_TRUE(types.on_use(1));
  EXPECT_THAT(types.types(), ElementsAre(1));
}

TEST_F(ByUse, TypeZeroIsTheFirstLine) {
  update({line("/a"), line("/b")});
  EXPECT_TRUE(types.on_use(0));
  EXPECT_THAT(types.types(), ElementsAre(0, kUnknown));
  EXPECT_TRUE(types.on_use(2));
  EXPECT_THAT(types.types(), ElementsAre(0, 2));
}

TEST_F(ByUse, OneUseOfTwoAreasSaysNothingIfItCanBeOfBoth) {
  update({line("/a"), line("/b")});
  EXPECT_FALSE(types.on_use(1));
  EXPECT_THAT(types.types(), ElementsAre(kUnknown, kUnknown));
  EXPECT_TRUE(types.on_use(4));
  EXPECT_THAT(types.types(), ElementsAre(1, 4));
}

TEST_F(ByUse, NewAreasTakeTheLowestFreeType) {
  EXPECT_TRUE(update({}).empty());
  EXPECT_THAT(update({line("/a"), line("/b"), line("/c")}), ElementsAre(0, 1, 2));
  EXPECT_THAT(update({line("/b"), line("/c")}), ElementsAre(1, 2)) << "a hole";
  EXPECT_THAT(update({line("/d"), line("/b"), line("/c"), line("/e")}), ElementsAre(0, 1, 2, 3));
}

TEST_F(ByUse, OneForAnotherIsPlacedByTheOrderOrNotAtAll) {
  update({});
  update({line("/a"), line("/b")});
  // after /a went: type 0, before /b. Before it went: type 2, behind /b
  EXPECT_THAT(update({line("/c"), line("/b")}), ElementsAre(0, 1));
  EXPECT_THAT(update({line("/b"), line("/d")}), ElementsAre(1, 2));
  // type 0 (free), for both orders
  EXPECT_THAT(update({line("/e"), line("/b")}), ElementsAre(0, 1));
  update({line("/e"), line("/b"), line("/f")});
  // 2 after /f went, 3 before: behind /b in both cases
  EXPECT_THAT(update({line("/e"), line("/b"), line("/g")}), ElementsAre(0, 1, kUnknown));
}

TEST_F(ByUse, AUseThatContradictsForgetsWhatWasThought) {
  update({});
  // something took type 0 and went, unseen: what is on has type 1
  EXPECT_THAT(update({line("/a")}), ElementsAre(0));
  EXPECT_TRUE(types.on_use(1));
  EXPECT_THAT(types.types(), ElementsAre(1));
  EXPECT_TRUE(types.on_use(7)) << "and again";
  EXPECT_THAT(types.types(), ElementsAre(7));
}

TEST_F(ByUse, ATypeOrderThatCannotBeForgetsToo) {
  update({});
  update({line("/a"), line("/b")});
  EXPECT_THAT(update({line("/b"), line("/a")}), ElementsAre(kUnknown, kUnknown));
}

TEST(ProcSwaps, LinesHaveNoTypesOfTheirOwnAndTheirPathsAreUnescaped) {
  const std::vector<SeenArea> lines = parse_swap_areas(
      "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
      "/dev/zram0                              partition\t307196\t\t0\t\t100\n"
      "/my\\040swap                               file\t\t1024\t\t4\t\t-2\n"
      "odd\n",
      5);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].area.path, "/dev/zram0");
  EXPECT_EQ(lines[0].area.priority, 100);
  EXPECT_EQ(lines[0].area.used_bytes, 0u);
  EXPECT_EQ(lines[1].area.path, "/my swap");
  EXPECT_EQ(lines[1].area.used_bytes, 4096u);
  EXPECT_EQ(lines[1].area.bytes, 1024u * 1024);
  EXPECT_EQ(lines[1].area.priority, -2);
  EXPECT_THAT(types_of(lines), ElementsAre(kUnknown, kUnknown));
}

}  // namespace
}  // namespace swaptrail::host
