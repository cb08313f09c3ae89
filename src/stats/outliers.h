#pragma once

#include <cstddef>
#include <span>

namespace cotenant {

// Median absolute deviation from the median, times 1.4826 so that it estimates the standard deviation of a normal.
// `sorted` ascending, not empty.
double robust_deviation(std::span<const double> sorted);

// How many values lie more than `limit` robust deviations from the median; 0 when the deviation is 0. Iglewicz and
// Hoaglin (1993) propose 3.5.
size_t count_outliers(std::span<const double> sorted, double limit = 3.5);

}  // namespace cotenant
