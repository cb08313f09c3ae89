#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "workload/workload.h"

namespace cotenant {
namespace {

// One server in virtual time, behind the tenant's own queue: the mean wait from the schedule to the start, in s.
double mean_wait_s(const WorkloadSpec& spec, const std::function<double()>& service_s) {
  Workload workload(spec, 0);
  int64_t free_ns = 0;
  double waits_s = 0;
  while (const auto request = workload.next()) {
    const int64_t start_ns = std::max(free_ns, request->due_ns);
    EXPECT_FALSE(workload.rejected(start_ns));  // the queue is long enough for all
    workload.sent();
    waits_s += static_cast<double>(start_ns - request->due_ns) * 1e-9;
    free_ns = start_ns + std::llround(service_s() * 1e9);
    workload.ended(free_ns);
  }
  return waits_s / static_cast<double>(workload.requests());
}

// Pollaczek and Khinchine: the mean wait is load / (1 - load) * service * (1 + cv^2) / 2, with the coefficient of
// variation of the service times.
constexpr double kService = 0.01, kLoad = 0.5;
double expected_wait_s(double cv) {
  return kLoad / (1 - kLoad) * kService * (1 + cv * cv) / 2;
}

WorkloadSpec poisson(uint64_t seed) {
  return {.arrivals = poisson_arrivals(kLoad / kService), .seed = seed, .exactly = 1'000'000};
}

// By the theory of regenerative simulation, means over 10^6 arrivals at load 0.5 have a standard error of 0.54% (M/M/1)
// and 0.25% (M/D/1): four of these for each, and the bar of 1% for each of M/D/1's and for the mean of M/M/1's.
TEST(Queueing, ConstantServiceWaitsAsTheorySays) {
  for (const uint64_t seed : {1, 2, 3, 4})
    EXPECT_NEAR(mean_wait_s(poisson(seed), [] { return kService; }) / expected_wait_s(0), 1, 0.01) << seed;
}

TEST(Queueing, ExponentialServiceWaitsAsTheorySays) {
  double sum = 0;
  for (const uint64_t seed : {1, 2, 3, 4}) {
    Draws draws(seed + 100, Draws::Purpose::answer_lengths);
    const double ratio =
        mean_wait_s(poisson(seed), [&] { return kService * draws.exponential(); }) / expected_wait_s(1);
    EXPECT_NEAR(ratio, 1, 0.022) << seed;
    sum += ratio;
  }
  EXPECT_NEAR(sum / 4, 1, 0.01);
}

// D/D/1 below load 1 never waits.
TEST(Queueing, ConstantArrivalsAndServiceNeverWait) {
  EXPECT_EQ(mean_wait_s({.arrivals = constant_arrivals(99), .exactly = 10'000}, [] { return kService; }), 0);
}

}  // namespace
}  // namespace cotenant
