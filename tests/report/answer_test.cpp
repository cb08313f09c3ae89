#include "report/answer.h"

#include <gtest/gtest.h>

#include "synthetic.h"

namespace cotenant {
namespace {

TEST(Answer, SaysWorkWorstTenantBoundAndValidity) {
  auto experiment = synthetic_experiment({"distilbert_1", "distilbert_2"});
  experiment.stp = 1.3;
  experiment.tenants[1].slowdown_p50 = 2.1;
  EXPECT_EQ(answer(experiment),
            "the work of 1.30 GPUs; worst slowdown 2.10x (distilbert_2); device memory-bound; valid");
  experiment.valid = false;
  EXPECT_TRUE(answer(experiment).ends_with("; not valid"));
}

TEST(Answer, WithoutABaselineClaimsNoSlowdown) {
  auto experiment = synthetic_experiment({"a", "b"});
  experiment.stp.reset();
  for (auto& tenant : experiment.tenants) tenant.slowdown_p50.reset();
  experiment.device.tokens_per_s = 12345;
  EXPECT_EQ(answer(experiment),
            "2 tenants: 12345 tokens/s together; slowdowns unknown (no baseline); device memory-bound; valid");
}

TEST(Answer, OfSeveralNamesTheMostWorkAndTheMildest) {
  std::vector<ExperimentAnalysis> modes(2, synthetic_experiment({"a", "b"}));
  modes[0].name = "mps";
  modes[0].stp = 1.4;
  modes[0].tenants[1].slowdown_p50 = 3;
  modes[1].name = "timeslice";
  modes[1].stp = 1.0;
  modes[1].tenants[0].slowdown_p50 = modes[1].tenants[1].slowdown_p50 = 2;
  EXPECT_EQ(answer(modes), "most work: mps (1.40 GPUs); mildest worst slowdown: timeslice (2.00x)");
}

}  // namespace
}  // namespace cotenant
