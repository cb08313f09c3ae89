#include "stats/intervals.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "base/error.h"
#include "stats/describe.h"

namespace cotenant {

std::optional<OrderInterval> quantile_interval(size_t n, double q, double confidence) {
  if (n == 0) return std::nullopt;
  const boost::math::binomial below(static_cast<double>(n), q);
  const double tail = (1 - confidence) / 2;
  const auto at_most = [&](size_t k) { return cdf(below, static_cast<double>(k)); };  // P(B <= k)
  const auto at_least = [&](size_t k) {
    return cdf(complement(below, static_cast<double>(k) - 1));
  };  // P(B >= k), k >= 1
  if (at_most(0) > tail || at_least(n) > tail) return std::nullopt;

  size_t low = 0, too_high = n;  // the largest `low` with P(B <= low) <= tail
  while (too_high - low > 1) {
    const size_t middle = low + (too_high - low) / 2;
    (at_most(middle) <= tail ? low : too_high) = middle;
  }
  size_t high = n, too_low = 0;  // the smallest `high`, counted from 1, with P(B >= high) <= tail
  while (high - too_low > 1) {
    const size_t middle = too_low + (high - too_low) / 2;
    (at_least(middle) <= tail ? high : too_low) = middle;
  }
  return OrderInterval{low, high - 1};
}

size_t fewest_for_interval(double q, double confidence) {
  // The least and the greatest sample enclose it: of q^n and (1 - q)^n, the chances that they do not, the greater one.
  return static_cast<size_t>(std::ceil(std::log((1 - confidence) / 2) / std::log(std::max(q, 1 - q))));
}

namespace {

// Student's t at which (1 - confidence) / 2 remain above.
double t_quantile(double degrees, double confidence) {
  return quantile(complement(boost::math::students_t(degrees), (1 - confidence) / 2));
}

}  // namespace

MeanInterval mean_interval(std::span<const double> values, double confidence) {
  if (values.size() < 2) throw internal_error("mean_interval", "fewer than two values");
  const auto n = static_cast<double>(values.size());
  const double half = t_quantile(n - 1, confidence) * standard_deviation(values) / std::sqrt(n);
  return {mean(values) - half, mean(values) + half};
}

MeanInterval mean_difference_interval(std::span<const double> a, std::span<const double> b, double confidence) {
  if (a.size() < 2 || b.size() < 2) throw internal_error("mean_difference_interval", "fewer than two values");
  const auto na = static_cast<double>(a.size()), nb = static_cast<double>(b.size());
  const double difference = mean(a) - mean(b);
  const double of_a = std::pow(standard_deviation(a), 2) / na, of_b = std::pow(standard_deviation(b), 2) / nb;
  if (!(of_a + of_b > 0)) return {difference, difference};
  const double degrees = std::pow(of_a + of_b, 2) / (of_a * of_a / (na - 1) + of_b * of_b / (nb - 1));
  const double half = t_quantile(degrees, confidence) * std::sqrt(of_a + of_b);
  return {difference - half, difference + half};
}

}  // namespace cotenant
