#include "stats/outliers.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "stats/describe.h"

namespace cotenant {

double robust_deviation(std::span<const double> sorted) {
  constexpr double of_normal = 1.482602218505602;  // 1 / the normal distribution's upper quartile
  const double center = percentile(sorted, 0.5);
  std::vector<double> distances;
  distances.reserve(sorted.size());
  for (const double value : sorted) distances.push_back(std::abs(value - center));
  return of_normal * median(distances);
}

size_t count_outliers(std::span<const double> sorted, double limit) {
  const double deviation = robust_deviation(sorted);
  if (!(deviation > 0)) return 0;
  const double center = percentile(sorted, 0.5);
  const auto below = std::lower_bound(sorted.begin(), sorted.end(), center - limit * deviation);
  const auto above = std::upper_bound(sorted.begin(), sorted.end(), center + limit * deviation);
  return static_cast<size_t>((below - sorted.begin()) + (sorted.end() - above));
}

}  // namespace cotenant
