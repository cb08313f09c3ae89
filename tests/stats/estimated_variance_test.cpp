#include "stats/estimated_variance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/error.h"
#include "fixture.h"
#include "stats/autocorrelation.h"
#include "stats/describe.h"

namespace cotenant {
namespace {

const std::vector<double> few{3, 1, 4, 1, 5, 9, 2, 6};  // mean 3.875, s^2 = 7.5535714...

TEST(EstimatedVariance, OfAMeanIsTheSamplesOverN) {
  const EstimatedVariance found = variance_of_mean(few);
  EXPECT_NEAR(found.variance, 52.875 / 7 / 8, 1e-12);
  EXPECT_EQ(found.degrees, 7);
  EXPECT_THROW(variance_of_mean(std::vector<double>{1}), Error);
}

// scipy.stats.ttest_1samp's interval.
TEST(EstimatedVariance, OfAMeanAgreesWithScipy) {
  for (const auto& c : fixture("describe")) {
    if (c["mean_interval"].is_null() || c["name"] == "constant") continue;
    const std::vector<double> values = numbers(c["values"]);
    const double half = half_width(variance_of_mean(values));
    expect_close(mean(values) - half, number(c["mean_interval"][0]), std::string(c["name"]) + " low");
    expect_close(mean(values) + half, number(c["mean_interval"][1]), std::string(c["name"]) + " high");
  }
}

// Student's t at 97.5% with 7 degrees is 2.364624..., without an end to them 1.959963... (any table).
TEST(EstimatedVariance, IsAsWideAsStudentsT) {
  EXPECT_NEAR(half_width({4, 7}), 2 * 2.3646242510, 1e-8);
  EXPECT_NEAR(half_width({4, std::numeric_limits<double>::infinity()}), 2 * 1.9599639845, 1e-8);
  EXPECT_EQ(half_width({0, 5}), 0);
  EXPECT_NEAR(half_width(scaled({4, 7}, -3)), 6 * 2.3646242510, 1e-8);
}

// Equal parts add their degrees; a part of no weight adds none (Satterthwaite).
TEST(EstimatedVariance, AddsUp) {
  const EstimatedVariance equal = EstimatedVariance{2, 5} + EstimatedVariance{2, 5};
  EXPECT_DOUBLE_EQ(equal.variance, 4);
  EXPECT_DOUBLE_EQ(equal.degrees, 10);
  const EstimatedVariance one_sided = EstimatedVariance{2, 5} + EstimatedVariance{0, 3};
  EXPECT_DOUBLE_EQ(one_sided.variance, 2);
  EXPECT_DOUBLE_EQ(one_sided.degrees, 5);
  EXPECT_EQ((EstimatedVariance{0, 4} + EstimatedVariance{0, 3}).variance, 0);
}

// Batches that alternate say more than independent ones would, which is not believed; those that rise say less.
TEST(EstimatedVariance, OfBatchesGrowsWithTheirLikeness) {
  std::vector<double> alternating, rising;
  for (int i = 0; i < 20; ++i) alternating.push_back(i % 2), rising.push_back(i);
  EXPECT_DOUBLE_EQ(variance_of_batch_mean(alternating).variance, variance_of_mean(alternating).variance);
  const EstimatedVariance slow = variance_of_batch_mean(rising);
  EXPECT_GT(slow.variance, 10 * variance_of_mean(rising).variance);
  EXPECT_LT(slow.degrees, 2);
  EXPECT_NEAR(slow.degrees, 1, 1e-9);  // 19 over the greatest inflation, 19
  EXPECT_EQ(variance_of_batch_mean(std::vector<double>(10, 3.0)).variance, 0);
}

// Short stretches of an AR(1) process, each at a level of its own: products over squares about their means stand at
// 0.39 (20 values) and 0.05 (5) for r = 0.5.
TEST(NeighboursCorrelation, IsTheOneOfTheProcess) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  for (const size_t length : {5, 20}) {
    std::vector<std::vector<double>> values(4000);
    for (auto& stretch : values) {
      const double level = 10 * normal(random);
      double state = normal(random);
      for (size_t i = 0; i < length; ++i) {
        stretch.push_back(level + state);
        state = 0.5 * state + std::sqrt(0.75) * normal(random);
      }
    }
    const std::vector<std::span<const double>> stretches(values.begin(), values.end());
    EXPECT_NEAR(neighbours_correlation(stretches, 0.9), 0.5, 0.03) << length;
    EXPECT_EQ(neighbours_correlation(stretches, 0.3), 0.3);
  }
  const std::vector<double> constant(5, 3.0);
  EXPECT_EQ(neighbours_correlation(std::vector<std::span<const double>>{constant}, 0.9), 0);
}

// The covariance matrix's sum over n, by numpy.
TEST(InflationOfMean, IsThatOfTheCovariances) {
  EXPECT_DOUBLE_EQ(inflation_of_mean(20, 0.5), 2.8000001907348633);
  EXPECT_DOUBLE_EQ(inflation_of_mean(20, 0.8), 7.023058430092138);
  EXPECT_DOUBLE_EQ(inflation_of_mean(1, 0.8), 1);
}

}  // namespace
}  // namespace cotenant
