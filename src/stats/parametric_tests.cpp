#include <boost/math/distributions/fisher_f.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "stats/describe.h"
#include "stats/hypothesis_tests.h"

namespace cotenant {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

double f_tail(double statistic, double between, double within) {
  if (std::isnan(statistic)) return nan;
  if (std::isinf(statistic)) return 0;
  return cdf(complement(boost::math::fisher_f(between, within), statistic));
}

double sum_of_squares_around(std::span<const double> values, double center) {
  double squares = 0;
  for (const double value : values) squares += (value - center) * (value - center);
  return squares;
}

TestResult t_result(double difference, double error, double degrees) {
  const double t = difference / error;  // 0/0 is NaN, x/0 infinite: as they should be
  if (std::isnan(t) || std::isnan(degrees)) return {t, std::isinf(t) ? 0 : nan};
  if (std::isinf(t)) return {t, 0};
  return {t, 2 * cdf(complement(boost::math::students_t(degrees), std::abs(t)))};
}

double sample_variance(std::span<const double> values) {
  const double deviation = standard_deviation(values);
  return deviation * deviation;
}

void require_two(std::span<const double> a, std::span<const double> b) {
  if (a.size() < 2 || b.size() < 2) throw internal_error("t test", "a sample of fewer than two values");
}

}  // namespace

TestResult anova(SampleSpans samples) {
  double sum = 0;
  size_t total = 0;
  for (const auto& sample : samples) {
    for (const double value : sample) sum += value;
    total += sample.size();
  }
  if (samples.size() < 2 || total <= samples.size()) throw internal_error("anova", "too few samples or values");
  const double grand_mean = sum / static_cast<double>(total);
  double between = 0, within = 0;
  bool all_constant = true;
  for (const auto& sample : samples) {
    const double center = mean(sample);
    between += static_cast<double>(sample.size()) * (center - grand_mean) * (center - grand_mean);
    within += sum_of_squares_around(sample, center);
    for (const double value : sample) all_constant &= value == samples[0][0];
  }
  if (all_constant) return {nan, nan};  // rounding of the mean must not make a variance
  const auto degrees_between = static_cast<double>(samples.size() - 1);
  const auto degrees_within = static_cast<double>(total - samples.size());
  const double f = (between / degrees_between) / (within / degrees_within);
  return {f, f_tail(f, degrees_between, degrees_within)};
}

TestResult levene(SampleSpans samples) {
  std::vector<std::vector<double>> distances;
  for (const auto& sample : samples) {
    const double center = median(sample);
    auto& of_sample = distances.emplace_back();
    of_sample.reserve(sample.size());
    for (const double value : sample) of_sample.push_back(std::abs(value - center));
  }
  const std::vector<std::span<const double>> spans(distances.begin(), distances.end());
  return anova(spans);
}

TestResult student_t(std::span<const double> a, std::span<const double> b) {
  require_two(a, b);
  const auto na = static_cast<double>(a.size()), nb = static_cast<double>(b.size());
  const double degrees = na + nb - 2;
  const double pooled = ((na - 1) * sample_variance(a) + (nb - 1) * sample_variance(b)) / degrees;
  return t_result(mean(a) - mean(b), std::sqrt(pooled * (1 / na + 1 / nb)), degrees);
}

TestResult welch_t(std::span<const double> a, std::span<const double> b) {
  require_two(a, b);
  const auto na = static_cast<double>(a.size()), nb = static_cast<double>(b.size());
  const double of_a = sample_variance(a) / na, of_b = sample_variance(b) / nb;
  // Welch and Satterthwaite
  const double degrees = (of_a + of_b) * (of_a + of_b) / (of_a * of_a / (na - 1) + of_b * of_b / (nb - 1));
  return t_result(mean(a) - mean(b), std::sqrt(of_a + of_b), degrees);
}

}  // namespace cotenant
