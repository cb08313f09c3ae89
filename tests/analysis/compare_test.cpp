#include "analysis/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "made_experiment.h"

namespace cotenant {
namespace {

using testing::Contains;
using testing::HasSubstr;

class Compare : public DataRoot {
 protected:
  Comparison compare(const std::string& before, const std::string& after, double min_effect = 0.02) {
    CompareRequest request;
    request.before = root_ / before;
    request.after = root_ / after;
    request.min_effect = min_effect;
    return compare_runs(request);
  }

  void make(const std::string& name, double latency_ms, int iterations = 1000) {
    MadeTenant made;
    made.latency_ms = latency_ms;
    made.iterations = iterations;
    make_experiment(root_ / name, {made});
  }
};

TEST(JudgeShift, FollowsTheIntervalAndTheSmallestEffect) {
  EXPECT_EQ(judge_shift(0.10, Interval{0.05, 0.15}, 0.02), Change::slower);
  EXPECT_EQ(judge_shift(-0.10, Interval{-0.15, -0.05}, 0.02), Change::faster);
  EXPECT_EQ(judge_shift(0.01, Interval{0.005, 0.015}, 0.02), Change::same);  // real, and too small to name
  EXPECT_EQ(judge_shift(0.01, Interval{0.005, 0.03}, 0.02), Change::unclear);
  EXPECT_EQ(judge_shift(0.10, Interval{-0.05, 0.25}, 0.02), Change::unclear);
  EXPECT_EQ(judge_shift(0.10, std::nullopt, 0.02), Change::unclear);
}

TEST_F(Compare, TellsFasterSlowerSameAndUnclear) {
  make("base", 4);
  make("same", 4.01);
  make("slow", 5);
  make("short", 5, 20);
  EXPECT_EQ(compare("base", "same").tenants[0].change, Change::same);
  const Comparison slow = compare("base", "slow");
  EXPECT_EQ(slow.tenants[0].change, Change::slower);
  EXPECT_NEAR(slow.tenants[0].shift, 0.25, 1e-9);
  EXPECT_LT(slow.tenants[0].interval->low, 0.25);
  EXPECT_GT(slow.tenants[0].interval->high, 0.25);
  EXPECT_NEAR(slow.tenants[0].cliffs_delta, 1, 0.05);
  EXPECT_NEAR(*slow.tokens_per_s_after / *slow.tokens_per_s_before, 0.8, 1e-3);
  EXPECT_THAT(slow.warnings, Contains(HasSubstr("one run a side")));
  EXPECT_EQ(compare("slow", "base").tenants[0].change, Change::faster);
  EXPECT_EQ(compare("slow", "base", 0.3).tenants[0].change, Change::same);  // 20% is nothing here
  const Comparison brief = compare("base", "short");
  EXPECT_EQ(brief.tenants[0].change, Change::unclear);
  EXPECT_THAT(brief.warnings, Contains(HasSubstr("n too small")));
}

// Within each run all samples are alike, but runs differ by more than the shift: only repeats can tell.
TEST_F(Compare, TakesTheIntervalFromRepeats) {
  for (int run = 0; run < 5; ++run) {
    const std::string place = run == 0 ? "" : "/repeats/0" + std::to_string(run + 1);
    make("before" + place, 4 + 0.4 * run, 200);
    make("after" + place, 4.3 + 0.4 * run, 200);
    make("set/" + std::to_string(run), 8 + 0.1 * run, 200);
  }
  const Comparison noisy = compare("before", "after");
  EXPECT_EQ(noisy.tenants[0].interval_from, "5 and 5 runs");
  EXPECT_EQ(noisy.tenants[0].change, Change::unclear);
  const Comparison clear = compare("before", "set");  // a directory of runs
  EXPECT_EQ(clear.tenants[0].interval_from, "5 and 5 runs");
  EXPECT_EQ(clear.tenants[0].change, Change::slower);
}

TEST_F(Compare, RefusesOtherWork) {
  make("base", 4);
  MadeTenant other;
  other.model = "roberta-large";
  make_experiment(root_ / "other", {other});
  EXPECT_THROW(compare("base", "other"), Error);
  other.name = "b";
  make_experiment(root_ / "stranger", {other});
  EXPECT_THROW(compare("base", "stranger"), Error);
}

}  // namespace
}  // namespace cotenant
