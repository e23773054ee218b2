#include "trace/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace swaptrail {
namespace {

TEST(Utf8, PrintsWhatATerminalShowsAndNothingThatItObeys) {
  EXPECT_EQ(printable("größe 日本 🙂"), "größe 日本 🙂");
  EXPECT_EQ(printable("\x1b[2J\r\n\t\x7f"), "?[2J????");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "?2J");  // C1: CSI in one character
  EXPECT_EQ(printable("\xc2\xa0"), "\xc2\xa0");
  EXPECT_EQ(printable("a\u202eb\u2066c\u200fd\u2028e"), "a?b?c?d?e");
  EXPECT_EQ(printable("a\u200bb\u2030"), "a\u200bb\u2030");
}

TEST(Utf8, CutsALineThatIsTooLong) {
  EXPECT_EQ(printable_line("größe", 7), "größe");
  EXPECT_EQ(printable_line("größe", 6), "größ ...");
  EXPECT_EQ(printable_line("größe", 5), "grö ...");  // not inside a character
  EXPECT_EQ(printable_line("\x1b[2Jx", 4), "?[2J ...");
  EXPECT_EQ(printable_line("\x80\x80\x80\x80\x80\x80", 5), "?? ...");
}

TEST(Utf8, KnowsWhatIsNone) {
  const std::string bad =
      "a\xff\xc0\xaf\xed\xa0\x80\xe2\x82";  // stray, overlong, surrogate, cut off
  EXPECT_EQ(printable(bad), "a????????");
  EXPECT_EQ(utf8("a\xff"), "a\xef\xbf\xbd");
  EXPECT_EQ(utf8("é"), "é");
}

TEST(Utf8, CountsCharactersAndCutsBetweenThem) {
  EXPECT_EQ(utf8_size("größe"), 5u);
  EXPECT_EQ(utf8_prefix("größe", 4), "größ");
  EXPECT_EQ(utf8_prefix("größe", 9), "größe");
  EXPECT_EQ(utf8_prefix("\xff\xff", 1), "\xff");
}

}  // namespace
}  // namespace swaptrail
