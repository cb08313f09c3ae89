#include "stats/change_point.h"

#include <algorithm>
#include <array>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <vector>

#include "stats/autocorrelation.h"
#include "stats/describe.h"
#include "stats/streamed_quantiles.h"

namespace cotenant {

namespace {

constexpr size_t blocks = 20, most_before = blocks / 2, last_early = blocks / 4;
constexpr double most_correlation = 0.8;

size_t begin_of_block(size_t block, size_t count) {
  return block * count / blocks;
}

// Each part ends before the index `ends` says; none is empty.
std::vector<double> medians_of_parts(const Sequence& values, const std::vector<size_t>& ends) {
  std::vector<StreamedQuantiles> parts(ends.size(), StreamedQuantiles({0.5}));
  for (;;) {
    bool any = false;
    for (StreamedQuantiles& part : parts) any = part.begin_pass() || any;
    if (!any) break;
    size_t index = 0, part = 0;
    values([&](double value) {
      while (index >= ends[part]) ++part;
      parts[part].add(value);
      ++index;
    });
  }
  std::vector<double> medians;
  for (const StreamedQuantiles& part : parts) medians.push_back(part.at(0));
  return medians;
}

// Student's t of the means before and after a cut, two-sided.
double p_of_cut(std::span<const double> values, size_t cut) {
  const std::array<std::span<const double>, 2> sides{values.first(cut), values.subspan(cut)};
  const double first = mean(sides[0]), second = mean(sides[1]);
  double squares = 0;
  for (const double value : sides[0]) squares += (value - first) * (value - first);
  for (const double value : sides[1]) squares += (value - second) * (value - second);
  if (!(squares > 0)) return first == second ? 1 : 0;
  const auto n = static_cast<double>(values.size()), before = static_cast<double>(cut), after = n - before;
  const double r = neighbours_correlation(sides, most_correlation);
  const double of_first = inflation_of_mean(cut, r), of_second = inflation_of_mean(sides[1].size(), r);
  const double variance = squares / std::max(2.0, n - of_first - of_second);
  const double of_difference = of_first / before + of_second / after;
  const double degrees = (n - 2) * (1 / before + 1 / after) / of_difference;
  const double t = std::abs(first - second) / std::sqrt(variance * of_difference);
  return 2 * cdf(complement(boost::math::students_t(degrees), t));
}

}  // namespace

std::optional<LateWarmup> late_warmup(std::span<const double> values, double least_shift) {
  const auto each = [values](const std::function<void(double)>& use) { std::ranges::for_each(values, use); };
  return late_warmup(each, values.size(), least_shift);
}

std::optional<LateWarmup> late_warmup(const Sequence& values, size_t count, double least_shift) {
  if (count < 5 * blocks) return std::nullopt;
  std::vector<size_t> ends;
  for (size_t block = 1; block <= blocks; ++block) ends.push_back(begin_of_block(block, count));
  std::vector<double> levels = medians_of_parts(values, ends);
  for (double& level : levels) {
    if (!(level > 0)) return std::nullopt;
    level = std::log(level);
  }
  size_t cut = 1;
  double least_p = 1;
  for (size_t before = 1; before <= most_before; ++before)
    if (const double p = p_of_cut(levels, before); p < least_p) cut = before, least_p = p;
  if (!(least_p * most_before < 0.05)) return std::nullopt;
  const size_t at = begin_of_block(cut, count);
  const std::vector<double> around = medians_of_parts(values, {at, count});
  const double shift = (around[0] - around[1]) / around[1];
  const bool large = std::abs(std::log1p(shift)) >= std::log(2);
  if (!(std::abs(shift) >= least_shift) || !(large || least_p * most_before < 0.005)) return std::nullopt;
  return LateWarmup{at, shift, cut <= last_early};
}

}  // namespace cotenant
