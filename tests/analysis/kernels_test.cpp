#include "analysis/kernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "analysis/analysis.h"
#include "base/error.h"
#include "made_experiment.h"

namespace cotenant {
namespace {

using Kind = KernelActivity::Kind;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Spans = std::vector<TimeSpan>;

KernelActivity kernel(double start_s, double end_s, uint32_t name = 0, Kind kind = Kind::kernel) {
  return {.start_s = start_s, .end_s = end_s, .size = 1, .threads = 32, .name = name, .stream = 7, .kind = kind};
}

TEST(Spans, AreMerged) {
  EXPECT_THAT(merge_spans({{5, 6}, {0, 2}, {1, 3}, {3, 4}, {4.5, 4.5}, {0.5, 1}}),
              ElementsAre(TimeSpan{0, 4}, TimeSpan{5, 6}));
  EXPECT_THAT(merge_spans({}), IsEmpty());
}

TEST(Spans, OverlapOnlyWhereSeveralSetsAreActive) {
  const std::vector<Spans> sets = {{{0, 4}, {6, 8}}, {{1, 2}, {4, 7}}, {{1.5, 6.5}}};
  EXPECT_THAT(spans_with_at_least(sets, 1), ElementsAre(TimeSpan{0, 8}));
  EXPECT_THAT(spans_with_at_least(sets, 2), ElementsAre(TimeSpan{1, 7}));
  EXPECT_THAT(spans_with_at_least(sets, 3), ElementsAre(TimeSpan{1.5, 2}, TimeSpan{6, 6.5}));
  EXPECT_THAT(spans_with_at_least(sets, 4), IsEmpty());
}

TEST(Spans, ThatTouchDoNotOverlap) {
  EXPECT_THAT(spans_with_at_least(std::vector<Spans>{{{0, 1}}, {{1, 2}}}, 2), IsEmpty());
}

// Times on a grid, so that every cell can be asked for itself.
TEST(Spans, AgreeWithCountingEveryCell) {
  std::mt19937 random(7);
  constexpr int cells = 200;
  for (int round = 0; round < 200; ++round) {
    std::vector<Spans> raw(1 + random() % 4), sets;
    std::vector<std::vector<bool>> active;
    for (Spans& spans : raw) {
      auto& cell = active.emplace_back(cells, false);
      for (size_t n = random() % 12; n > 0; --n) {
        const int start = static_cast<int>(random() % cells), end = std::min<int>(cells, start + random() % 30);
        spans.push_back({double(start), double(end)});
        for (int i = start; i < end; ++i) cell[static_cast<size_t>(i)] = true;
      }
      sets.push_back(merge_spans(spans));
    }
    const TimeSpan window{50, 151};
    for (size_t least = 1; least <= sets.size() + 1; ++least) {
      double expected = 0, expected_inside = 0;
      for (size_t i = 0; i < cells; ++i) {
        size_t count = 0;
        for (const auto& cell : active) count += cell[i];
        expected += count >= least;
        expected_inside += count >= least && i >= 50 && i < 151;
      }
      const Spans found = spans_with_at_least(sets, least);
      EXPECT_EQ(sum_s(found), expected);
      EXPECT_EQ(sum_s(clip(found, window)), expected_inside);
      EXPECT_EQ(merge_spans(found), found);  // disjoint and ascending
      EXPECT_EQ(idle_gaps(found, window).total_s, window.length_s() - expected_inside);
    }
  }
}

TEST(Gaps, AreCountedWithTheWindowsEdges) {
  const Spans busy = {{-1, 1}, {1.0000005, 2}, {2.005, 3}};
  const IdleGaps gaps = idle_gaps(busy, {0, 4});
  EXPECT_EQ(gaps.count, 3u);
  EXPECT_NEAR(gaps.total_s, 0.0000005 + 0.005 + 1, 1e-12);
  EXPECT_EQ(gaps.longest_s, 1);
  ASSERT_EQ(gaps.histogram.size(), 6u);
  std::vector<size_t> counts;
  for (const GapBin& bin : gaps.histogram) counts.push_back(bin.count);
  EXPECT_THAT(counts, ElementsAre(1, 0, 0, 0, 1, 1));
}

TEST(KernelSummaries, AreThoseOfTheirInstances) {
  KernelRecords records;
  records.names = {"gemm", "norm", "range"};
  records.activities = {kernel(0, 1e-3),       kernel(0.1, 0.102),           kernel(0.2, 0.206),
                        kernel(0.3, 0.301, 1), kernel(0, 9, 2, Kind::range), kernel(0.9, 1.1),
                        kernel(-0.1, 0.1)};
  const auto summaries = summarize_kernels(records, {0, 1});
  ASSERT_EQ(summaries.size(), 2u);  // no range; and what crosses the window's edges is not counted
  EXPECT_EQ(summaries[0].name, "gemm");
  EXPECT_EQ(summaries[0].instances, 3u);
  EXPECT_NEAR(summaries[0].total_ms, 9, 1e-9);
  EXPECT_NEAR(summaries[0].share_percent, 90, 1e-6);
  EXPECT_NEAR(summaries[0].mean_us, 3000, 1e-6);
  EXPECT_NEAR(summaries[0].median_us, 2000, 1e-6);
  EXPECT_NEAR(summaries[0].min_us, 1000, 1e-6);
  EXPECT_NEAR(summaries[0].max_us, 6000, 1e-6);
  EXPECT_NEAR(summaries[0].std_us, std::sqrt((4 + 1 + 9) / 2.0) * 1000, 1e-6);
  EXPECT_EQ(summaries[1].std_us, 0);
}

MadeTenant named(const std::string& name) {
  MadeTenant tenant;
  tenant.name = name;
  return tenant;
}

using Profile = DataRoot;

TEST_F(Profile, FollowsFromTheFiles) {
  make_experiment(root_ / "pair_profile", {named("a"), named("b")}, [](ExperimentRecord& record) {
    record.window = WindowRecord{0, 1};
    record.settings.profiled = true;
  });
  KernelRecords a, b;
  a.names = b.names = {"gemm"};
  a.activities = {kernel(0, 0.4), kernel(0.9, 1.2), kernel(0.5, 0.6, 0, Kind::copy)};
  b.activities = {kernel(0.3, 0.5)};
  b.missing = 2;
  b.problem = "2 records were dropped by CUPTI";
  write_kernels(root_ / "pair_profile/a", a);
  write_kernels(root_ / "pair_profile/b", b);
  const ProfileAnalysis profile = analyze_profile(root_ / "pair_profile");
  EXPECT_NEAR(profile.busy_s, 0.6, 1e-9);
  EXPECT_NEAR(profile.several_s, 0.1, 1e-9);
  EXPECT_NEAR(profile.gaps.total_s, 0.4, 1e-9);
  EXPECT_EQ(profile.gaps.count, 1u);
  ASSERT_EQ(profile.tenants.size(), 2u);
  EXPECT_NEAR(profile.tenants[0].busy_s, 0.5, 1e-9);
  EXPECT_THAT(profile.warnings, ElementsAre(HasSubstr("b: 2 records were dropped")));
  AnalysisRequest request;
  request.directory = root_ / "pair_profile";
  EXPECT_THAT(analyze_experiment(request).warnings, Contains(HasSubstr("latencies of a profiled run are inflated")));
}

TEST_F(Profile, OfADirectoryWithoutKernelsIsRefused) {
  make_experiment(root_ / "pair", {named("a")});
  EXPECT_THROW(analyze_profile(root_ / "pair"), Error);
}

// Not even by force: its latencies are inflated.
TEST_F(Profile, IsNoBaseline) {
  make_experiment(root_ / "pair", {named("a"), named("b")});
  make_experiment(root_ / "solo_profile", {named("a")},
                  [](ExperimentRecord& record) { record.settings.profiled = true; });
  AnalysisRequest request;
  request.directory = root_ / "pair";
  for (const TenantAnalysis& tenant : analyze_experiment(request).tenants) EXPECT_FALSE(tenant.baseline);
  request.baseline = root_ / "solo_profile";
  for (const bool force : {false, true}) {
    request.force_baseline = force;
    try {
      analyze_experiment(request);
      ADD_FAILURE() << force;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("was profiled"));
    }
  }
}

}  // namespace
}  // namespace cotenant
