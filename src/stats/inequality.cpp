#include "stats/inequality.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "stats/describe.h"

namespace cotenant {

double coefficient_of_variation(std::span<const double> values) {
  return std::sqrt(population_variance(values)) / mean(values);
}

double gini(std::span<const double> values) {
  const std::vector<double> sorted = sorted_copy(values);
  const auto n = static_cast<double>(sorted.size());
  double weighted = 0;  // sum of (2i - n - 1) x_i: each pair's difference once
  for (size_t i = 0; i < sorted.size(); ++i) weighted += (2 * static_cast<double>(i + 1) - n - 1) * sorted[i];
  return weighted / (n * n * mean(sorted));
}

double max_min_ratio(std::span<const double> values) {
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  return *greatest / *least;
}

double range(std::span<const double> values) {
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  return *greatest - *least;
}

double max_deviation_percent(std::span<const double> values) {
  const double center = mean(values);
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::abs(value - center));
  return 100 * largest / center;
}

double jain(std::span<const double> values) {
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  const double squares = std::inner_product(values.begin(), values.end(), values.begin(), 0.0);
  return sum * sum / (static_cast<double>(values.size()) * squares);
}

}  // namespace cotenant
