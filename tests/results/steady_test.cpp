#include "results/steady.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

namespace cotenant {
namespace {

using testing::HasSubstr;

constexpr WindowRecord window{10, 20};

Iteration request(double start_s, double latency_ms, IterationStatus status = IterationStatus::ok) {
  Iteration iteration;
  iteration.latency_ms = latency_ms;
  iteration.start_s = start_s;
  iteration.end_s = start_s + latency_ms * 1e-3;
  iteration.status = status;
  return iteration;
}

// A closed loop from 9 s to 21 s whose request that starts at t takes latency_ms(t).
SteadyRecord closed_loop(const std::function<double(double)>& latency_ms) {
  SteadyTally tally(window);
  for (double at_s = 9; at_s < 21;) {
    const double ms = latency_ms(at_s);
    tally.add(request(at_s, ms));
    at_s += ms * 1e-3;
  }
  return tally.result();
}

TEST(Steady, MeansAreThoseOfTheParts) {
  const SteadyRecord record = closed_loop([](double at_s) { return at_s < 16 ? 10 : at_s < 18 ? 20 : 40; });
  ASSERT_EQ(record.latencies_ms.size(), 3u);
  EXPECT_NEAR(record.latencies_ms[0], 10, 0.1);
  EXPECT_NEAR(record.latencies_ms[1], 20, 0.3);
  EXPECT_NEAR(record.latencies_ms[2], 40, 0.5);
  EXPECT_NEAR(record.rates_per_s[0], 100, 1);
  EXPECT_NEAR(record.rates_per_s[1], 50, 1);
  EXPECT_NEAR(record.rates_per_s[2], 25, 1);
  EXPECT_NEAR(*record.rate_spread, 75.0 / (175.0 / 3), 0.02);
  EXPECT_TRUE(*record.rate_changed);
  EXPECT_TRUE(*record.latency_changed);
  EXPECT_FALSE(record.settled());
}

TEST(Steady, WhatLiesBeforeTheLastThreeFifthsDoesNotCount) {
  EXPECT_TRUE(closed_loop([](double at_s) { return at_s < 13.9 ? 80 : 10; }).settled());
}

TEST(Steady, LessThanATenthIsNoChange) {
  const SteadyRecord record = closed_loop([](double at_s) { return 10 + 0.1 * (at_s - 14); });  // 6 % in all
  EXPECT_TRUE(record.settled());
  EXPECT_GT(*record.latency_spread, 0.03);
}

TEST(Steady, ADriftOfAFifthIsFoundInNoise) {
  int found = 0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    std::lognormal_distribution<double> noise(0, 0.1);
    found += closed_loop([&](double at_s) { return 10 * noise(random) * (1 + 0.05 * (at_s - 14)); }).settled() ? 0 : 1;
  }
  EXPECT_GE(found, 95);
}

// Of data that do not change, as noisy as they come, one of a hundred may be taken for a change of either figure.
TEST(Steady, NoiseIsNoChange) {
  int alarms = 0;
  constexpr int runs = 300;
  for (unsigned seed = 0; seed < runs; ++seed) {
    std::mt19937 random(seed);
    std::lognormal_distribution<double> noise(0, 1.2);
    alarms += closed_loop([&](double) { return 10 * noise(random); }).settled() ? 0 : 1;
  }
  EXPECT_LE(alarms, 0.04 * runs);
}

// Arrivals by chance: their number in a part differs, and that is no change either.
TEST(Steady, PoissonArrivalsAreNoChange) {
  int alarms = 0;
  constexpr int runs = 300;
  for (unsigned seed = 0; seed < runs; ++seed) {
    std::mt19937 random(seed);
    std::exponential_distribution<double> gap(30);
    SteadyTally tally(window);
    for (double at_s = 9; at_s < 21; at_s += gap(random)) tally.add(request(at_s, 5));
    alarms += tally.result().settled() ? 0 : 1;
  }
  EXPECT_LE(alarms, 0.04 * runs);
}

TEST(Steady, FewRequestsSayNothing) {
  const SteadyRecord record = closed_loop([](double) { return 900; });
  EXPECT_FALSE(record.rate_changed);
  EXPECT_FALSE(record.rate_spread);
  EXPECT_TRUE(record.settled());
  EXPECT_FALSE(SteadyTally(WindowRecord{5, 5}).result().rate_changed);
}

TEST(Steady, WhatFailedOrLiesOutsideDoesNotCount) {
  SteadyTally tally(window);
  for (double at_s = 9; at_s < 21; at_s += 0.01) {
    tally.add(request(at_s, 5));
    if (at_s > 16) tally.add(request(at_s, 500, IterationStatus::failed));
    tally.add(request(at_s + 20, 500));
    tally.add(request(at_s - 20, 500));
  }
  const SteadyRecord record = tally.result();
  ASSERT_EQ(record.latencies_ms.size(), 3u);
  EXPECT_NEAR(record.latencies_ms[2], 5, 1e-9);
  EXPECT_TRUE(record.settled());
}

TEST(Steady, IsToldWithItsFigures) {
  TenantRecord tenant;
  tenant.name = "a";
  tenant.steady.latencies_ms = {3.14159, 3.9, 4.6};
  tenant.steady.latency_changed = true;
  EXPECT_THAT(unsteady_text(tenant), HasSubstr("a had not settled"));
  EXPECT_THAT(unsteady_text(tenant), HasSubstr("3.14, 3.9, 4.6 ms"));
}

}  // namespace
}  // namespace cotenant
