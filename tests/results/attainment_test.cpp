#include "results/attainment.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

Iteration request(double start_s, double end_s, std::optional<double> ttft_ms = {},
                  std::optional<double> tpot_ms = {}) {
  Iteration iteration;
  iteration.start_s = start_s;
  iteration.end_s = end_s;
  iteration.latency_ms = (end_s - start_s) * 1e3;
  iteration.ttft_ms = ttft_ms;
  iteration.tpot_ms = tpot_ms;
  iteration.tokens_in = 100;
  iteration.tokens_out = 7;
  return iteration;
}

TEST(Attainment, AllLimitsMustHoldAndEachIncludesItsEnd) {
  const Objectives slo{.ttft_ms = 50, .tpot_ms = 10, .latency_ms = 1000};
  EXPECT_TRUE(meets(request(0, 0.5, 50, 10), slo));
  EXPECT_TRUE(meets(request(0, 1, 1, 1), slo));
  EXPECT_FALSE(meets(request(0, 0.5, 50.1, 10), slo));
  EXPECT_FALSE(meets(request(0, 0.5, 50, 10.1), slo));
  EXPECT_FALSE(meets(request(0, 1.1, 50, 10), slo));
  EXPECT_TRUE(meets(request(0, 0.5, 50), slo));                // one token: none after it was late
  EXPECT_FALSE(meets(request(0, 0.5, std::nullopt, 1), slo));  // no token at all
  Iteration failed = request(0, 0.001, 1, 1);
  failed.status = IterationStatus::failed;
  EXPECT_FALSE(meets(failed, slo));  // a quick refusal is no answer
}

TEST(Attainment, CountsWhatEndedInTheWindow) {
  AttainmentTally tally({.latency_ms = 100}, WindowRecord{1, 3}, true);
  tally.add(request(1.0, 1.05));
  tally.add(request(2.0, 2.2));   // late
  tally.add(request(0.9, 1.01));  // begun before it
  tally.add(request(2.95, 3.01));
  Iteration rejected = request(2, 2);
  rejected.status = IterationStatus::rejected;
  tally.add(rejected);
  rejected.end_s = 3.5;
  tally.add(rejected);
  const AttainmentRecord record = tally.over(2);
  EXPECT_EQ(record.requests, 3);
  EXPECT_EQ(record.met, 1);
  EXPECT_DOUBLE_EQ(record.share(), 1.0 / 3);
  EXPECT_DOUBLE_EQ(record.goodput_requests_per_s.value(), 0.5);
  EXPECT_DOUBLE_EQ(record.goodput_tokens_per_s.value(), 3.5);
  EXPECT_FALSE(tally.over(0).goodput_requests_per_s);
}

TEST(Attainment, AThresholdIsMissedByFewerThanItsPercentile) {
  TenantRecord tenant;
  tenant.name = "a";
  tenant.slo = {.latency_ms = 5};
  tenant.attainment = AttainmentRecord{.requests = 1000, .met = 989};
  EXPECT_FALSE(misses_threshold(tenant));  // none is asked for
  tenant.slo.percentile = 99;
  EXPECT_TRUE(misses_threshold(tenant));
  EXPECT_EQ(missed_threshold_text(tenant),
            "98.9% of 1000 requests of a met its objectives (latency_ms 5), and slo.percentile asks for 99%");
  tenant.attainment->met = 990;
  EXPECT_FALSE(misses_threshold(tenant));
  tenant.attainment = AttainmentRecord{};
  EXPECT_TRUE(misses_threshold(tenant));
}

}  // namespace
}  // namespace cotenant
