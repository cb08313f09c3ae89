#include "stats/intervals.h"

#include <algorithm>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>

#include "stats/describe.h"
#include "stats/estimated_variance.h"

namespace cotenant {

namespace {

// The greatest k in [0, m - 1) with P(B <= k) <= tail, where B is binomial(m, q) and both m and k need not be whole.
std::optional<double> greatest_below(double m, double q, double tail) {
  const auto at_most = [&](double k) { return boost::math::ibetac(k + 1, m - k, q); };
  if (!(m > 1) || at_most(0) > tail) return std::nullopt;
  double low = 0, too_high = m - 1;
  for (int halving = 0; halving < 40; ++halving) {
    const double middle = (low + too_high) / 2;
    (at_most(middle) <= tail ? low : too_high) = middle;
  }
  return low;
}

}  // namespace

std::optional<OrderInterval> quantile_interval(size_t n, double effective, double q, double confidence) {
  const double tail = (1 - confidence) / 2;
  const auto from_below = greatest_below(effective, q, tail), from_above = greatest_below(effective, 1 - q, tail);
  if (!from_below || !from_above) return std::nullopt;
  const auto last = static_cast<double>(n) - 1;
  const auto place = [&](double k) {
    return std::clamp((k + 0.5) / effective * static_cast<double>(n) - 0.5, 0.0, last);
  };
  return OrderInterval{place(*from_below), last - place(*from_above)};
}

size_t fewest_for_interval(double q, double confidence) {
  // The least and the greatest sample enclose it: of q^n and (1 - q)^n, the chances that they do not, the greater one.
  return static_cast<size_t>(std::ceil(std::log((1 - confidence) / 2) / std::log(std::max(q, 1 - q))));
}

MeanInterval mean_difference_interval(std::span<const double> a, std::span<const double> b, double confidence) {
  const double half = half_width(variance_of_mean(a) + variance_of_mean(b), confidence);
  return {mean(a) - mean(b) - half, mean(a) - mean(b) + half};
}

}  // namespace cotenant
