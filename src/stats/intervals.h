#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace cotenant {

// Which order statistics enclose a quantile; counted from 0.
struct OrderInterval {
  size_t low = 0, high = 0;
};

// A distribution-free interval of the q-quantile from n independent samples: B, the number of samples below the
// quantile, is binomial(n, q); each end is left out with a probability of at most (1 - confidence) / 2. nullopt where n
// is too small. q in (0, 1).
// David and Nagaraja, Order Statistics, 3rd edition, section 7.1.
std::optional<OrderInterval> quantile_interval(size_t n, double q, double confidence = 0.95);

// The fewest samples of which quantile_interval gives one (at 95%: 6 for the median, 72 for p95, 368 for p99).
size_t fewest_for_interval(double q, double confidence = 0.95);

struct MeanInterval {
  double low = 0, high = 0;
};

// Student's interval of the mean of independent, roughly normal values, such as the figures of repeated runs. At least
// two values.
MeanInterval mean_interval(std::span<const double> values, double confidence = 0.95);

// Welch's interval of the difference of two means, a - b. At least two values each.
MeanInterval mean_difference_interval(std::span<const double> a, std::span<const double> b, double confidence = 0.95);

}  // namespace cotenant
