#include "analysis/summary.h"

#include <algorithm>

#include "stats/autocorrelation.h"
#include "stats/bootstrap.h"
#include "stats/describe.h"
#include "stats/intervals.h"
#include "stats/outliers.h"

namespace cotenant {
namespace {

std::optional<Interval> order_interval(std::span<const double> sorted, double q) {
  const auto at = quantile_interval(sorted.size(), q);
  return at ? std::optional(Interval{sorted[at->low], sorted[at->high]}) : std::nullopt;
}

}  // namespace

std::optional<Summary> summarize_column(std::span<const double> values) {
  return summarize_column(values, sorted_copy(values));
}

std::optional<Summary> summarize_column(std::span<const double> values, std::span<const double> sorted) {
  if (values.empty()) return std::nullopt;
  Summary s;
  s.count = values.size();
  s.mean = mean(values);
  s.std = standard_deviation(values);
  s.min = sorted.front();
  s.max = sorted.back();
  s.p25 = percentile(sorted, 0.25);
  s.p50 = percentile(sorted, 0.50);
  s.p75 = percentile(sorted, 0.75);
  s.p90 = percentile(sorted, 0.90);
  s.p95 = percentile(sorted, 0.95);
  s.p99 = percentile(sorted, 0.99);
  s.ci95_p50 = order_interval(sorted, 0.50);
  s.ci95_p95 = order_interval(sorted, 0.95);
  s.ci95_p99 = order_interval(sorted, 0.99);
  s.n_eff = effective_sample_size(values);
  s.outliers = count_outliers(sorted);
  return s;
}

std::optional<Interval> median_ratio_interval(std::span<const double> a, std::span<const double> b, uint64_t seed) {
  constexpr size_t most = 200'000, least_blocks = 30, work = 2'000'000;
  const size_t larger = std::max(a.size(), b.size());
  if (larger > most || block_count(a) < least_blocks || block_count(b) < least_blocks) return std::nullopt;
  const size_t replicates = std::clamp(work / larger, size_t{100}, size_t{1000});
  SplitMix64 random(seed);
  std::vector<double> ratios = bootstrap_quantile(a, 0.5, replicates, random);
  const std::vector<double> below = bootstrap_quantile(b, 0.5, replicates, random);
  for (size_t i = 0; i < replicates; ++i) ratios[i] /= below[i];
  const PercentileInterval interval = percentile_interval(std::move(ratios));
  return Interval{interval.low, interval.high};
}

}  // namespace cotenant
