#include "analysis/sensitivity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cotenant {
namespace {

using testing::ElementsAre;

ExperimentAnalysis beside(const std::string& kind, double intensity, std::optional<double> slowdown) {
  ExperimentAnalysis experiment;
  experiment.sharing = "mps";
  TenantAnalysis model;
  model.name = "model";
  model.model = "distilgpt2";
  model.batch_size = 8;
  model.seq_len = 128;
  model.slowdown_p50 = slowdown;
  if (slowdown) model.slowdown_mean = *slowdown + 1;
  TenantAnalysis stressor;
  stressor.name = "stressor";
  stressor.stress.emplace().kind = kind;
  stressor.stress->intensity = intensity;
  stressor.slowdown_p50 = 99;  // of no interest
  experiment.tenants = {model, stressor};
  return experiment;
}

TEST(Sensitivity, IsATableOfKindsByIntensities) {
  const std::vector<ExperimentAnalysis> experiments{beside("dram", 1, 2.5), beside("dram", 0.25, 1.25),
                                                    beside("compute", 0.25, 1.5), beside("compute", 1, std::nullopt)};
  const auto tables = sensitivity_tables(experiments);
  ASSERT_EQ(tables.size(), 1u);
  const SensitivityTable& table = tables[0];
  EXPECT_EQ(table.tenant, "model");
  EXPECT_EQ(table.sharing, "mps");
  EXPECT_THAT(table.kinds, ElementsAre("dram", "compute"));
  EXPECT_THAT(table.intensities, ElementsAre(0.25, 1));
  EXPECT_THAT(table.slowdown_p50, ElementsAre(ElementsAre(1.25, 2.5), ElementsAre(1.5, std::nullopt)));
  EXPECT_THAT(table.slowdown_mean, ElementsAre(ElementsAre(2.25, 3.5), ElementsAre(2.5, std::nullopt)));
}

TEST(Sensitivity, TakesTheMedianOfACellThatCameSeveralTimes) {
  const std::vector<ExperimentAnalysis> experiments{beside("l2", 1, 1.0), beside("l2", 1, 4.0), beside("l2", 1, 2.0),
                                                    beside("l2", 0.5, 1.0), beside("l2", 0.5, 3.0)};
  EXPECT_THAT(sensitivity_tables(experiments)[0].slowdown_p50, ElementsAre(ElementsAre(2.0, 2.0)));
}

TEST(Sensitivity, KeepsTenantsOfOtherWorkApart) {
  auto small = beside("l2", 1, 1.5), large = beside("l2", 1, 3);
  large.tenants[0].batch_size = 16;
  auto two_models = beside("dram", 1, 2);
  two_models.tenants.push_back(two_models.tenants[0]);
  two_models.tenants.back().name = "other";
  const auto tables = sensitivity_tables(std::vector{small, large, two_models});
  ASSERT_EQ(tables.size(), 3u);
  EXPECT_THAT(tables[0].kinds, ElementsAre("l2", "dram"));
  EXPECT_EQ(tables[1].batch_size, 16);
  EXPECT_EQ(tables[2].tenant, "other");
  EXPECT_THAT(tables[2].slowdown_p50, ElementsAre(ElementsAre(2.0)));
}

TEST(Sensitivity, SaysNothingWithoutExactlyOneStressor) {
  auto none = beside("l2", 1, 2), two = none;
  none.tenants.pop_back();
  two.tenants.push_back(two.tenants[1]);
  EXPECT_TRUE(sensitivity_tables(std::vector{none, two}).empty());
  EXPECT_TRUE(sensitivity_tables({}).empty());
}

}  // namespace
}  // namespace cotenant
