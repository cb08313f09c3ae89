#include <gtest/gtest.h>

#include <cmath>

#include "analysis/summary.h"
#include "cells.h"

// The simulation of bench/statistics with few replicates and fixed seeds: intervals hold the truth about as often as
// they say, and verdicts are seldom wrong. Bounds leave room for the few replicates; without the correlation of
// neighbours, or with one baseline counted for each tenant, they are missed by far.
namespace cotenant::made {
namespace {

constexpr size_t replicates = 150;

void expect_holds(const Coverage& coverage, double least, const char* what) {
  EXPECT_GT(coverage.given, coverage.asked * 9 / 10) << what;
  EXPECT_GE(coverage.share(), least) << what << ": " << coverage.covered << " of " << coverage.given;
}

TEST(SplitMix64, GivesThePublishedSequence) {  // of the reference implementation with seed 1234567
  SplitMix64 random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
  EXPECT_EQ(random.next(), 9817491932198370423u);
}

// The median of exp(0.15 z - 0.15^2 / 2) is known.
TEST(Coverage, OfTheMedianOfCorrelatedData) {
  Coverage coverage;
  Draw draw(5);
  for (size_t i = 0; i < replicates; ++i)
    coverage.add(summarize_column(latencies(Kind::ar_half, 300, draw))->ci95_p50, std::exp(-0.15 * 0.15 / 2));
  expect_holds(coverage, 0.90, "p50");
  EXPECT_LT(coverage.covered, coverage.given);  // 95%, not all
}

TEST(Coverage, OfProgressAndStpWithOneBaseline) {
  for (const Kind kind : {Kind::independent, Kind::ar_half, Kind::common_drift, Kind::waits}) {
    const WorkCoverage found = work_coverage(equal_tenants(kind, 3, 150), replicates, 7);
    const std::string name(to_string(kind));
    expect_holds(found.progress, 0.89, (name + " progress").c_str());
    expect_holds(found.slowdown, 0.88, (name + " slowdown").c_str());
    expect_holds(found.relative, 0.90, (name + " relative").c_str());
    expect_holds(found.stp, 0.88, (name + " STP").c_str());
  }
}

TEST(Coverage, OfRepeatsWithOneBaseline) {
  const WorkCoverage found = repeat_coverage(5, 3, 0.02, false, replicates, 9);
  expect_holds(found.progress, 0.88, "progress");
  expect_holds(found.stp, 0.88, "STP");
}

TEST(Verdicts, OfEqualTenantsAreSeldomWrong) {
  for (const Kind kind : kinds) {
    const VerdictCounts found = verdicts(equal_tenants(kind, 3, 100), replicates / 2, 11);
    EXPECT_LE(found.share(Verdict::hogging) + found.share(Verdict::starved), 0.04) << to_string(kind);
    if (kind == Kind::independent || kind == Kind::common_drift) {
      EXPECT_GE(found.answered(), 0.95) << to_string(kind);
    }
  }
}

TEST(Verdicts, SeldomCallFairWhatIsNot) {
  for (const Kind kind : {Kind::ar_most, Kind::seesaw, Kind::bursts})
    for (const double relative : {1.2, 0.83}) {
      VerdictCounts found = verdicts(unequal_tenants(kind, relative, 45), 2 * replicates, 20);
      EXPECT_LE(found.of_first[Verdict::fair], found.experiments * 2 / 100) << to_string(kind) << " " << relative;
    }
}

TEST(Verdicts, FindTheTenantThatTakesHalfAsMuchAgain) {
  VerdictCounts found = verdicts(unequal_tenants(Kind::ar_half, 1.5, 100), replicates / 2, 12);
  EXPECT_GE(found.of_first[Verdict::hogging], found.experiments * 9 / 10);
  found = verdicts(unequal_tenants(Kind::ar_half, 1 / 1.5, 100), replicates / 2, 13);
  EXPECT_GE(found.of_first[Verdict::starved], found.experiments * 9 / 10);
}

TEST(Changes, OfRunsThatDifferAreSeldomWrong) {
  EXPECT_EQ(changes(1, 0.02, 0, replicates, 14).comparisons_with_change, 0u);
  for (const size_t runs : {3, 5}) EXPECT_LE(changes(runs, 0.02, 0, 400, 15).comparisons_with_change, 20u) << runs;
  ChangeCounts found = changes(5, 0.01, 0.05, replicates, 16);
  EXPECT_GE(found.of_tenants[Change::slower], 2 * replicates * 9 / 10);
  found = changes(3, 0.01, 0.05, replicates, 16);
  EXPECT_GE(found.of_tenants[Change::slower], 2 * replicates * 8 / 10);
}

TEST(LateWarmups, AreFoundAndSeldomMadeUp) {
  for (const Kind kind : {Kind::independent, Kind::heavy_tail, Kind::ar_half, Kind::ar_most}) {
    const WarmupCounts none = late_warmups(kind, 200, 0, 1, 2 * replicates, 17);
    EXPECT_LE(none.warmups + none.changes, none.sequences / 10) << to_string(kind);
  }
  for (const Kind kind : {Kind::ar_half, Kind::ar_most, Kind::bursts}) {
    const WarmupCounts some = late_warmups(kind, 100, 0.05, 3, replicates, 18);
    EXPECT_GE(some.warmups, some.sequences * 94 / 100) << to_string(kind);
  }
  const WarmupCounts middle = late_warmups(Kind::independent, 200, 0.5, 1.3, replicates, 19);
  EXPECT_GE(middle.changes, middle.sequences * 95 / 100);
}

}  // namespace
}  // namespace cotenant::made
