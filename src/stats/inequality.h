#pragma once

#include <span>

// How unequal a few positive values are: the tenants' mean latencies, or their progress. None may be negative, and
// there is at least one.
namespace cotenant {

// Population standard deviation (n) over the mean.
double coefficient_of_variation(std::span<const double> values);

// Mean absolute difference over all ordered pairs, halved, over the mean: 0 for equal values, (n-1)/n at most.
double gini(std::span<const double> values);

// Greatest over least.
double max_min_ratio(std::span<const double> values);

// Greatest minus least.
double range(std::span<const double> values);

// The largest distance from the mean, in percent of it.
double max_deviation_percent(std::span<const double> values);

// (sum x)^2 / (n sum x^2): 1 for equal values, 1/n when one has everything. Jain, Chiu and Hawe, DEC TR-301, 1984.
double jain(std::span<const double> values);

}  // namespace cotenant
