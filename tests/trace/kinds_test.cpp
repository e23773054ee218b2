#include "trace/kinds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

namespace swaptrail {
namespace {

// The first column of the table of events in docs/EVENTS.md: "| RECLAIM_BEGIN, _END | ...".
std::string documented_names() {
  std::ifstream page(SWAPTRAIL_SOURCE_DIR "/docs/EVENTS.md");
  std::string names;
  for (std::string line; std::getline(page, line) && !line.starts_with("Origins:");)
    if (line.starts_with("| ")) names += line.substr(0, line.find('|', 2)) + " ";
  return names;
}

TEST(Kinds, AreAllDocumented) {
  const std::string names = documented_names();
  ASSERT_FALSE(names.empty());
  for (const EventKind& kind : kEventKinds) {
    std::string name(kind.name);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return std::toupper(c); });
    if (name.ends_with("_END")) name = "_END";
    EXPECT_NE(names.find(name), std::string::npos) << name;
  }
}

TEST(Kinds, WhoWaitsIsNoFolio) {
  for (const EventKind& kind : kEventKinds) {
    EXPECT_FALSE(kind.reader && kind.folio) << kind.name;
    if (kind.reader) {
      EXPECT_EQ(kind.arm, EventArm::kMap) << kind.name;
    }
  }
}

}  // namespace
}  // namespace swaptrail
