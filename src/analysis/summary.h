#pragma once

#include <optional>
#include <span>

#include "analysis/analysis.h"

namespace cotenant {

// All statistics of one column, in order of time. nullopt without values.
std::optional<Summary> summarize_column(std::span<const double> values);

// The same, where they are sorted already.
std::optional<Summary> summarize_column(std::span<const double> values, std::span<const double> sorted);

// The 95% interval of a ratio of medians, a over b, by a block bootstrap of each; nullopt with fewer than 30 blocks on
// a side, or so many values (200,000) that it would take longer than it is worth.
std::optional<Interval> median_ratio_interval(std::span<const double> a, std::span<const double> b, uint64_t seed);

}  // namespace cotenant
