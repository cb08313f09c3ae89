#include "base/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cotenant {
namespace {

TEST(JsonText, CountsLevelsOutsideOfStrings) {
  EXPECT_FALSE(json_is_deeper_than("", 0));
  EXPECT_FALSE(json_is_deeper_than("1", 0));
  EXPECT_TRUE(json_is_deeper_than("[]", 0));
  EXPECT_FALSE(json_is_deeper_than("[[], {}, [{}]]", 3));
  EXPECT_TRUE(json_is_deeper_than("[[], {}, [{}]]", 2));
  EXPECT_FALSE(json_is_deeper_than(R"({"[[[\"[[[": "\\"})", 1));
  EXPECT_FALSE(json_is_deeper_than("]]]][", 1));
  EXPECT_TRUE(json_is_deeper_than(std::string(200'000, '['), deepest_json));
  EXPECT_TRUE(json_is_deeper_than(R"({"a": {"b": "\\"}, "c": [[)", 2));
}

TEST(JsonText, TakesAByteOrderMarkAway) {
  EXPECT_EQ(without_bom("\xef\xbb\xbf{}"), "{}");
  EXPECT_EQ(without_bom("{}"), "{}");
  EXPECT_EQ(without_bom("\xef\xbb"), "\xef\xbb");
}

TEST(JsonText, ProblemsAreOfAMessagesLength) {
  EXPECT_EQ(json_problem("[json.exception.parse_error.101] parse error at line 1"), "parse error at line 1");
  const std::string cut = json_problem(std::string(199, 'a') + "\xc3\xa9" + std::string(5000, 'b'));
  EXPECT_EQ(cut, std::string(199, 'a') + "...");
}

}  // namespace
}  // namespace cotenant
