#pragma once

#include <optional>
#include <span>

#include "analysis/analysis.h"

namespace cotenant {

// All statistics of one column, in order of time. nullopt without values.
std::optional<Summary> summarize_column(std::span<const double> values);

// The same, where they are sorted already.
std::optional<Summary> summarize_column(std::span<const double> values, std::span<const double> sorted);

// A sample's median and how exactly it is known.
struct MedianOf {
  std::span<const double> sorted;
  double effective = 0;  // Summary::n_eff_p50
};

// The 95% interval of the ratio of two medians, a over b, from the order statistics on each side of both: on the
// logarithm the distances of the ends from the estimates add up in squares (G. Y. Zou and A. Donner, Statistics in
// Medicine 27, 2008). nullopt where one of them has too few samples.
std::optional<Interval> median_ratio_interval(const MedianOf& a, const MedianOf& b);

}  // namespace cotenant
