#pragma once

#include <span>
#include <vector>

// Descriptive statistics of a sample. Percentiles are linear interpolations between order statistics (numpy's default);
// the standard deviation divides by n - 1. Functions of an empty sample throw internal_error: callers ask first.
namespace cotenant {

// q in [0, 1]; `sorted` ascending, not empty.
double percentile(std::span<const double> sorted, double q);

// At a place counted from 0, in [0, n - 1]: what lies between two order statistics is interpolated.
double percentile_at(std::span<const double> sorted, double place);

double mean(std::span<const double> values);

// n - 1 in the denominator; 0 for a single value.
double standard_deviation(std::span<const double> values);

// n in the denominator.
double population_variance(std::span<const double> values);

std::vector<double> sorted_copy(std::span<const double> values);

// Of any order; reorders a copy, O(n).
double median(std::span<const double> values);

}  // namespace cotenant
