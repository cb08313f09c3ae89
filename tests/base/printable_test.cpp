#include "base/printable.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
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

TEST(Printable, KeepsLineBreaksWhereAskedButNoLinePassesForAnother) {
  EXPECT_EQ(printable_lines("a\x1b\n  b\n"), "a?\n  b\n");
  EXPECT_EQ(printable_lines("a\ncotenant: all is well"), "a\n  cotenant: all is well");
  EXPECT_EQ(printable_lines(std::string(100'000, '\n')), std::string(100'000, '\n'));
}

TEST(Printable, LongLinesLoseTheirMiddle) {
  std::string umlauts;
  for (int i = 0; i < 50'000; ++i) umlauts += "ü";
  const std::string shown = printable_lines("x" + umlauts + " is no file\n  Give one.");
  EXPECT_LT(shown.size(), 2000u);
  EXPECT_TRUE(shown.starts_with("xü"));
  EXPECT_NE(shown.find("… (100012 bytes) …ü"), shown.npos) << shown;
  EXPECT_TRUE(shown.ends_with("ü is no file\n  Give one."));
  EXPECT_EQ(shown, printable_lines(shown));  // no character is torn
}

TEST(PrintableJson, MeansTheSame) {
  const std::string text = "\x1b[31m \u009b1m \u202e größe \U000e0041 \x7f \" \\ \n";
  const nlohmann::json value = {{"name", text}, {"list", {1, 2.5, nullptr}}};
  const std::string shown = printable_json(value.dump(2));
  EXPECT_EQ(nlohmann::json::parse(shown), value);
  EXPECT_EQ(printable(shown).find("größe"), shown.find("größe"));
  for (const char* unseen : {"\x1b", "\u009b", "\u202e", "\U000e0041", "\x7f"})
    EXPECT_EQ(shown.find(unseen), std::string::npos);
}

// As CommonMark has it, a backslash before ASCII punctuation shows it.
TEST(PrintableMarkdown, ShowsTheTextAndNothingElse) {
  const std::pair<std::string, std::string> cases[] = {
      {"distilgpt2_1: 4.5 ms (1.52x), 50%", "distilgpt2_1: 4.5 ms (1.52x), 50%"},
      {"a|b\\", "a\\|b\\\\"},
      {"<img src=x onerror=alert(1)>", "\\<img src=x onerror=alert(1)\\>"},
      {"&lt;", "\\&lt;"},
      {"[here](javascript:alert(1))", "\\[here\\](javascript:alert(1))"},
      {"![x](http://a.b/c.png)", "\\!\\[x\\](http\\://a.b/c.png)"},
      {"WWW.example.com a@b.c", "WWW\\.example.com a\\@b.c"},
      {"*a* _b_ `c` ~d~ $e$", "\\*a\\* \\_b\\_ \\`c\\` \\~d\\~ \\$e\\$"},
      {"# x", "\\# x"},
      {"- x", "\\- x"},
      {"1. x", "1\\. x"},
      {"a\n\n# b", "a??# b"},
  };
  for (const auto& [text, shown] : cases) EXPECT_EQ(printable_markdown(text), shown);
}

TEST(PrintableCsv, IsAFieldAndNoFormula) {
  const std::pair<std::string, std::string> cases[] = {
      {"distilgpt2", "distilgpt2"},
      {"a,b", "\"a,b\""},
      {"say \"x\"", "\"say \"\"x\"\"\""},
      {"=1+1", "'=1+1"},
      {"+1", "'+1"},
      {"-1+1", "'-1+1"},
      {"@SUM(A1)", "'@SUM(A1)"},
      {"=HYPERLINK(\"http://a.b\",\"x\")", "\"'=HYPERLINK(\"\"http://a.b\"\",\"\"x\"\")\""},
      {" =1", "' =1"},
      {"\"=1", "\"'\"\"=1\""},
      {"\t=1", "?=1"},
      {"a\r\n=1",
       "a?"
       "?=1"},
      {"＝1", "'＝1"},
      {"-0.25", "-0.25"},
      {"-1e-05", "-1e-05"},
      {"", ""},
  };
  for (const auto& [text, field] : cases) EXPECT_EQ(printable_csv(text), field);
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
