// A recording of a real kernel, damaged in every place.
#include <fstream>
#include <sstream>

#include "tests/unit/recording_scene.h"

namespace swaptrail {
namespace {

constexpr const char* kGolden = SWAPTRAIL_TEST_DATA "/recordings/5.10-nvme-thp.swaptrail";

std::string golden() {
  std::ifstream file(kGolden, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return std::move(bytes).str();
}

TEST(RecordingGolden, EveryFlippedByteIsTold) {
  const std::string whole = golden();
  const Replay good = replay(whole);
  ASSERT_TRUE(good.status.ok()) << good.status;
  ASSERT_GT(good.items.size(), 100u);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(~bytes[at]);
    const Replay back = replay(bytes);
    EXPECT_FALSE(back.status.ok()) << at;
    EXPECT_TRUE(is_prefix(back.items, good.items)) << at;
  }
}

TEST(RecordingGolden, EveryTruncationIsTold) {
  const std::string whole = golden();
  const Replay good = replay(whole);
  ASSERT_TRUE(good.status.ok()) << good.status;
  for (size_t length = 0; length < whole.size(); ++length) {
    const Replay back = replay(std::string_view(whole).substr(0, length));
    EXPECT_TRUE(is_prefix(back.items, good.items)) << length;
    // between two records nothing is torn, but the end is missing
    EXPECT_FALSE(back.status.ok() && back.contents.finished) << length;
  }
}

}  // namespace
}  // namespace swaptrail
