#include "base/printable.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace cotenant {
namespace {

TEST(Printable, KeepsWhatAReaderSees) {
  for (const char* text :
       {"", "distilgpt2", "größer", "模型 · 8 × 128", "«ação»", "emoji 🙂", "नमस्ते", "e\u0301", "\uE000"})
    EXPECT_EQ(printable(text), text);
}

TEST(Printable, ReplacesWhatATerminalObeys) {
  const std::pair<std::string, std::string> cases[] = {
      {"\x1b[31mred\x1b[0m", "?[31mred?[0m"},
      {"\x1b]0;title\x07", "?]0;title?"},
      {std::string("a\0b", 3), "a?b"},
      {"a\r\nb\tc\x7f", "a??b?c?"},
      {"\u009b31m", "?31m"},  // C1's CSI, as UTF-8
      {"\x9b"
       "31m",
       "?31m"},                                               // and as a byte
      {"\u202eexe.\u2066x\u2069\u200f\u061c", "?exe.?x???"},  // bidirectional controls
      {"\u2028\u2029\u200b\ufeff\u2060", "?????"},
      {"\U000e0041\U0010ffff\uffff\ufdd0", "????"},
  };
  for (const auto& [text, shown] : cases) EXPECT_EQ(printable(text), shown);
}

TEST(Printable, ReplacesEachByteThatIsNoUtf8) {
  EXPECT_EQ(printable("\xff\xfe"), "??");
  EXPECT_EQ(printable("\xc0\xaf"), "??");       // '/' in two bytes
  EXPECT_EQ(printable("\xe0\x80\x9b"), "???");  // U+001B in three
  EXPECT_EQ(printable("\xed\xa0\x80"), "???");  // a surrogate
  EXPECT_EQ(printable("\xf5\x80\x80\x80"), "????");
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "????");  // beyond U+10FFFF
  EXPECT_EQ(printable("ab\xe2\x82"), "ab??");        // cut off
  EXPECT_EQ(printable("\xe2\x82z"), "??z");
}

TEST(Printable, KeepsLineBreaksWhereAsked) {
  EXPECT_EQ(printable_lines("a\x1b\nb\n"), "a?\nb\n");
  EXPECT_EQ(printable_lines(std::string(100'000, '\n')), std::string(100'000, '\n'));
}

TEST(Shortened, CutsBetweenCharacters) {
  EXPECT_EQ(shortened("größe", 5), "größe");
  EXPECT_EQ(shortened("größer", 5), "größ…");
  EXPECT_EQ(shortened("🙂🙂🙂", 2), "🙂…");
  EXPECT_EQ(shortened("abc", 1), "…");
  EXPECT_EQ(shortened("", 1), "");
}

}  // namespace
}  // namespace cotenant
