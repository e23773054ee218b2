// Ids in order take the pages that they need, not all of the table's.
#include "daemon/base/fixed_map.h"

#include <gtest/gtest.h>

#include "tests/memory/resident.h"

namespace swaptrail {
namespace {

TEST(FixedMapMemory, IdsInOrderTouchFewPages) {
  constexpr uint64_t kIds = 65'536;
  const uint64_t before = status_kb("VmRSS");
  base::FixedMap<uint32_t> map(1 << 20);  // 24 MiB in all
  for (uint64_t id = 1; id <= kIds; ++id) *map.insert(id) = 1;
  EXPECT_LT(status_kb("VmRSS"), before + 3 * kMiB) << "for 768 KiB of entries";
  for (uint64_t id = 1; id <= kIds; ++id) {
    ASSERT_NE(map.find(id), nullptr);
    map.erase(id);
  }
  EXPECT_EQ(map.size(), 0u);
}

}  // namespace
}  // namespace swaptrail
