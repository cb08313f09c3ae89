#include "analysis/batches.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

LoadedTenant with_requests(const std::vector<std::pair<double, double>>& times, const WindowRecord& window) {
  LoadedTenant tenant;
  tenant.tally = Tally(window);
  for (const auto& [start_s, end_s] : times) {
    Iteration iteration;
    iteration.start_s = start_s;
    iteration.end_s = end_s;
    tenant.tally.add(iteration);
    tenant.samples.start_s.push_back(start_s);
    tenant.samples.end_s.push_back(end_s);
  }
  return tenant;
}

// Two parts of a second each: one request wholly in the first, one half in each, one that began before the window, one
// that is still running at its end, one that is outside.
TEST(RequestsByPart, CutsRequestsAtEdges) {
  const WindowRecord window{1, 3};
  const LoadedTenant tenant = with_requests({{0.5, 1.5}, {1.5, 1.75}, {1.75, 2.25}, {2.25, 6.25}, {7, 8}}, window);
  const std::vector<double> found = requests_by_part(tenant, window, 2);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_NEAR(found[0], 0.5 + 1 + 0.5, 1e-12);
  EXPECT_NEAR(found[1], 0.5 + 0.75 / 4, 1e-12);
  EXPECT_NEAR(found[0] + found[1], tenant.tally.requests, 1e-12);
}

TEST(RequestsByPart, OfARequestThatSpansTheWindowIsEven) {
  const WindowRecord window{1, 3};
  const std::vector<double> found = requests_by_part(with_requests({{0, 10}}, window), window, 4);
  for (const double part : found) EXPECT_NEAR(part, 0.05, 1e-12);
}

TEST(RequestsByPart, OfNoTimeIsNothing) {
  EXPECT_TRUE(requests_by_part(with_requests({{1, 2}}, {1, 1}), WindowRecord{1, 1}, 8).empty());
  EXPECT_TRUE(requests_by_part(with_requests({{5, 6}}, {1, 3}), WindowRecord{1, 3}, 8).empty());
  EXPECT_TRUE(requests_by_part(with_requests({}, {1, 3}), std::nullopt, 8).empty());
}

TEST(BatchCount, IsTwentyOrHalfTheRequests) {
  EXPECT_EQ(batch_count(1e6), 20u);
  EXPECT_EQ(batch_count(39.5), 19u);
  EXPECT_EQ(batch_count(16), 8u);
  EXPECT_FALSE(batch_count(15.9));
  EXPECT_FALSE(batch_count(0));
}

}  // namespace
}  // namespace cotenant
