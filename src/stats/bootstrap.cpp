#include "stats/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "stats/autocorrelation.h"
#include "stats/describe.h"

namespace cotenant {
namespace {

constexpr size_t most_blocks = 500;

}  // namespace

size_t block_length(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  const double time = n / effective_sample_size(values);
  const double fewest = std::ceil(n / static_cast<double>(most_blocks));
  return static_cast<size_t>(std::clamp(std::max(std::ceil(2 * time), fewest), 1.0, n));
}

size_t block_count(std::span<const double> values) {
  return values.empty() ? 0 : values.size() / block_length(values);
}

PercentileInterval percentile_interval(std::vector<double> replicates, double confidence) {
  std::erase_if(replicates, [](double value) { return std::isnan(value); });
  std::sort(replicates.begin(), replicates.end());
  return {percentile(replicates, (1 - confidence) / 2), percentile(replicates, (1 + confidence) / 2)};
}

std::vector<double> bootstrap_mean(std::span<const double> values, size_t replicates, SplitMix64& random) {
  if (values.empty()) throw internal_error("bootstrap_mean", "empty sample");
  const size_t n = values.size(), length = block_length(values), blocks = (n + length - 1) / length;
  std::vector<double> before(n + 1, 0);  // prefix sums: a block's sum is one difference
  std::partial_sum(values.begin(), values.end(), before.begin() + 1);
  std::vector<double> means(replicates);
  for (double& result : means) {
    double sum = 0;
    for (size_t b = 0; b < blocks; ++b) {
      const size_t begin = random.below(n), end = begin + length;
      sum += end <= n ? before[end] - before[begin] : before[n] - before[begin] + before[end - n];
    }
    result = sum / static_cast<double>(blocks * length);
  }
  return means;
}

std::vector<double> bootstrap_quantile(std::span<const double> values, double q, size_t replicates,
                                       SplitMix64& random) {
  if (values.empty()) throw internal_error("bootstrap_quantile", "empty sample");
  const size_t n = values.size(), length = block_length(values), blocks = (n + length - 1) / length;
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  const auto wanted = static_cast<int64_t>(std::max(1.0, std::ceil(q * static_cast<double>(blocks * length))));

  std::vector<double> quantiles(replicates);
  std::vector<int32_t> times(n + 1);  // how often each value was drawn, by differences
  for (double& result : quantiles) {
    std::fill(times.begin(), times.end(), 0);
    for (size_t b = 0; b < blocks; ++b) {
      const size_t begin = random.below(n), end = begin + length;
      ++times[begin], --times[std::min(end, n)];
      if (end > n) ++times[0], --times[end - n];
    }
    std::partial_sum(times.begin(), times.end(), times.begin());
    int64_t drawn = 0;
    for (const size_t i : order) {
      drawn += times[i];
      if (drawn >= wanted) {
        result = values[i];
        break;
      }
    }
  }
  return quantiles;
}

}  // namespace cotenant
