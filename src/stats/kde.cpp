#include "stats/kde.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "stats/describe.h"

namespace cotenant {
namespace {

constexpr size_t most_exact_values = 20'000;
constexpr size_t bins = 4'096;

// Values at `points`, each with its weight.
std::vector<double> weighted_kde(std::span<const double> points, std::span<const double> weights, double bandwidth,
                                 std::span<const double> grid) {
  double total = 0;
  for (const double weight : weights) total += weight;
  const double scale = 1 / (total * bandwidth * std::sqrt(2 * std::numbers::pi));
  std::vector<double> density(grid.size(), 0);
  for (size_t g = 0; g < grid.size(); ++g) {
    for (size_t i = 0; i < points.size(); ++i) {
      const double z = (grid[g] - points[i]) / bandwidth;
      density[g] += weights[i] * std::exp(-z * z / 2);
    }
    density[g] *= scale;
  }
  return density;
}

}  // namespace

double scott_bandwidth(std::span<const double> values) {
  return standard_deviation(values) * std::pow(static_cast<double>(values.size()), -0.2);
}

std::vector<double> kde(std::span<const double> values, std::span<const double> grid) {
  const double bandwidth = scott_bandwidth(values);
  if (!(bandwidth > 0)) return std::vector<double>(grid.size(), 0);
  if (values.size() <= most_exact_values)
    return weighted_kde(values, std::vector<double>(values.size(), 1), bandwidth, grid);

  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  const double step = (*greatest - *least) / (bins - 1);
  if (!(step > 0)) return std::vector<double>(grid.size(), 0);  // closer than the smallest number
  std::vector<double> points(bins), weights(bins, 0);
  for (size_t i = 0; i < bins; ++i) points[i] = *least + step * static_cast<double>(i);
  for (const double value : values) {
    const double at = (value - *least) / step;
    const size_t below = std::min(static_cast<size_t>(at), bins - 2);
    const double part = at - static_cast<double>(below);
    weights[below] += 1 - part;
    weights[below + 1] += part;
  }
  return weighted_kde(points, weights, bandwidth, grid);
}

}  // namespace cotenant
