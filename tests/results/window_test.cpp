#include "results/window.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

Iteration from_to(double start_s, double end_s, int64_t tokens_in = 100) {
  Iteration iteration;
  iteration.latency_ms = (end_s - start_s) * 1e3;
  iteration.start_s = start_s;
  iteration.end_s = end_s;
  iteration.tokens_in = tokens_in;
  iteration.tokens_out = 0;
  return iteration;
}

std::vector<Tally> tallies_of(const std::vector<std::vector<Iteration>>& tenants) {
  std::vector<Tally> tallies(tenants.size());
  for (size_t i = 0; i < tenants.size(); ++i)
    for (const Iteration& iteration : tenants[i]) tallies[i].add(iteration);
  return tallies;
}

TEST(Window, LastsFromTheLastFirstStartToTheStop) {
  const std::vector<std::vector<Iteration>> tenants{{from_to(0.0, 1.0), from_to(1.0, 2.0)},
                                                    {from_to(0.5, 1.5), from_to(1.5, 2.5)}};
  const auto window = overlap_window(tallies_of(tenants), 2.25);
  ASSERT_TRUE(window);
  EXPECT_EQ(window->start_s, 0.5);
  EXPECT_EQ(window->end_s, 2.25);
}

TEST(Window, OfFixedRunsEndsWithTheFirstTenantToFinish) {
  const std::vector<std::vector<Iteration>> tenants{{from_to(0.0, 1.0), from_to(1.0, 2.0)}, {from_to(0.5, 9.0)}};
  const auto window = overlap_window(tallies_of(tenants), std::nullopt);
  ASSERT_TRUE(window);
  EXPECT_EQ(window->start_s, 0.5);
  EXPECT_EQ(window->end_s, 2.0);
}

TEST(Window, IsNoneWhenTenantsDidNotOverlap) {
  EXPECT_FALSE(overlap_window(tallies_of({{from_to(0, 1)}, {from_to(2, 3)}}), std::nullopt));
  EXPECT_FALSE(overlap_window(tallies_of({{from_to(0, 1)}, {}}), 5.0));
  EXPECT_FALSE(overlap_window({}, 5.0));
}

TEST(Window, CountsOnlyWhatLiesWhollyInside) {
  const std::optional<WindowRecord> window = WindowRecord{1, 3};
  EXPECT_TRUE(counts(from_to(1, 3), window));
  EXPECT_FALSE(counts(from_to(0.999, 3), window));
  EXPECT_FALSE(counts(from_to(1, 3.001), window));
  EXPECT_TRUE(counts(from_to(0, 100), std::nullopt));
  Iteration failed = from_to(1, 2);
  failed.status = IterationStatus::failed;
  EXPECT_FALSE(counts(failed, window));
  EXPECT_FALSE(counts(failed, std::nullopt));
}

TEST(Window, SharesEdgesProRata) {
  // In [1, 3]: half of the first, all of the second, a quarter of the third.
  const std::vector<Iteration> iterations{from_to(0, 2), from_to(2, 2.75), from_to(2.75, 3.75)};
  Tally tally(WindowRecord{1, 3});
  for (const Iteration& iteration : iterations) tally.add(iteration);
  EXPECT_DOUBLE_EQ(tally.requests, 0.5 + 1 + 0.25);
  EXPECT_DOUBLE_EQ(tally.tokens_in, 175);
  EXPECT_DOUBLE_EQ(tally.duration_s(), 2);
  EXPECT_DOUBLE_EQ(*tally.completion_s(), 3.75);
  EXPECT_EQ(tally.completed, 3);
  const LatencySummary latency = summarize(iterations, WindowRecord{1, 3}, false).latency;
  EXPECT_EQ(latency.count, 1);
  EXPECT_EQ(latency.p50_ms, 750);
}

TEST(Window, CountsGeneratedTokensOneByOne) {
  Iteration request = from_to(0, 4, 10);
  request.tokens_out = 8;  // two rows
  request.token_s = {1, 2, 3, 4};
  request.ttft_ms = 1000;
  request.tpot_ms = 1000;
  const TenantSummary summary = summarize(std::vector{request}, WindowRecord{1.5, 3.5}, true);
  EXPECT_DOUBLE_EQ(*summary.tokens_out_per_s, 4.0 / 2);
  EXPECT_DOUBLE_EQ(*summary.tokens_in_per_s, 5.0 / 2);
  EXPECT_EQ(summary.ttft.count, 0);
}

TEST(Window, AFileWithoutTimesLastsAsLongAsItsLatencies) {
  Iteration iteration;
  iteration.latency_ms = 250;
  iteration.tokens_in = 100;
  const TenantSummary summary = summarize(std::vector<Iteration>(4, iteration), std::nullopt, false);
  EXPECT_DOUBLE_EQ(*summary.requests_per_s, 4);
  EXPECT_DOUBLE_EQ(*summary.tokens_per_s, 400);
  EXPECT_EQ(summary.completed, 4);
}

TEST(Window, SummarizesAsNumpyDoes) {
  // numpy.percentile([1, 2, 4, 8, 16], [50, 90, 95, 99]) = 4, 12.8, 14.4, 15.68
  std::vector<Iteration> iterations;
  for (const double latency_ms : {16, 1, 8, 2, 4}) iterations.emplace_back().latency_ms = latency_ms;
  const LatencySummary summary = summarize(iterations, std::nullopt, false).latency;
  EXPECT_EQ(summary.count, 5);
  EXPECT_DOUBLE_EQ(*summary.mean_ms, 6.2);
  EXPECT_DOUBLE_EQ(*summary.p50_ms, 4);
  EXPECT_DOUBLE_EQ(*summary.p90_ms, 12.8);
  EXPECT_DOUBLE_EQ(*summary.p95_ms, 14.4);
  EXPECT_DOUBLE_EQ(*summary.p99_ms, 15.68);
  EXPECT_EQ(summary.min_ms, 1);
  EXPECT_EQ(summary.max_ms, 16);
}

TEST(Window, SaysNothingOfNothing) {
  const TenantSummary summary = summarize({}, WindowRecord{0, 1}, true);
  EXPECT_EQ(summary.latency.count, 0);
  EXPECT_FALSE(summary.latency.p50_ms);
  EXPECT_FALSE(summary.completion_s);
  EXPECT_EQ(summary.tokens_per_s, 0);
}

}  // namespace
}  // namespace cotenant
