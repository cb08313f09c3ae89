#include "stats/describe.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "fixture.h"
#include "stats/autocorrelation.h"
#include "stats/change_point.h"
#include "stats/ecdf.h"
#include "stats/histogram.h"
#include "stats/inequality.h"
#include "stats/intervals.h"
#include "stats/kde.h"
#include "stats/outliers.h"
#include "stats/streamed_quantiles.h"

namespace cotenant {
namespace {

TEST(Describe, AgreesWithNumpy) {
  for (const auto& c : fixture("describe")) {
    const std::string name = c["name"];
    const std::vector<double> values = numbers(c["values"]), sorted = sorted_copy(values);
    expect_close(mean(values), number(c["mean"]), name + " mean");
    expect_close(standard_deviation(values), number(c["std"]), name + " std");
    expect_close(population_variance(values), number(c["variance_n"]), name + " variance");
    expect_close(median(values), number(c["median"]), name + " median");
    for (const auto& [q, expected] : c["percentiles"].items())
      expect_close(percentile(sorted, std::stod(q) / 100), number(expected), name + " p" + q);
  }
}

TEST(Describe, RefusesAnEmptySample) {
  EXPECT_THROW(mean({}), Error);
  EXPECT_THROW(median({}), Error);
  EXPECT_THROW(percentile({}, 0.5), Error);
}

double next_double(uint64_t& state) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<double>(state >> 11) / 9007199254740992.0;
}

// Against sorting: values of any sign and size, ties, and infinities.
TEST(StreamedQuantiles, AreThoseOfTheSortedValues) {
  const std::vector<double> quantiles{0, 0.001, 0.25, 0.5, 0.9, 0.99, 1};
  uint64_t state = 1;
  for (const size_t count : {1u, 2u, 3u, 40u, 1000u, 50'000u}) {
    for (const char kind : {'u', 'e', 't', 'i'}) {
      std::vector<double> values;
      for (size_t i = 0; i < count; ++i) {
        const double u = next_double(state);
        values.push_back(kind == 'u'   ? 2 * u - 1
                         : kind == 'e' ? std::exp(100 * u - 50)
                         : kind == 't' ? std::floor(8 * u)
                         : u < 0.1     ? -std::numeric_limits<double>::infinity()
                                       : u);
      }
      StreamedQuantiles found(quantiles);
      int passes = 0;
      for (; found.begin_pass(); ++passes)
        for (const double value : values) found.add(value);
      EXPECT_EQ(passes, 6);
      EXPECT_EQ(found.count(), count);
      const std::vector<double> sorted = sorted_copy(values);
      EXPECT_EQ(found.min(), sorted.front());
      EXPECT_EQ(found.max(), sorted.back());
      if (kind == 'i') continue;  // there is nothing between infinities
      EXPECT_DOUBLE_EQ(found.mean(), mean(values));
      for (size_t q = 0; q < quantiles.size(); ++q)
        EXPECT_EQ(found.at(q), percentile(sorted, quantiles[q])) << kind << count << " " << quantiles[q];
    }
  }
}

TEST(StreamedQuantiles, HaveNothingToSayOfNothing) {
  StreamedQuantiles quantiles({0.5});
  EXPECT_TRUE(quantiles.begin_pass());
  EXPECT_FALSE(quantiles.begin_pass());
  EXPECT_EQ(quantiles.count(), 0u);
  EXPECT_THROW((void)quantiles.at(0), Error);
}

TEST(Outliers, AgreeWithScipysMedianAbsoluteDeviation) {
  for (const auto& c : fixture("describe")) {
    const std::vector<double> sorted = sorted_copy(numbers(c["values"]));
    expect_close(robust_deviation(sorted), number(c["mad"]), std::string(c["name"]));
    EXPECT_EQ(count_outliers(sorted), c["outliers"].get<size_t>()) << c["name"];
  }
}

TEST(Autocorrelation, AgreesWithNumpy) {
  for (const auto& c : fixture("describe")) {
    const std::string name = c["name"];
    const std::vector<double> values = numbers(c["values"]);
    expect_close(effective_sample_size(values), number(c["n_eff"]), name + " n_eff");
    if (!c.contains("acf")) continue;
    for (const auto& [lag, expected] : c["acf"].items())
      expect_close(autocorrelation(values, std::stoul(lag)), number(expected), name + " lag " + lag);
  }
}

TEST(LateWarmup, FindsTheStepAndNothingElse) {
  for (const auto& c : fixture("describe")) {
    const auto found = late_warmup(numbers(c["values"]));
    if (c["name"] == "step") {  // 30 values around 14, then 90 around 10
      ASSERT_TRUE(found);
      EXPECT_NEAR(static_cast<double>(found->settled_after), 30, 8);
      EXPECT_NEAR(found->shift, 0.4, 0.05);
    } else if (c["name"] != "correlated" && c["name"] != "bimodal") {
      EXPECT_FALSE(found) << c["name"];
    }
  }
}

TEST(Kde, AgreesWithScipy) {
  for (const auto& c : fixture("describe")) {
    if (!c.contains("kde")) continue;
    const std::string name = c["name"];
    const std::vector<double> values = numbers(c["values"]), grid = numbers(c["kde"]["grid"]);
    expect_close(scott_bandwidth(values), number(c["kde"]["bandwidth"]), name + " bandwidth");
    const std::vector<double> found = kde(values, grid), expected = numbers(c["kde"]["density"]);
    for (size_t i = 0; i < grid.size(); ++i) expect_close(found[i], expected[i], name);
  }
}

TEST(Kde, OfEqualValuesIsZero) {
  const std::vector<double> grid{1, 2, 3};
  EXPECT_EQ(kde(std::vector<double>{2, 2, 2}, grid), std::vector<double>(3, 0.0));
}

// Against the sum over all kernels, written out.
TEST(Kde, BinnedFormIsCloseToTheExactOne) {
  std::vector<double> values;
  for (size_t i = 0; i < 40'000; ++i) values.push_back(std::sin(static_cast<double>(i)) * 3 + 7);
  const double bandwidth = scott_bandwidth(values);
  for (const double at : {4.5, 7.0, 9.9}) {
    double exact = 0;
    for (const double value : values) {
      const double z = (at - value) / bandwidth;
      exact += std::exp(-z * z / 2);
    }
    exact /= static_cast<double>(values.size()) * bandwidth * std::sqrt(2 * std::acos(-1.0));
    EXPECT_NEAR(kde(values, std::vector<double>{at})[0], exact, 1e-4 * exact);
  }
}

TEST(Ecdf, AgreesWithScipy) {
  for (const auto& c : fixture("describe")) {
    const Ecdf found = ecdf(sorted_copy(numbers(c["values"])));
    EXPECT_EQ(found.values, numbers(c["ecdf"]["values"])) << c["name"];
    const std::vector<double> fraction = numbers(c["ecdf"]["fraction"]);
    for (size_t i = 0; i < fraction.size(); ++i) expect_close(found.fraction[i], fraction[i], std::string(c["name"]));
  }
}

TEST(Histogram, AgreesWithNumpy) {
  for (const auto& c : fixture("histogram")) {
    std::vector<std::vector<double>> samples;
    for (const auto& sample : c["samples"]) samples.push_back(numbers(sample));
    const std::vector<double> edges = common_edges(spans(samples)), expected = numbers(c["edges"]);
    ASSERT_EQ(edges.size(), expected.size()) << c["name"];
    for (size_t i = 0; i < edges.size(); ++i) expect_close(edges[i], expected[i], std::string(c["name"]));
    for (size_t s = 0; s < samples.size(); ++s)
      EXPECT_EQ(histogram(samples[s], expected), c["counts"][s].get<std::vector<size_t>>()) << c["name"];
  }
}

TEST(Histogram, LimitsTheNumberOfBins) {
  std::vector<double> values(1000, 1.0);
  for (size_t i = 0; i < values.size(); ++i) values[i] += 1e-6 * static_cast<double>(i);
  values.push_back(1e6);
  const std::vector<std::span<const double>> one{values};
  EXPECT_EQ(common_edges(one, 50).size(), 51u);
}

TEST(Inequality, AgreesWithNumpy) {
  for (const auto& c : fixture("inequality")) {
    const std::string name = c["name"];
    const std::vector<double> values = numbers(c["values"]);
    expect_close(coefficient_of_variation(values), number(c["cv"]), name + " cv");
    expect_close(gini(values), number(c["gini"]), name + " gini");
    expect_close(max_min_ratio(values), number(c["max_min_ratio"]), name + " max/min");
    expect_close(range(values), number(c["range"]), name + " range");
    expect_close(max_deviation_percent(values), number(c["max_deviation_percent"]), name + " deviation");
    expect_close(jain(values), number(c["jain"]), name + " jain");
  }
}

TEST(QuantileInterval, AgreesWithTheBinomialDistribution) {
  for (const auto& c : fixture("quantile_interval")) {
    const auto found = quantile_interval(c["n"], c["n"], c["q"]);
    ASSERT_EQ(found.has_value(), !c["interval"].is_null()) << c["name"];
    if (!found) continue;
    EXPECT_EQ(std::floor(found->low + 1e-6), c["interval"][0].get<double>()) << c["name"];
    EXPECT_EQ(std::ceil(found->high - 1e-6), c["interval"][1].get<double>()) << c["name"];
  }
  EXPECT_FALSE(quantile_interval(0, 0, 0.5));
}

// A sample of n that tells as much as m independent ones encloses the same shares as those do.
TEST(QuantileInterval, WidensWithTheCorrelation) {
  const auto of_all = quantile_interval(1000, 1000, 0.5), of_few = quantile_interval(1000, 50, 0.5);
  const auto independent = quantile_interval(50, 50, 0.5);
  EXPECT_NEAR((of_few->low + 0.5) / 1000, (independent->low + 0.5) / 50, 1e-9);
  EXPECT_NEAR((of_few->high + 0.5) / 1000, (independent->high + 0.5) / 50, 1e-9);
  EXPECT_GT(of_few->high - of_few->low, 4 * (of_all->high - of_all->low));
  EXPECT_FALSE(quantile_interval(1000, 71, 0.95));
}

TEST(QuantileInterval, ExistsFromTheFewestSamplesOn) {
  for (const double q : {0.01, 0.25, 0.5, 0.9, 0.95, 0.99}) {
    const size_t fewest = fewest_for_interval(q);
    EXPECT_TRUE(quantile_interval(fewest, static_cast<double>(fewest), q)) << q;
    EXPECT_FALSE(quantile_interval(fewest, static_cast<double>(fewest - 1), q)) << q;
  }
  EXPECT_EQ(fewest_for_interval(0.99), 368u);
}

}  // namespace
}  // namespace cotenant
