#include "analysis/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

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

  // `spread`: how far the runs are apart, of their mean.
  void make(const std::string& name, double latency_ms, int runs = 1, double spread = 0,
            const std::function<void(Iteration&)>& change = {}) {
    for (int run = 0; run < runs; ++run) {
      MadeTenant made;
      made.iterations = 200;
      made.latency_ms = latency_ms * (1 + spread * (run - (runs - 1) / 2.0));
      made.change_iteration = change;
      make_experiment(root_ / name / (run == 0 ? "" : "repeats/0" + std::to_string(run + 1)), {made});
    }
  }
};

// Runs that alternate between chips; 4 a side are enough for a verdict.
class CompareChips : public Compare {
 protected:
  void make_on(const std::string& name, double latency_ms, const std::vector<std::string>& chips) {
    for (int run = 0; run < 4; ++run) {
      MadeTenant made;
      made.iterations = 200;
      made.latency_ms = latency_ms * (1 + 0.002 * run);
      make_experiment(root_ / name / ("run" + std::to_string(run)), {made}, [&](ExperimentRecord& record) {
        record.settings.experiment_name = "e";
        record.device().uuid = chips[static_cast<size_t>(run) % chips.size()];
      });
    }
  }
};

TEST_F(CompareChips, GiveNoVerdictUnlessBothSidesRanOnAllOfThem) {
  make_on("base", 4, {"GPU-a", "GPU-b"});
  make_on("slow", 5, {"GPU-b", "GPU-a"});
  make_on("elsewhere", 5, {"GPU-c"});
  make_on("on_one", 5, {"GPU-a"});
  make_on("unknown", 5, {""});
  EXPECT_EQ(compare("base", "slow").tenants[0].change, Change::slower);
  EXPECT_EQ(compare("base", "unknown").tenants[0].change, Change::slower);
  for (const char* other : {"elsewhere", "on_one"}) {
    const Comparison found = compare("base", other);
    EXPECT_EQ(found.tenants[0].change, Change::unclear) << other;
    EXPECT_THAT(found.warnings, Contains(HasSubstr("GPU-a, GPU-b before"))) << other;
    EXPECT_FALSE(open_questions(found).empty());
  }
}

// One run a side: what the pair shows is told, and nothing is concluded from it.
TEST_F(Compare, ConcludesNothingFromOneRunASide) {
  make("base", 4);
  make("slow", 5);
  const Comparison found = compare("base", "slow");
  const TenantComparison& tenant = found.tenants[0];
  EXPECT_EQ(tenant.change, Change::unclear);
  EXPECT_NEAR(tenant.median.shift, 0.25, 1e-9);
  EXPECT_LT(tenant.interval->low, 0.25);
  EXPECT_GT(tenant.interval->high, 0.25);
  EXPECT_EQ(tenant.interval_from, "this pair of runs alone");
  EXPECT_THAT(tenant.reason, HasSubstr("3 runs a side"));
  EXPECT_NEAR(tenant.cliffs_delta, 1, 0.05);
  EXPECT_NEAR(*found.tokens_per_s_after / *found.tokens_per_s_before, 0.8, 1e-3);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("fewer than 3 runs a side")));
}

TEST_F(Compare, TellsFasterSlowerSameAndUnclear) {
  make("base", 4, 4, 0.01);
  make("same", 4.01, 4, 0.002);
  make("slow", 5, 4, 0.01);
  EXPECT_EQ(compare("base", "slow").tenants[0].change, Change::slower);
  EXPECT_THAT(compare("base", "slow").tenants[0].reason, HasSubstr("median +25"));
  EXPECT_EQ(compare("slow", "base").tenants[0].change, Change::faster);
  EXPECT_EQ(compare("slow", "base", 0.3).tenants[0].change, Change::same);  // 20% is nothing here
  make("steady", 4, 4, 0.002);
  EXPECT_EQ(compare("steady", "same").tenants[0].change, Change::same);
  make("wild", 4.4, 4, 0.2);
  const TenantComparison unclear = compare("base", "wild").tenants[0];
  EXPECT_EQ(unclear.change, Change::unclear);
  EXPECT_THAT(unclear.reason, HasSubstr("between"));
  EXPECT_EQ(unclear.interval_from, "4 and 4 runs");
}

// Runs of 10, 10, 10 ms against 10, 13, 13: the first pair says nothing of what the runs do.
TEST_F(Compare, TakesTheIntervalFromAllRuns) {
  const TenantComparison found = [] {
    std::vector<TenantComparison> tenants{
        compare_figures({{10, 10, 10}, {10, 10, 10}, {1, 1, 1}}, {{10, 13, 13}, {10, 13, 13}, {1, 1, 1}})};
    judge_changes(tenants, 0.02);
    return tenants[0];
  }();
  EXPECT_EQ(found.change, Change::unclear);
  EXPECT_NEAR(found.median.shift, std::cbrt(1.69) - 1, 1e-12);
  // scipy.stats.ttest_ind(log [10, 13, 13], log [10, 10, 10], equal_var=False): p 0.184 at 2 degrees
  EXPECT_NEAR(*found.median.p, 0.1835034191, 1e-9);
  EXPECT_LT(found.interval->low, 0);
  EXPECT_GT(found.interval->high, 0.19);
}

// One request in ten takes four times as long: the median hides it, the mean and the rate do not.
TEST_F(Compare, FindsATailThatGrew) {
  make("base", 4, 4, 0.002);
  make("tail", 4, 4, 0.002, [](Iteration& iteration) {
    if (iteration.iter % 10 == 0) iteration.latency_ms *= 4;
  });
  const TenantComparison found = compare("base", "tail").tenants[0];
  EXPECT_LT(found.median.shift, 0.05);
  EXPECT_EQ(found.change, Change::slower);
  EXPECT_THAT(found.reason, HasSubstr("mean +"));
}

// Of many tenants that did not change one is far off by chance; the correction knows how many there are.
TEST(JudgeChanges, CorrectsForTheNumberOfTenants) {
  const RunFigures before{{10, 10.1, 9.9, 10}, {10, 10.1, 9.9, 10}, {}};
  const RunFigures after{{10.3, 10.5, 10.3, 10.2}, {10.3, 10.5, 10.3, 10.2}, {}};
  std::vector<TenantComparison> one{compare_figures(before, after)};
  judge_changes(one, 0.02);
  EXPECT_EQ(one[0].change, Change::slower);
  std::vector<TenantComparison> many{compare_figures(before, after)};
  for (int i = 0; i < 20; ++i) many.push_back(compare_figures(before, before));
  judge_changes(many, 0.02);
  EXPECT_EQ(many[0].change, Change::unclear);
  EXPECT_GT(*many[0].p_hochberg, 20 * *many[0].median.p);
}

// Everything of both tenants became 5% slower: six tests that say the same are not six chances to be wrong.
TEST(JudgeChanges, OfFiguresThatAgreeNeedsNoMoreThanOneOfThem) {
  const RunFigures before{{10, 10.2, 9.8}, {10, 10.2, 9.8}, {100, 98, 102}};
  const RunFigures after{{10.5, 10.7, 10.3}, {10.5, 10.7, 10.3}, {95.2, 93.4, 97.1}};
  std::vector<TenantComparison> tenants(2, compare_figures(before, after));
  judge_changes(tenants, 0.02);
  for (const TenantComparison& tenant : tenants) {
    EXPECT_GT(*tenant.median.p, 0.05 / 3);  // with Holm's bounds not even one figure would be found
    EXPECT_LT(*tenant.p_hochberg, 0.05);
    EXPECT_EQ(tenant.change, Change::slower);
  }
}

// The median fell and the mean rose: neither is the answer.
TEST(JudgeChanges, OfFiguresThatDisagreeIsUnclear) {
  std::vector<TenantComparison> tenants{
      compare_figures({{10, 10.01, 9.99}, {10, 10.01, 9.99}, {}}, {{8, 8.01, 7.99}, {12, 12.01, 11.99}, {}})};
  judge_changes(tenants, 0.02);
  EXPECT_EQ(tenants[0].change, Change::unclear);
  EXPECT_THAT(tenants[0].reason, HasSubstr("but"));
}

TEST_F(Compare, TakesADirectoryOfRuns) {
  make("before", 4, 3, 0.01);
  for (int run = 0; run < 3; ++run) make("set/" + std::to_string(run), 8 + 0.1 * run);
  const Comparison found = compare("before", "set");
  EXPECT_EQ(found.tenants[0].interval_from, "3 and 3 runs");
  EXPECT_EQ(found.tenants[0].change, Change::slower);
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
