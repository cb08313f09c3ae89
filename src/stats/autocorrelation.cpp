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

struct Sums {
  double products = 0, squares = 0;  // of neighbours, and of each with itself

  Sums& operator+=(const Sums& other) {
    products += other.products;
    squares += other.squares;
    return *this;
  }
};

Sums found_in(std::span<const double> stretch) {
  const double center = mean(stretch);
  return {autocovariance_sum(stretch, center, 1), autocovariance_sum(stretch, center, 0)};
}

// Of n values of variance 1 about their mean, which has the covariance `of_end` with the first and the last of them.
Sums expected(size_t n, double r) {
  const auto count = static_cast<double>(n);
  const double of_mean = inflation_of_mean(n, r) / count;
  const double of_end = (r < 1 ? (1 - std::pow(r, count)) / (1 - r) : count) / count;
  return {(count - 1) * r - (count + 1) * of_mean + 2 * of_end, count * (1 - of_mean)};
}

}  // namespace

double inflation_of_mean(size_t n, double r) {
  double sum = 1, power = 1;
  for (size_t k = 1; k < n; ++k) sum += 2 * (1 - static_cast<double>(k) / static_cast<double>(n)) * (power *= r);
  return sum;
}

double neighbours_correlation(std::span<const std::span<const double>> stretches, double most) {
  Sums found;
  for (const auto& stretch : stretches) found += found_in(stretch);
  if (!(found.squares > 0)) return 0;
  const auto is_below_it = [&](double r) {
    Sums of_r;
    for (const auto& stretch : stretches) of_r += expected(stretch.size(), r);
    return of_r.products * found.squares < found.products * of_r.squares;
  };
  if (is_below_it(most)) return most;
  double low = 0, high = most;
  for (int halving = 0; halving < 40; ++halving) {
    const double r = (low + high) / 2;
    (is_below_it(r) ? low : high) = r;
  }
  return low;
}

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
