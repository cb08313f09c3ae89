#include "stats/describe.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace cotenant {
namespace {

double sum_of_squared_deviations(std::span<const double> values) {
  const double center = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - center) * (value - center);
  return squares;
}

}  // namespace

double percentile(std::span<const double> sorted, double q) {
  if (sorted.empty() || !(q >= 0 && q <= 1)) throw internal_error("percentile", "empty sample or q outside [0, 1]");
  return percentile_at(sorted, q * static_cast<double>(sorted.size() - 1));
}

double percentile_at(std::span<const double> sorted, double place) {
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

double mean(std::span<const double> values) {
  if (values.empty()) throw internal_error("mean", "empty sample");
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_deviation(std::span<const double> values) {
  const double squares = sum_of_squared_deviations(values);
  return values.size() == 1 ? 0 : std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double population_variance(std::span<const double> values) {
  return sum_of_squared_deviations(values) / static_cast<double>(values.size());
}

std::vector<double> sorted_copy(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

double median(std::span<const double> values) {
  if (values.empty()) throw internal_error("median", "empty sample");
  std::vector<double> copy(values.begin(), values.end());
  const auto middle = copy.begin() + static_cast<std::ptrdiff_t>(copy.size() / 2);
  std::nth_element(copy.begin(), middle, copy.end());
  if (copy.size() % 2 == 1) return *middle;
  return (*std::max_element(copy.begin(), middle) + *middle) / 2;
}

}  // namespace cotenant
