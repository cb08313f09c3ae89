#include "analysis/summary.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "stats/autocorrelation.h"
#include "stats/describe.h"
#include "stats/intervals.h"
#include "stats/outliers.h"

namespace cotenant {
namespace {

// How alike neighbours are there is found from the n (1 - q) values beyond it: of few, hardly, and too little. So it
// counts as if ten more had shown what is found at the median, where neighbours that resemble each other agree most.
double effective_size_beyond(std::span<const double> values, std::span<const double> sorted, double q,
                             double at_median) {
  const auto n = static_cast<double>(values.size());
  const double own = n / effective_size_below(values, percentile(sorted, q));
  const double beyond = n * (1 - q), lent = 10;
  return n / std::max(own, (beyond * own + lent * n / at_median) / (beyond + lent));
}

void set_interval(std::optional<Interval>& interval, std::span<const double> sorted, double q, double effective,
                  double at_median) {
  if (at_median < static_cast<double>(fewest_for_interval(q))) return;
  if (const auto at = quantile_interval(sorted.size(), effective, q))
    // Outwards, to whole order statistics: the effective size is estimated too high where neighbours are alike.
    interval = Interval{sorted[static_cast<size_t>(at->low)], sorted[static_cast<size_t>(std::ceil(at->high))]};
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
  s.n_eff_p50 = effective_size_below(values, s.p50);
  s.n_eff_p95 = effective_size_beyond(values, sorted, 0.95, s.n_eff_p50);
  s.n_eff_p99 = effective_size_beyond(values, sorted, 0.99, s.n_eff_p50);
  set_interval(s.ci95_p50, sorted, 0.50, s.n_eff_p50, s.n_eff_p50);
  set_interval(s.ci95_p95, sorted, 0.95, s.n_eff_p95, s.n_eff_p50);
  set_interval(s.ci95_p99, sorted, 0.99, s.n_eff_p99, s.n_eff_p50);
  s.n_eff = effective_sample_size(values);
  s.outliers = count_outliers(sorted);
  return s;
}

std::optional<Interval> median_ratio_interval(const MedianOf& a, const MedianOf& b) {
  const auto logarithms = [](const MedianOf& of) -> std::optional<std::array<double, 3>> {
    const auto at = quantile_interval(of.sorted.size(), of.effective, 0.5);
    if (!at || !(percentile_at(of.sorted, at->low) > 0)) return std::nullopt;
    return std::array{std::log(percentile_at(of.sorted, at->low)), std::log(percentile(of.sorted, 0.5)),
                      std::log(percentile_at(of.sorted, at->high))};
  };
  const auto above = logarithms(a), below = logarithms(b);
  if (!above || !below) return std::nullopt;
  const auto& [a_low, a_median, a_high] = *above;
  const auto& [b_low, b_median, b_high] = *below;
  const double ratio = a_median - b_median;
  return Interval{std::exp(ratio - std::hypot(a_median - a_low, b_high - b_median)),
                  std::exp(ratio + std::hypot(a_high - a_median, b_median - b_low))};
}

}  // namespace cotenant
