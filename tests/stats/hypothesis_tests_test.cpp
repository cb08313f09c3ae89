#include "stats/hypothesis_tests.h"

#include "base/error.h"
#include "fixture.h"
#include "stats/correction.h"
#include "stats/describe.h"
#include "stats/effect.h"
#include "stats/intervals.h"

namespace cotenant {
namespace {

void expect_result(const TestResult& found, const nlohmann::json& expected, const std::string& what) {
  expect_close(found.statistic, number(expected[0]), what + " statistic");
  expect_close(found.p, number(expected[1]), what + " p");
}

TEST(GroupTests, AgreeWithScipy) {
  for (const auto& c : fixture("groups")) {
    const std::string name = c["name"];
    std::vector<std::vector<double>> samples, sorted;
    for (const auto& sample : c["samples"]) {
      samples.push_back(numbers(sample));
      sorted.push_back(sorted_copy(samples.back()));
    }
    expect_result(levene(spans(samples)), c["levene"], name + " levene");
    expect_result(anova(spans(samples)), c["anova"], name + " anova");
    expect_result(kruskal(spans(sorted)), c["kruskal"], name + " kruskal");
  }
}

TEST(PairTests, AgreeWithScipy) {
  for (const auto& c : fixture("pairs")) {
    const std::string name = c["name"];
    const std::vector<double> a = numbers(c["a"]), b = numbers(c["b"]);
    const std::vector<double> sorted_a = sorted_copy(a), sorted_b = sorted_copy(b);
    if (c.contains("student")) {
      expect_result(student_t(a, b), c["student"], name + " student");
      expect_result(welch_t(a, b), c["welch"], name + " welch");
      const MeanInterval interval = mean_difference_interval(a, b);
      if (interval.low < interval.high) {  // else both are constant
        expect_close(interval.low, number(c["welch_interval"][0]), name + " low");
        expect_close(interval.high, number(c["welch_interval"][1]), name + " high");
      }
    }
    const TestResult u = mann_whitney(sorted_a, sorted_b);
    expect_result(u, c["mann_whitney"], name + " mann-whitney");
    expect_close(cohens_d(a, b), number(c["cohens_d"]), name + " d");
    expect_close(rank_biserial(u.statistic, a.size(), b.size()), number(c["rank_biserial"]), name + " rank-biserial");
    expect_close(cliffs_delta(u.statistic, a.size(), b.size()), number(c["cliffs_delta"]), name + " delta");
    expect_close(hodges_lehmann(sorted_a, sorted_b), number(c["hodges_lehmann"]), name + " hodges-lehmann");
  }
}

TEST(PairTests, RefuseSamplesThatAreTooSmall) {
  const std::vector<double> one{1}, two{1, 2};
  EXPECT_THROW(student_t(one, two), Error);
  EXPECT_THROW(welch_t(two, one), Error);
  EXPECT_THROW(mann_whitney({}, two), Error);
  EXPECT_THROW(anova(std::vector<std::span<const double>>{one, one}), Error);
}

TEST(Correction, AgreesWithItsDefinition) {
  for (const auto& c : fixture("correction")) {
    const std::vector<double> p = numbers(c["p"]);
    const std::vector<double> down = holm(p), up = hochberg(p);
    for (size_t i = 0; i < p.size(); ++i) {
      expect_close(down[i], number(c["holm"][i]), "holm");
      expect_close(up[i], number(c["hochberg"][i]), "hochberg");
    }
  }
}

TEST(Correction, LeavesAnUndefinedTestOut) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& method : {holm, hochberg}) {
    const std::vector<double> corrected = method(std::vector<double>{0.01, nan, 0.04});
    EXPECT_DOUBLE_EQ(corrected[0], 0.02);
    EXPECT_TRUE(std::isnan(corrected[1]));
    EXPECT_DOUBLE_EQ(corrected[2], 0.04);
  }
}

}  // namespace
}  // namespace cotenant
