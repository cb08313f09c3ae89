#include "stats/estimated_variance.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "base/error.h"
#include "stats/autocorrelation.h"
#include "stats/describe.h"

namespace cotenant {

EstimatedVariance variance_of_mean(std::span<const double> values) {
  if (values.size() < 2) throw internal_error("variance_of_mean", "fewer than two values");
  const auto n = static_cast<double>(values.size());
  const double deviation = standard_deviation(values);
  return {deviation * deviation / n, n - 1};
}

double correlation_of_batches(std::span<const std::span<const double>> sequences) {
  return neighbours_correlation(sequences, 0.9);
}

EstimatedVariance variance_of_batch_mean(std::span<const double> batches) {
  return variance_of_batch_mean(batches, correlation_of_batches({&batches, 1}));
}

EstimatedVariance variance_of_batch_mean(std::span<const double> batches, double r) {
  const EstimatedVariance independent = variance_of_mean(batches);
  const double inflation = (1 + r) / (1 - r);
  return {independent.variance * inflation, independent.degrees / inflation};
}

EstimatedVariance scaled(const EstimatedVariance& of, double factor) {
  return {of.variance * factor * factor, of.degrees};
}

EstimatedVariance operator+(const EstimatedVariance& a, const EstimatedVariance& b) {
  const double sum = a.variance + b.variance;
  if (!(sum > 0)) return {0, std::min(a.degrees, b.degrees)};
  return {sum, sum * sum / (a.variance * a.variance / a.degrees + b.variance * b.variance / b.degrees)};
}

double half_width(const EstimatedVariance& of, double confidence) {
  const double tail = (1 - confidence) / 2;
  const double t = std::isinf(of.degrees) ? quantile(complement(boost::math::normal(), tail))
                                          : quantile(complement(boost::math::students_t(of.degrees), tail));
  return t * std::sqrt(of.variance);
}

}  // namespace cotenant
