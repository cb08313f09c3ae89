#include "stats/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>

#include "stats/describe.h"

namespace cotenant {
namespace {

// Independent of std's distributions: sums of uniforms, variance 1.
double noise(SplitMix64& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += static_cast<double>(random.next() >> 11) * 0x1p-53;
  return sum;
}

std::vector<double> autoregressive(size_t n, double phi, uint64_t seed) {
  SplitMix64 random(seed);
  std::vector<double> values(n);
  double state = noise(random) / std::sqrt(1 - phi * phi);
  for (double& value : values) {
    value = 100 + state;
    state = phi * state + noise(random);
  }
  return values;
}

TEST(SplitMix64, GivesThePublishedSequence) {  // of the reference implementation with seed 1234567
  SplitMix64 random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
  EXPECT_EQ(random.next(), 9817491932198370423u);
}

TEST(Bootstrap, IsReproducible) {
  const std::vector<double> values = autoregressive(200, 0.5, 1);
  SplitMix64 one(7), same(7), other(8);
  const std::vector<double> first = bootstrap_mean(values, 50, one);
  EXPECT_EQ(first, bootstrap_mean(values, 50, same));
  EXPECT_NE(first, bootstrap_mean(values, 50, other));
}

// The deviation of the mean of an AR(1) process is known: sigma / (1 - phi) / sqrt(n).
TEST(Bootstrap, OfTheMeanHasTheDeviationOfTheProcess) {
  for (const double phi : {0.0, 0.7}) {
    double squares = 0;
    constexpr int series = 20;
    for (int i = 0; i < series; ++i) {
      SplitMix64 random(99);
      const auto values = autoregressive(2000, phi, static_cast<uint64_t>(i));
      const double deviation = standard_deviation(bootstrap_mean(values, 400, random));
      squares += deviation * deviation / series;
    }
    const double expected = 1 / (1 - phi) / std::sqrt(2000.0);
    EXPECT_NEAR(std::sqrt(squares) / expected, 1, 0.2) << phi;
  }
}

// A 95% interval holds the truth in about 95 of 100 cases; plain resampling would miss in half of them at phi = 0.7.
TEST(Bootstrap, IntervalsOfTheMedianCoverTheTruth) {
  int covered = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    SplitMix64 random(i);
    const auto interval = percentile_interval(bootstrap_quantile(autoregressive(800, 0.7, i), 0.5, 300, random));
    covered += interval.low <= 100 && 100 <= interval.high;
  }
  EXPECT_GE(covered, 85);
}

TEST(Bootstrap, OfEqualValuesIsThatValue) {
  SplitMix64 random(1);
  const std::vector<double> values(50, 3.0);
  for (const double value : bootstrap_quantile(values, 0.5, 20, random)) EXPECT_EQ(value, 3.0);
  for (const double value : bootstrap_mean(values, 20, random)) EXPECT_DOUBLE_EQ(value, 3.0);
}

TEST(Blocks, AreLongerForSimilarNeighbours) {
  const auto independent = autoregressive(1000, 0, 3), similar = autoregressive(1000, 0.9, 3);
  EXPECT_LE(block_length(independent), 4u);
  EXPECT_GE(block_length(similar), 20u);  // the autocorrelation time is (1 + phi) / (1 - phi) = 19
  EXPECT_LT(block_count(similar), 50u);
  EXPECT_LE(block_count(autoregressive(100'000, 0, 3)), 500u);
  EXPECT_EQ(block_count(std::vector<double>{1}), 1u);
}

}  // namespace
}  // namespace cotenant
