#include "stats/change_point.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "stats/describe.h"
#include "stats/ranks.h"

namespace cotenant {

std::optional<ChangePoint> change_point(std::span<const double> values) {
  if (values.size() < 4) return std::nullopt;
  const auto n = static_cast<double>(values.size());
  const std::vector<double> rank = ranks(values);
  ChangePoint best;
  double sum = 0;
  for (size_t t = 1; t < values.size(); ++t) {
    sum += rank[t - 1];
    const double k = std::abs(2 * sum - static_cast<double>(t) * (n + 1));
    if (k > best.statistic) best = {t, k, 0};
  }
  best.p = std::min(1.0, 2 * std::exp(-6 * best.statistic * best.statistic / (n * n * n + n * n)));
  return best;
}

std::optional<LateWarmup> late_warmup(std::span<const double> values, double least_shift) {
  if (values.size() < 40) return std::nullopt;
  const size_t block = std::max<size_t>(1, values.size() / 200);
  std::vector<double> medians;
  for (size_t begin = 0; begin + block <= values.size(); begin += block)
    medians.push_back(median(values.subspan(begin, block)));
  const auto change = change_point(medians);
  if (!change || change->p >= 0.001 || change->first_after > medians.size() / 2) return std::nullopt;
  const size_t at = change->first_after * block;
  const double after = median(values.subspan(at));
  const double shift = (median(values.first(at)) - after) / after;
  if (!(std::abs(shift) >= least_shift)) return std::nullopt;
  return LateWarmup{at, shift};
}

}  // namespace cotenant
