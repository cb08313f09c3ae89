#include "report/charts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "report/compare_chart.h"
#include "synthetic.h"

namespace cotenant {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Le;

// The share of the samples that the bars stand for, on the scale on which they are drawn.
double area(const DistributionChart& chart, size_t tenant) {
  double sum = 0;
  for (size_t i = 0; i + 1 < chart.edges.size(); ++i) {
    const double width =
        chart.logarithmic ? std::log10(chart.edges[i + 1] / chart.edges[i]) : chart.edges[i + 1] - chart.edges[i];
    sum += chart.histogram[tenant][i] * width;
  }
  return sum;
}

TEST(Charts, HistogramsHoldAllSamplesButThoseBeyond) {
  for (double apart : {1.05, 3.0}) {
    const auto experiment = synthetic_experiment({"a", "b", "c"}, 2000, apart);
    const auto chart = distribution_chart(experiment);
    EXPECT_EQ(chart.logarithmic, apart == 3.0);
    double drawn = 0;
    for (size_t i = 0; i < 3; ++i)
      drawn += area(chart, i) * static_cast<double>(experiment.tenants[i].metric_ms.size());
    const double all = 3 * 1800;
    EXPECT_NEAR(drawn, all - static_cast<double>(chart.beyond), 1e-6 * all);
  }
}

TEST(Charts, DensitiesIntegrateToOne) {
  const auto experiment = synthetic_experiment({"a", "b"}, 2000);
  const auto chart = distribution_chart(experiment);
  const double step = chart.grid[1] - chart.grid[0];
  for (const auto& density : chart.density) {
    EXPECT_NEAR(std::accumulate(density.begin(), density.end(), 0.0) * step, 1, 0.03);
  }
}

TEST(Charts, EqualSamplesAndNoSamplesAreDrawnToo) {
  auto experiment = synthetic_experiment({"a", "b"});
  set_metric(experiment.tenants[0], std::vector<double>(50, 4.0));
  set_metric(experiment.tenants[1], {});
  const auto chart = distribution_chart(experiment);
  EXPECT_LT(chart.edges.front(), 4.0);
  EXPECT_GT(chart.edges.back(), 4.0);
  EXPECT_NEAR(area(chart, 0), 1, 1e-9);
  EXPECT_TRUE(chart.histogram[1].empty());
  EXPECT_TRUE(ecdf_chart(experiment)[1].x.empty());
  EXPECT_EQ(box_chart(experiment)[0].p25, 4.0);
}

TEST(Charts, EcdfRisesToOneAtTheLargestSample) {
  const auto experiment = synthetic_experiment({"a"}, 5000);
  const auto curve = ecdf_chart(experiment, 100).front();
  const auto& samples = experiment.tenants[0].metric_ms;
  ASSERT_EQ(curve.x.size(), 100u);
  EXPECT_EQ(curve.y.back(), 1);
  EXPECT_EQ(curve.x.back(), *std::max_element(samples.begin(), samples.end()));
  EXPECT_TRUE(std::is_sorted(curve.y.begin(), curve.y.end()));
  for (size_t i = 0; i < curve.x.size(); ++i) {
    const auto below = std::count_if(samples.begin(), samples.end(), [&](double v) { return v <= curve.x[i]; });
    EXPECT_DOUBLE_EQ(curve.y[i], static_cast<double>(below) / static_cast<double>(samples.size()));
  }
}

TEST(Charts, BoxesFollowTukey) {
  auto experiment = synthetic_experiment({"a"});
  set_metric(experiment.tenants[0], {1, 2, 3, 4, 5, 6, 7, 8, 9, 30});
  const Box box = box_chart(experiment).front();
  EXPECT_DOUBLE_EQ(box.p25, 3.25);
  EXPECT_DOUBLE_EQ(box.p50, 5.5);
  EXPECT_DOUBLE_EQ(box.p75, 7.75);
  EXPECT_EQ(box.low, 1);
  EXPECT_EQ(box.high, 9);  // 7.75 + 1.5 x 4.5 = 14.5
  EXPECT_THAT(box.outliers, ElementsAre(30));
  EXPECT_EQ(box.outlier_count, 1u);
}

TEST(Charts, ThinningKeepsExtremesAndOrder) {
  std::vector<double> values(100000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<double>(i) * 0.01);
  values[31234] = 50;
  values[70001] = -50;
  const auto kept = thin(values, 1000);
  EXPECT_LE(kept.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(kept.begin(), kept.end()));
  EXPECT_THAT(kept, testing::Contains(31234u));
  EXPECT_THAT(kept, testing::Contains(70001u));
  EXPECT_EQ(thin(std::vector<double>{3, 1, 2}, 10).size(), 3u);
}

TEST(Charts, TimelineStaysSmall) {
  const auto experiment = synthetic_experiment({"a", "b"}, 50000);
  const auto chart = timeline_chart(experiment, 2000);
  EXPECT_TRUE(chart.thinned);
  EXPECT_TRUE(chart.has_times);
  for (const Curve& curve : chart.curves) {
    EXPECT_LE(curve.x.size(), 1000u);
    EXPECT_TRUE(std::is_sorted(curve.x.begin(), curve.x.end()));
  }
}

TEST(Charts, ScalingJoinsTheSoloRunToEveryMode) {
  std::vector<ExperimentAnalysis> experiments = {synthetic_experiment({"a"}), synthetic_experiment({"a", "b"}),
                                                 synthetic_experiment({"a", "b", "c"}),
                                                 synthetic_experiment({"a", "b"})};
  experiments[3].sharing = "timeslice";
  const auto lines = scaling_lines(experiments);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0].tenants, ElementsAre(1, 2, 3));
  EXPECT_THAT(lines[1].tenants, ElementsAre(1, 2));
  EXPECT_DOUBLE_EQ(lines[0].tokens_per_s[1], *experiments[1].device.tokens_per_s);
}

TEST(Charts, LoadIsSortedByTheRateAndNeedsTwo) {
  std::vector<ExperimentAnalysis> experiments(3, synthetic_experiment({"a", "b"}));
  experiments[0].tenants[0].offered_per_s = 20;
  EXPECT_TRUE(load_lines(experiments).empty());
  experiments[1].tenants[0].offered_per_s = 5;
  experiments[1].tenants[0].attainment =
      AttainmentRecord{.requests = 10, .met = 9, .goodput_requests_per_s = 4.5, .goodput_tokens_per_s = {}};
  const auto lines = load_lines(experiments);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].name, "a");
  EXPECT_THAT(lines[0].offered_per_s, ElementsAre(5, 20));
  EXPECT_THAT(lines[0].goodput_per_s, ElementsAre(4.5, *experiments[0].tenants[0].rate_per_s));
  EXPECT_DOUBLE_EQ(lines[0].p99_ms[1], experiments[0].tenants[0].latency_ms.p99);
}

}  // namespace
}  // namespace cotenant
