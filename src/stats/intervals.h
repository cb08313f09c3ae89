#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace cotenant {

// Between which order statistics a quantile lies: places in the ascending sample, counted from 0, with the part of the
// way to the next one (percentile_at of stats/describe.h).
struct OrderInterval {
  double low = 0, high = 0;
};

// A distribution-free interval of the q-quantile from n samples that tell as much of it as `effective` independent ones
// (at most n; effective_size_below): B, how many of those lie below the quantile, is binomial(effective, q), and each
// end is left out with a probability of (1 - confidence) / 2. Between whole places the binomial is continued by the
// incomplete beta function: rounded outwards the places are those of the exact interval. nullopt where `effective` is
// too small. q in (0, 1). David and Nagaraja, Order Statistics, 3rd edition, section 7.1; the effective size: P.
// Heidelberger and P. A. W. Lewis, Operations Research 32, 1984.
std::optional<OrderInterval> quantile_interval(size_t n, double effective, double q, double confidence = 0.95);

// The fewest samples of which quantile_interval gives one (at 95%: 6 for the median, 72 for p95, 368 for p99).
size_t fewest_for_interval(double q, double confidence = 0.95);

struct MeanInterval {
  double low = 0, high = 0;
};

// Welch's interval of the difference of two means, a - b. At least two values each.
MeanInterval mean_difference_interval(std::span<const double> a, std::span<const double> b, double confidence = 0.95);

}  // namespace cotenant
