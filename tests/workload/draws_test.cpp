#include "workload/draws.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <boost/math/distributions/gamma.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "base/mix64.h"
#include "workload/elementary.h"

namespace cotenant {
namespace {

// In units in the last place of the truth, which is long double's.
double ulps(double found, long double truth) {
  const double nearest = static_cast<double>(truth);
  const double ulp = std::nextafter(std::abs(nearest), std::numeric_limits<double>::infinity()) - std::abs(nearest);
  return static_cast<double>(std::abs(static_cast<long double>(found) - truth)) / ulp;
}

TEST(Elementary, LogarithmAndExponentialAreWithinTwoUlps) {
  double worst_log = 0, worst_exp = 0;
  for (int i = 1; i < 200'000; ++i) {
    for (const double x : {i / 200'000.0, std::ldexp(1 + i / 200'000.0, i % 2000 - 1000), 1 + (i - 100'000) * 1e-9})
      if (x != 1) worst_log = std::max(worst_log, ulps(natural_log(x), std::log(static_cast<long double>(x))));
    const double y = (i - 100'000) * 0.0069;
    worst_exp = std::max(worst_exp, ulps(exponential(y), std::exp(static_cast<long double>(y))));
  }
  EXPECT_LE(worst_log, 2);
  EXPECT_LE(worst_exp, 2);
  EXPECT_EQ(natural_log(1), 0);
  EXPECT_EQ(exponential(0), 1);
  EXPECT_EQ(exponential(-1e4), 0);
  EXPECT_EQ(exponential(1e4), std::numeric_limits<double>::infinity());
}

// The truth: the same streams in Python's integers, and logarithms and roots by its Decimal with 60 digits, rounded
// once.
TEST(Draws, AreTheSameOnEveryMachine) {
  Draws bits(42, Draws::Purpose::arrivals), gaps(42, Draws::Purpose::arrivals);
  for (const uint64_t expected :
       {7138415436909018950u, 16995303060395781456u, 1533225871787718299u, 11132436533567955750u})
    EXPECT_EQ(bits.bits(), expected);
  for (const double expected : {0x1.e6175f048f015p-1, 0x1.4fabb640b75cfp-4, 0x1.3e66db72a5672p+1, 0x1.02929d23f1c55p-1,
                                0x1.64cd574648469p-1, 0x1.b7c3023bf06f1p+0, 0x1.658bdb102cc2ep+1, 0x1.24da9981fc84ap+0})
    EXPECT_LE(ulps(gaps.exponential(), expected), 2);
  Draws whole(42, Draws::Purpose::prompt_lengths);
  for (const int64_t expected : {183, 507, 730, 229, 618, 989, 837, 234}) EXPECT_EQ(whole.between(10, 1000), expected);
  Draws normal(42, Draws::Purpose::answer_lengths);
  for (const double expected : {-1.955653464685441, 0.01035947264938046, 0.21402786536468263, 2.4447914217954008,
                                -2.6469111416413935, -1.3259733920090888})
    EXPECT_LE(ulps(normal.normal(), expected), 8);
}

// The same of GCC and Clang, optimised and not; fused multiply-adds give another.
TEST(Draws, AreTheSameToTheLastBit) {
  Draws draws(7, Draws::Purpose::arrivals);
  uint64_t hash = 0;
  const auto add = [&hash](double drawn) { hash = mix64(hash ^ std::bit_cast<uint64_t>(drawn)); };
  for (int i = 0; i < 100'000; ++i) {
    add(draws.exponential());
    add(draws.gamma(0.3));
    add(draws.gamma(4));
    add(draws.normal());
  }
  EXPECT_EQ(hash, 6828807392167150419u);
}

TEST(Draws, EveryWholeNumberIsEquallyLikely) {
  Draws draws(3, Draws::Purpose::prompt_lengths);
  std::vector<double> counts(7);
  constexpr int n = 700'000;
  for (int i = 0; i < n; ++i) ++counts[static_cast<size_t>(draws.between(-3, 3) + 3)];
  double chi_squared = 0;
  for (const double count : counts) chi_squared += (count - n / 7.0) * (count - n / 7.0) / (n / 7.0);
  EXPECT_LT(chi_squared, 22.46);  // its 99.9th percentile with 6 degrees of freedom
  EXPECT_EQ(draws.between(5, 5), 5);
  draws.between(std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
}

// Kolmogorov and Smirnov's distance, times the root of the number: above 1.95 in one of 1000 samples of the law.
double distance(std::vector<double> sample, const std::function<double(double)>& cdf) {
  std::ranges::sort(sample);
  const auto n = static_cast<double>(sample.size());
  double most = 0;
  for (size_t i = 0; i < sample.size(); ++i) {
    const double expected = cdf(sample[i]);
    most = std::max({most, static_cast<double>(i + 1) / n - expected, expected - static_cast<double>(i) / n});
  }
  return most * std::sqrt(n);
}

TEST(Draws, FollowTheirLaws) {
  constexpr size_t n = 50'000;
  Draws draws(11, Draws::Purpose::arrivals);
  std::vector<double> sample(n);
  std::ranges::generate(sample, [&] { return draws.exponential(); });
  EXPECT_LT(distance(sample, [](double x) { return -std::expm1(-x); }), 1.95);
  std::ranges::generate(sample, [&] { return draws.normal(); });
  EXPECT_LT(distance(sample, [](double x) { return boost::math::cdf(boost::math::normal(), x); }), 1.95);
  for (const double shape : {0.04, 0.25, 1.0, 2.5, 100.0}) {
    std::ranges::generate(sample, [&] { return draws.gamma(shape); });
    const boost::math::gamma_distribution<> law(shape, 1);
    EXPECT_LT(distance(sample, [&](double x) { return boost::math::cdf(law, x); }), 1.95) << shape;
  }
}

}  // namespace
}  // namespace cotenant
