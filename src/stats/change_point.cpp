#include "stats/change_point.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <vector>

#include "stats/autocorrelation.h"
#include "stats/describe.h"

namespace cotenant {

namespace {

constexpr size_t blocks = 20, most_before = blocks / 2, last_early = blocks / 4;

size_t begin_of_block(size_t block, size_t count) {
  return block * count / blocks;
}

// Variance of the mean of n values that forget each other by r a step, over that of the mean of independent ones.
double inflation(size_t n, double r) {
  double sum = 1, power = 1;
  for (size_t k = 1; k < n; ++k) sum += 2 * (1 - static_cast<double>(k) / static_cast<double>(n)) * (power *= r);
  return sum;
}

// Student's t of the means before and after a cut, two-sided.
double p_of_cut(std::span<const double> values, size_t cut) {
  const double first = mean(values.first(cut)), second = mean(values.subspan(cut));
  std::vector<double> left(values.begin(), values.end());
  double squares = 0;
  for (size_t i = 0; i < left.size(); ++i) {
    left[i] -= i < cut ? first : second;
    squares += left[i] * left[i];
  }
  if (!(squares > 0)) return first == second ? 1 : 0;
  const auto n = static_cast<double>(values.size()), before = static_cast<double>(cut), after = n - before;
  const double found = autocorrelation(left, 1);  // NaN where only rounding is left
  const double r = std::isnan(found) ? 0 : std::clamp((n * found + 2) / (n - 6), 0.0, 0.9);
  const double of_first = inflation(cut, r), of_second = inflation(values.size() - cut, r);
  const double variance = squares / std::max(2.0, n - of_first - of_second);
  const double of_difference = of_first / before + of_second / after;
  const double degrees = (n - 2) * (1 / before + 1 / after) / of_difference;
  const double t = std::abs(first - second) / std::sqrt(variance * of_difference);
  return 2 * cdf(complement(boost::math::students_t(degrees), t));
}

}  // namespace

std::optional<LateWarmup> late_warmup(std::span<const double> values, double least_shift) {
  if (values.size() < 5 * blocks) return std::nullopt;
  std::vector<double> levels;
  for (size_t block = 0; block < blocks; ++block) {
    const size_t begin = begin_of_block(block, values.size()), end = begin_of_block(block + 1, values.size());
    const double level = median(values.subspan(begin, end - begin));
    if (!(level > 0)) return std::nullopt;
    levels.push_back(std::log(level));
  }
  size_t cut = 1;
  double least_p = 1;
  for (size_t before = 1; before <= most_before; ++before)
    if (const double p = p_of_cut(levels, before); p < least_p) cut = before, least_p = p;
  if (!(least_p * most_before < 0.01)) return std::nullopt;
  const size_t at = begin_of_block(cut, values.size());
  const double after = median(values.subspan(at));
  const double shift = (median(values.first(at)) - after) / after;
  if (!(std::abs(shift) >= least_shift)) return std::nullopt;
  return LateWarmup{at, shift, cut <= last_early};
}

}  // namespace cotenant
