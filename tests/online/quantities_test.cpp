#include "cli/online/quantities.h"

#include <gtest/gtest.h>

#include "cli/online/table.h"

namespace swaptrail::online {
namespace {

TEST(Quantities, Sizes) {
  const std::pair<const char*, uint64_t> good[] = {
      {"4096", 4096}, {"4K", 4096}, {"64M", 67'108'864}, {"2g", 2'147'483'648}};
  for (const auto& [text, bytes] : good) EXPECT_EQ(parse_size_bytes(text).value_or(0), bytes);
  for (const char* bad : {"", "K", "0", "-1", "1T", "1 M", "99999999999999999999", "20000000000G"})
    EXPECT_FALSE(parse_size_bytes(bad).ok()) << bad;
}

TEST(Quantities, Numbers) {
  EXPECT_EQ(*parse_number("0x7f00"), 0x7f00);
  EXPECT_EQ(*parse_number("17"), 17);
  for (const char* bad : {"", "0x", "0x-1", "0x0x1", "7f", " 1", "0x10000000000000000"})
    EXPECT_FALSE(parse_number(bad).ok()) << bad;
}

TEST(Quantities, Entries) {
  EXPECT_EQ(parse_entry("3:12")->type(), 3);
  EXPECT_EQ(parse_entry("3:12")->offset(), 12);
  for (const char* bad : {"", ":", "3", "3:", ":3", "a:b", "4294967296:1", "1:2:3"})
    EXPECT_FALSE(parse_entry(bad).ok()) << bad;
}

TEST(Quantities, Durations) {
  EXPECT_EQ(*parse_duration("1h30m"), absl::Minutes(90));
  for (const char* bad : {"", "5", "0s", "-1s", "inf", "5 apples", "200000h"})
    EXPECT_FALSE(parse_duration(bad).ok()) << bad;
}

TEST(Quantities, NoTimeIsEndless) {
  for (const char* bad : {"infinite-future", "infinite-past", "10000-01-01T00:00:00Z",
                          "0000-01-01T00:00:00Z", "-001-01-01T00:00:00Z"})
    EXPECT_FALSE(parse_moment_ago(bad, absl::UnixEpoch()).ok()) << bad;
  EXPECT_TRUE(parse_moment_ago("9999-12-31T23:59:59.9Z", absl::UnixEpoch()).ok());
  EXPECT_TRUE(parse_moment_ago("0001-01-01T00:00:00Z", absl::UnixEpoch()).ok());
}

TEST(Quantities, TimesBeforeTheEpochAreRight) {
  const auto timestamp = timestamp_of(absl::FromUnixMillis(-500));
  EXPECT_EQ(timestamp.seconds(), -1);
  EXPECT_EQ(timestamp.nanos(), 500'000'000);
}

TEST(Quantities, Bytes) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(percent_text(1, 0), "-");
}

TEST(TableText, NumbersEndAndWordsBeginTogether) {
  Table table({{"NAME"}, {"PAGES", Align::kRight}, {"NOTE"}});
  table.add({"a", "5", ""});
  table.add({"longer", "123456", "x"});
  EXPECT_EQ(table.text({}),
            "NAME     PAGES  NOTE\n"
            "a            5\n"
            "longer  123456  x\n");
  EXPECT_EQ(table.text({true}).substr(0, 8), "\x1b[1mNAME");
}

}  // namespace
}  // namespace swaptrail::online
