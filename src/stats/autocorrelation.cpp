#include "stats/autocorrelation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "stats/describe.h"

namespace cotenant {
namespace {

double autocovariance_sum(std::span<const double> values, double center, size_t lag) {
  double sum = 0;
  for (size_t i = 0; i + lag < values.size(); ++i) sum += (values[i] - center) * (values[i + lag] - center);
  return sum;
}

}  // namespace

double autocorrelation(std::span<const double> values, size_t lag) {
  const double center = mean(values);
  const double squares = autocovariance_sum(values, center, 0);
  return squares > 0 ? autocovariance_sum(values, center, lag) / squares : std::numeric_limits<double>::quiet_NaN();
}

double effective_sample_size(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  const double center = mean(values);
  const double squares = autocovariance_sum(values, center, 0);
  if (!(squares > 0)) return n;
  const size_t most_lags = std::min(values.size() - 1, size_t{200'000'000} / values.size() + 1);
  double time = -1;  // integrated: -1 + 2 x (sum of pairs, the first of which holds lag 0)
  for (size_t lag = 0; lag + 1 <= most_lags; lag += 2) {
    const double first = lag == 0 ? squares : autocovariance_sum(values, center, lag);
    const double pair = (first + autocovariance_sum(values, center, lag + 1)) / squares;
    if (!(pair > 0)) break;
    time += 2 * pair;
  }
  return std::clamp(n / std::max(time, 1.0), 1.0, n);
}

double effective_size_below(std::span<const double> values, double limit) {
  std::vector<double> below(values.size());
  std::transform(values.begin(), values.end(), below.begin(), [&](double value) { return value <= limit ? 1.0 : 0.0; });
  return effective_sample_size(below);
}

}  // namespace cotenant
