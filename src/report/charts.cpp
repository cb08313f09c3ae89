#include "report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "stats/describe.h"
#include "stats/ecdf.h"
#include "stats/histogram.h"
#include "stats/kde.h"

namespace cotenant {
namespace {

struct Reach {
  double low = 0, high = 0;  // ms; equal when there are no samples
};

// From the least sample to a little beyond the 99.5th percentile of the slowest tenant: a single stall of a second must
// not squeeze everything else into one bin.
Reach reach(std::span<const std::vector<double>> sorted, bool logarithmic) {
  Reach found{INFINITY, -INFINITY};
  for (const auto& values : sorted) {
    if (values.empty()) continue;
    found.low = std::min(found.low, values.front());
    found.high = std::max(found.high, std::min(values.back(), percentile(values, 0.995) * 1.02));
  }
  if (!(found.low < found.high)) {
    const double middle = std::isfinite(found.low) ? found.low : 1;
    return {middle * 0.95, middle * 1.05 + 1e-9};
  }
  if (logarithmic) found.low = std::max(found.low, found.high * least_drawn_share);
  const double margin = logarithmic ? 0 : (found.high - found.low) * 0.06;
  return {std::max(found.low - margin, 0.0), found.high + margin};
}

std::vector<double> linear_grid(double low, double high, size_t points) {
  std::vector<double> grid(points);
  for (size_t i = 0; i < points; ++i) {
    grid[i] = low + (high - low) * static_cast<double>(i) / static_cast<double>(points - 1);
  }
  return grid;
}

// Bins for all tenants over `reach`, on the scale that is drawn: as wide as the tenant with the narrowest distribution
// needs, because tenants that are far apart would make one tall bin each of a width that suits all of them together.
std::vector<double> edges_for(std::span<const std::vector<double>> scaled, Reach reach) {
  constexpr double fewest = 8, most = 90;
  const double span = reach.high - reach.low;
  double width = span / fewest;
  for (const auto& values : scaled) {
    std::vector<double> inside;
    std::copy_if(values.begin(), values.end(), std::back_inserter(inside),
                 [&](double v) { return v >= reach.low && v <= reach.high; });
    if (inside.size() < 2 || inside.front() == inside.back()) continue;
    const auto own = common_edges(std::array{std::span<const double>(inside)}, static_cast<size_t>(most));
    width = std::min(width, own[1] - own[0]);
  }
  const double bins = std::clamp(std::ceil(span / width), fewest, most);
  return linear_grid(reach.low, reach.high, static_cast<size_t>(bins) + 1);
}

std::vector<double> as_density(std::span<const size_t> counts, std::span<const double> edges, size_t samples) {
  std::vector<double> density(counts.size());
  for (size_t i = 0; i < counts.size(); ++i) {
    density[i] = static_cast<double>(counts[i]) / (static_cast<double>(samples) * (edges[i + 1] - edges[i]));
  }
  return density;
}

void to_milliseconds(std::vector<double>& log10_values) {
  for (double& value : log10_values) value = std::pow(10, value);
}

Box box_of(const std::vector<double>& sorted) {
  Box box;
  box.count = sorted.size();
  if (sorted.empty()) return box;
  box.p25 = percentile(sorted, 0.25);
  box.p50 = percentile(sorted, 0.5);
  box.p75 = percentile(sorted, 0.75);
  box.mean = mean(sorted);
  const double reach = 1.5 * (box.p75 - box.p25);
  const auto first = std::lower_bound(sorted.begin(), sorted.end(), box.p25 - reach);
  const auto last = std::upper_bound(sorted.begin(), sorted.end(), box.p75 + reach);
  box.low = *first;
  box.high = *(last - 1);
  std::vector<double> outliers(sorted.begin(), first);
  outliers.insert(outliers.end(), last, sorted.end());
  box.outlier_count = outliers.size();
  constexpr size_t most = 40;
  const size_t kept = std::min(most, outliers.size());
  for (size_t i = 0; i < kept; ++i) {
    box.outliers.push_back(outliers[kept == 1 ? 0 : i * (outliers.size() - 1) / (kept - 1)]);
  }
  return box;
}

std::vector<std::vector<double>> sorted_metric(const ExperimentAnalysis& experiment) {
  std::vector<std::vector<double>> sorted;
  for (const TenantAnalysis& tenant : experiment.tenants) sorted.push_back(tenant.metric_sorted_ms);
  return sorted;
}

}  // namespace

bool wants_log_axis(const ExperimentAnalysis& experiment) {
  double least = INFINITY, greatest = 0;
  for (const TenantAnalysis& tenant : experiment.tenants) {
    if (tenant.metric_ms.empty()) continue;
    if (*std::min_element(tenant.metric_ms.begin(), tenant.metric_ms.end()) <= 0) return false;
    const double middle = median(tenant.metric_ms);
    least = std::min(least, middle);
    greatest = std::max(greatest, middle);
  }
  return greatest > log_axis_ratio * least;
}

DistributionChart distribution_chart(const ExperimentAnalysis& experiment) {
  DistributionChart chart;
  chart.logarithmic = wants_log_axis(experiment);
  auto scaled = sorted_metric(experiment);
  Reach drawn = reach(scaled, chart.logarithmic);
  if (chart.logarithmic) {
    for (auto& values : scaled) {
      for (double& value : values) value = std::log10(value);
    }
    drawn = {std::log10(drawn.low) - 0.02, std::log10(drawn.high) + 0.02};
  }
  chart.edges = edges_for(scaled, drawn);
  chart.grid = linear_grid(drawn.low, drawn.high, 240);
  for (const auto& values : scaled) {
    if (values.empty()) {
      chart.histogram.emplace_back();
      chart.density.emplace_back();
      continue;
    }
    chart.histogram.push_back(as_density(histogram(values, chart.edges), chart.edges, values.size()));
    chart.density.push_back(kde(values, chart.grid));
    chart.beyond += static_cast<size_t>(values.end() - std::upper_bound(values.begin(), values.end(), drawn.high));
  }
  if (chart.logarithmic) {
    to_milliseconds(chart.edges);
    to_milliseconds(chart.grid);
  }
  return chart;
}

std::vector<Curve> ecdf_chart(const ExperimentAnalysis& experiment, size_t most_points) {
  std::vector<Curve> curves;
  for (const auto& values : sorted_metric(experiment)) {
    Curve& curve = curves.emplace_back();
    if (values.empty()) continue;
    const Ecdf steps = ecdf(values);
    const size_t kept = std::min(most_points, steps.values.size());
    for (size_t i = 0; i < kept; ++i) {
      const size_t at = kept == 1 ? 0 : i * (steps.values.size() - 1) / (kept - 1);
      curve.x.push_back(steps.values[at]);
      curve.y.push_back(steps.fraction[at]);
    }
  }
  return curves;
}

std::vector<Box> box_chart(const ExperimentAnalysis& experiment) {
  std::vector<Box> boxes;
  for (const auto& values : sorted_metric(experiment)) boxes.push_back(box_of(values));
  return boxes;
}

TimelineChart timeline_chart(const ExperimentAnalysis& experiment, size_t most_points_in_all) {
  TimelineChart chart;
  const size_t most = std::max<size_t>(most_points_in_all / std::max<size_t>(experiment.tenants.size(), 1), 200);
  chart.has_times = std::any_of(experiment.tenants.begin(), experiment.tenants.end(),
                                [](const TenantAnalysis& tenant) { return !tenant.samples.start_s.empty(); });
  for (const TenantAnalysis& tenant : experiment.tenants) {
    Curve& curve = chart.curves.emplace_back();
    const auto values = column(tenant.samples, experiment.metric);
    const auto kept = thin(values, most);
    chart.thinned = chart.thinned || kept.size() < values.size();
    for (size_t i : kept) {
      const bool placed = !chart.has_times || i < tenant.samples.start_s.size();
      if (!placed || !std::isfinite(values[i])) continue;
      curve.x.push_back(chart.has_times ? tenant.samples.start_s[i] : static_cast<double>(i));
      curve.y.push_back(values[i]);
    }
  }
  return chart;
}

std::vector<size_t> thin(std::span<const double> values, size_t most) {
  std::vector<size_t> kept;
  if (values.size() <= most) {
    kept.resize(values.size());
    for (size_t i = 0; i < kept.size(); ++i) kept[i] = i;
    return kept;
  }
  const size_t stretches = std::max<size_t>(most / 2, 1);
  for (size_t s = 0; s < stretches; ++s) {
    const size_t begin = s * values.size() / stretches, end = (s + 1) * values.size() / stretches;
    size_t least = begin, greatest = begin;
    for (size_t i = begin; i < end; ++i) {
      if (values[i] < values[least] || std::isnan(values[least])) least = i;
      if (values[i] > values[greatest] || std::isnan(values[greatest])) greatest = i;
    }
    kept.push_back(std::min(least, greatest));
    if (least != greatest) kept.push_back(std::max(least, greatest));
  }
  return kept;
}

std::string work_of(const TenantAnalysis& tenant) {
  if (tenant.batch_size <= 0) return tenant.model;
  return fmt::format("{} · {} × {}", tenant.model, tenant.batch_size, tenant.seq_len);
}

}  // namespace cotenant
