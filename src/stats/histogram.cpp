#include "stats/histogram.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "stats/describe.h"

namespace cotenant {

std::vector<double> common_edges(std::span<const std::span<const double>> samples, size_t most_bins) {
  std::vector<double> pooled;
  for (const auto& sample : samples) pooled.insert(pooled.end(), sample.begin(), sample.end());
  if (pooled.empty()) throw internal_error("common_edges", "no values");
  std::sort(pooled.begin(), pooled.end());
  const double least = pooled.front(), range = pooled.back() - least;
  if (range == 0) return {least - 0.5, least + 0.5};

  const auto n = static_cast<double>(pooled.size());
  const double sturges = range / (std::log2(n) + 1);
  const double freedman_diaconis = 2 * (percentile(pooled, 0.75) - percentile(pooled, 0.25)) / std::cbrt(n);
  const double width = freedman_diaconis > 0 ? std::min(sturges, freedman_diaconis) : sturges;
  const double bins = std::min(std::ceil(range / width), static_cast<double>(most_bins));

  std::vector<double> edges(static_cast<size_t>(bins) + 1);
  for (size_t i = 0; i < edges.size(); ++i) edges[i] = least + range * static_cast<double>(i) / bins;
  edges.back() = pooled.back();
  return edges;
}

std::vector<size_t> histogram(std::span<const double> values, std::span<const double> edges) {
  if (edges.size() < 2) throw internal_error("histogram", "fewer than two edges");
  std::vector<size_t> counts(edges.size() - 1, 0);
  for (const double value : values) {
    if (!(value >= edges.front() && value <= edges.back())) continue;
    const auto above = std::upper_bound(edges.begin(), edges.end(), value) - edges.begin();
    counts[std::min(static_cast<size_t>(above) - 1, counts.size() - 1)]++;
  }
  return counts;
}

}  // namespace cotenant
