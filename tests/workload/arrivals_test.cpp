#include "workload/arrivals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace cotenant {
namespace {

std::vector<int64_t> instants(const Arrivals& arrivals, uint64_t seed, size_t most) {
  OpenInstants source(std::get<OpenLoop>(arrivals), seed);
  std::vector<int64_t> found;
  while (found.size() < most)
    if (const auto at_ns = source.next_ns())
      found.push_back(*at_ns);
    else
      break;
  return found;
}

size_t count_within(const std::vector<int64_t>& instants_ns, double from_s, double to_s) {
  return static_cast<size_t>(std::ranges::count_if(instants_ns, [&](int64_t at_ns) {
    return static_cast<double>(at_ns) >= from_s * 1e9 && static_cast<double>(at_ns) < to_s * 1e9;
  }));
}

struct Gaps {
  double mean_s = 0, cv = 0;
};

Gaps gaps_of(const std::vector<int64_t>& instants_ns) {
  double sum = 0, squares = 0;
  for (size_t i = 1; i < instants_ns.size(); ++i) {
    const double gap_s = static_cast<double>(instants_ns[i] - instants_ns[i - 1]) * 1e-9;
    sum += gap_s;
    squares += gap_s * gap_s;
  }
  const auto n = static_cast<double>(instants_ns.size() - 1);
  const double mean_s = sum / n;
  return {.mean_s = mean_s, .cv = std::sqrt(squares / n - mean_s * mean_s) / mean_s};
}

TEST(OpenInstants, ConstantIsConstant) {
  const auto even = instants(constant_arrivals(2000), 1, 1'000'000);
  for (size_t i = 0; i < even.size(); ++i) ASSERT_EQ(even[i], static_cast<int64_t>(i) * 500'000);
  // A period that is no whole number of nanoseconds: each instant is the nearest to the right one, for a day.
  const auto thirds = instants(constant_arrivals(30), 1, 30 * 86'400 + 1);
  for (size_t i = 0; i < thirds.size(); ++i)
    ASSERT_EQ(thirds[i], (static_cast<int64_t>(i) * 1'000'000'000 + 15) / 30) << i;
}

// The truth: Python's Decimal with 60 digits, rounded to the nanosecond; see draws_test.cpp.
TEST(OpenInstants, AreTheSameOnEveryMachine) {
  EXPECT_EQ(instants(poisson_arrivals(2000), 42, 8),
            (std::vector<int64_t>{474699, 515674, 1759431, 2011943, 2360383, 3219293, 4615958, 5187938}));
  EXPECT_EQ(instants(poisson_arrivals(2000), 42, 20'000).back(), 10'067'695'356);
  EXPECT_EQ(instants(gamma_arrivals(100, 2), 42, 8),
            (std::vector<int64_t>{3954448, 4328980, 4554296, 11097359, 12163032, 13037443, 14691401, 32637321}));
}

TEST(OpenInstants, DependOnTheSeedAlone) {
  const auto some = instants(poisson_arrivals(10), 1, 100);
  EXPECT_EQ(instants(poisson_arrivals(10), 1, 100), some);
  EXPECT_NE(instants(poisson_arrivals(10), 2, 100), some);
}

TEST(OpenInstants, HaveTheRateAndTheVariationThatWereAskedFor) {
  constexpr double rate = 500;
  for (const double cv : {0.2, 0.5, 1.0, 2.0, 4.0}) {
    constexpr size_t n = 400'000;
    const auto found = instants(gamma_arrivals(rate, cv), 5, n);
    EXPECT_TRUE(std::ranges::is_sorted(found));
    const Gaps gaps = gaps_of(found);
    EXPECT_NEAR(gaps.mean_s * rate, 1, 4 * cv / std::sqrt(n)) << cv;  // four standard errors
    // The error of a gamma law's coefficient of variation, from its moments (delta method): cv^2 (1/2 + cv^2/2) / n.
    EXPECT_NEAR(gaps.cv / cv, 1, 4 * std::sqrt((0.5 + cv * cv / 2) * (1 + cv * cv) / n)) << cv;
  }
}

TEST(OpenInstants, StepsHoldTheirRates) {
  const Arrivals steps =
      step_arrivals({{.rate = 10, .duration_s = 2}, {.rate = 0, .duration_s = 3}, {.rate = 40, .duration_s = 1.5}}, 0);
  const auto found = instants(steps, 1, 200);
  EXPECT_EQ(count_within(found, 0, 2), 20u);
  EXPECT_EQ(count_within(found, 2, 5), 0u);
  EXPECT_EQ(count_within(found, 5, 6.5), 60u);
  EXPECT_EQ(found[20], 5'000'000'000);
  EXPECT_EQ(found[21], 5'025'000'000);
  EXPECT_EQ(found[199], 5'000'000'000 + 179 * 25'000'000ll);  // the last rate lasts
  const auto random = instants(step_arrivals({{100, 100}, {400, 100}}, 1), 3, 60'000);
  EXPECT_NEAR(static_cast<double>(count_within(random, 0, 100)), 10'000, 4 * std::sqrt(10'000));
  EXPECT_NEAR(static_cast<double>(count_within(random, 100, 200)), 40'000, 4 * std::sqrt(40'000));
}

TEST(OpenInstants, EndAtARateOfZero) {
  EXPECT_EQ(instants(step_arrivals({{10, 2}, {0, 1}}, 0), 1, 100).size(), 20u);
  const auto falling = instants(ramp_arrivals(20, 0, 10, 0), 1, 200);  // 100 requests
  EXPECT_EQ(falling.size(), 100u);
  EXPECT_LT(falling.back(), 10'000'000'000);
}

// At a rate of a + s t the i-th request is due at (sqrt(a^2 + 2 s i) - a) / s.
TEST(OpenInstants, RampsAreLinear) {
  const auto rising = instants(ramp_arrivals(0, 100, 10, 0), 1, 701);  // 500 requests, then 100/s
  for (size_t i = 0; i < 500; ++i)
    ASSERT_NEAR(static_cast<double>(rising[i]) * 1e-9, std::sqrt(2 * static_cast<double>(i) / 10), 2e-9) << i;
  for (size_t i = 500; i <= 700; ++i)
    ASSERT_EQ(rising[i], 10'000'000'000 + static_cast<int64_t>(i - 500) * 10'000'000) << i;
  const auto falling = instants(ramp_arrivals(100, 50, 4, 0), 1, 300);
  for (size_t i = 0; i < 300; ++i) {
    const double requests = static_cast<double>(i);
    ASSERT_NEAR(static_cast<double>(falling[i]) * 1e-9, (100 - std::sqrt(1e4 - 25 * requests)) / 12.5, 2e-9) << i;
  }
  const auto random = instants(ramp_arrivals(0, 200, 100), 9, 10'000);
  EXPECT_NEAR(static_cast<double>(count_within(random, 0, 50)), 2500, 4 * std::sqrt(2500));
}

TEST(OpenInstants, ExtremeRatesNeitherHangNorOverflow) {
  EXPECT_TRUE(instants(constant_arrivals(1e-12), 1, 3).size() <= 1);  // the second is due after the end of all times
  EXPECT_EQ(instants(constant_arrivals(1e-3), 1, 3).back(), 2'000'000'000'000);
  EXPECT_EQ(instants(constant_arrivals(1e6), 1, 1001).back(), 1'000'000);
  EXPECT_TRUE(std::ranges::is_sorted(instants(gamma_arrivals(1e6, 100), 1, 10'000)));
}

}  // namespace
}  // namespace cotenant
