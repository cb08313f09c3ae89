#include "report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "synthetic.h"

namespace cotenant {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> hostile = {"<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>",
                                          "<!-- {{script}} \xff & \"quotes\""};

std::string data_of(const std::string& page) {
  const std::string open = "<script id=\"data\" type=\"application/json\">";
  const size_t begin = page.find(open) + open.size();
  return page.substr(begin, page.find("</script>", begin) - begin);
}

TEST(Page, NamesAreNeverMarkup) {
  auto experiment = synthetic_experiment(hostile);
  experiment.name = "</title><script>alert(3)</script>";
  const std::string page = experiment_page(experiment);
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page, Not(HasSubstr("</title><script>")));
  EXPECT_THAT(data_of(page), Not(HasSubstr("<")));
  const auto data = nlohmann::json::parse(data_of(page));
  EXPECT_EQ(data["tenants"][0]["name"], hostile[0]);
  EXPECT_EQ(data["tenants"][1]["name"], hostile[1]);
  EXPECT_EQ(data["name"], experiment.name);
}

TEST(Page, ShowsNothingThatTurnsTextAround) {
  const std::string turned = "safe\u202egpj.exe\u2066\x1b[31m";
  auto experiment = synthetic_experiment({turned, "b"});
  experiment.name = turned;
  const auto data = nlohmann::json::parse(data_of(experiment_page(experiment)));
  EXPECT_EQ(data["name"], "safe?gpj.exe??[31m");
  EXPECT_EQ(data["tenants"][0]["name"], "safe?gpj.exe??[31m");
  for (const char* control : {"\u202e", "\u2066", "\\u001b"}) EXPECT_THAT(data.dump(), Not(HasSubstr(control)));
}

TEST(Page, AsksForNothing) {
  const std::string page = experiment_page(synthetic_experiment({"a", "b"}));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  for (const char* loads : {" src=\"", "@import", "url(h", "fetch(", "XMLHttpRequest", "href=\"http"}) {
    EXPECT_THAT(page, Not(HasSubstr(loads)));
  }
  EXPECT_THAT(page, Not(HasSubstr("{{")));
}

TEST(Page, StaysUnderTwoMegabytes) {
  std::vector<std::string> names;
  for (int i = 0; i < 32; ++i) names.push_back("a tenant with a long name, number " + std::to_string(i));
  EXPECT_LT(experiment_page(synthetic_experiment(names, 20000)).size(), 2'000'000u);
}

TEST(Page, HasWhatBindsATenantAndItsClock) {
  auto experiment = synthetic_experiment({"a", "b"});
  experiment.tenants[0].bound = "memory";
  experiment.tenants[0].bound_reason = "DRAM 81% busy (at least 60%)";
  experiment.tenants[0].clock_ratio = 0.93;
  experiment.tenants[0].contention_ms = 1.5;
  const std::string page = experiment_page(experiment);
  const auto data = nlohmann::json::parse(data_of(page));
  EXPECT_EQ(data["tenants"][0]["bound"], "memory");
  EXPECT_EQ(data["tenants"][0]["bound_reason"], "DRAM 81% busy (at least 60%)");
  EXPECT_EQ(data["tenants"][0]["clock_ratio"], 0.93);
  EXPECT_EQ(data["tenants"][0]["contention_ms"], 1.5);
  EXPECT_TRUE(data["tenants"][1]["clock_ratio"].is_null());
}

TEST(Page, UnknownFiguresAreNull) {
  auto experiment = synthetic_experiment({"a", "b"});
  set_metric(experiment.tenants[1], {});
  experiment.tenants[1].progress.reset();
  experiment.valid.reset();
  const auto data = nlohmann::json::parse(data_of(experiment_page(experiment)));
  EXPECT_TRUE(data["valid"].is_null());
  EXPECT_TRUE(data["tenants"][1]["p50"].is_null());
  EXPECT_TRUE(data["tenants"][1]["progress"].is_null());
  EXPECT_TRUE(data["boxes"][1]["p50"].is_null());
}

}  // namespace
}  // namespace cotenant
