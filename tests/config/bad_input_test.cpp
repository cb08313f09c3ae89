#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bad_inputs.h"
#include "base/error.h"
#include "config/load.h"
#include "places.h"

namespace cotenant {
namespace {

using testing::HasSubstr;

class BadConfig : public testing::TestWithParam<BadInput> {};

TEST_P(BadConfig, IsRefusedAtItsPlace) {
  const BadInput& bad = GetParam();
  try {
    parse_config(bad.yaml, "pair.yaml");
    FAIL() << "was accepted:\n" << bad.yaml;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage);
    if (bad.where.empty()) {
      EXPECT_THAT(e.where(), testing::StartsWith("pair.yaml"));
    } else {
      EXPECT_EQ(e.where(), "pair.yaml:" + bad.where);
    }
    EXPECT_THAT(e.message(), HasSubstr(bad.what));
    EXPECT_THAT(e.remedy(), HasSubstr(bad.remedy));
  }
}

INSTANTIATE_TEST_SUITE_P(All, BadConfig, testing::ValuesIn(bad_inputs()),
                         [](const auto& info) { return info.param.name; });

TEST(BadFile, Missing) {
  try {
    load_config(source_dir() + "/configs/demo/dmo.yaml");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage);
    EXPECT_THAT(e.message(), HasSubstr("No such file"));
    EXPECT_THAT(e.remedy(), HasSubstr("configs/demo/demo.yaml"));
  }
}

TEST(BadFile, Directory) {
  EXPECT_THROW(load_config(source_dir() + "/configs"), Error);
}

TEST(BadFile, LargerThanAMebibyte) {
  const std::string good = "tenants: [{engine: stress}]\n";
  EXPECT_EQ(parse_config(good + std::string((size_t{1} << 20) - good.size(), '#'), "x.yaml").tenants.size(), 1u);
  EXPECT_THROW(parse_config(good + std::string((size_t{1} << 20) - good.size() + 1, '#'), "x.yaml"), Error);
}

TEST(BadFile, Endless) {
  try {
    load_config("/dev/zero");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage);
  }
}

TEST(BadFlags, NameTheKeyWithoutALine) {
  try {
    parse_config(config_text({"distilgpt2"}, {{"batch_size", "eight"}}));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.where(), "command line");
    EXPECT_THAT(e.message(), HasSubstr("tenants.0.batch_size: expected an integer from 1 to 65536, found \"eight\""));
  }
}

}  // namespace
}  // namespace cotenant
