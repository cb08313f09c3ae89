#pragma once

#include <cstddef>
#include <span>

// Consecutive iterations resemble each other, so n of them say less than n independent ones would.
namespace cotenant {

// Of values `lag` apart: sum over i of (x_i - m)(x_(i+lag) - m), over the sum of squares. NaN when all are equal.
double autocorrelation(std::span<const double> values, size_t lag);

// Variance of the mean of n values, over that of independent ones, where values k apart correlate by r^k (an AR(1)
// process): 1 + 2 sum over 0 < k < n of (1 - k / n) r^k.
double inflation_of_mean(size_t n, double r);

// The r of an AR(1) process, of which these are stretches that each have a level of their own; in [0, most]. Products
// of neighbours over squares, both about the stretches' means, come out lower than r, by the more the shorter and the
// more alike: the r is taken of which that ratio of expectations is the one found. 0 where nothing varies.
double neighbours_correlation(std::span<const std::span<const double>> stretches, double most);

// n over 1 + 2 x the sum of autocorrelations, which ends at Geyer's initial positive sequence: before the first pair of
// lags (2k, 2k+1) whose sum is not positive (C. J. Geyer, Practical Markov Chain Monte Carlo, 1992). In [1, n]:
// negative correlation is not counted as additional information. n when all values are equal. Lags are bounded so that
// it takes 2e8 multiplications at most.
double effective_sample_size(std::span<const double> values);

// How many independent values would tell as much of the quantile at `limit`: the effective size of the sequence of
// "is this one at most `limit`?" (P. Heidelberger and P. A. W. Lewis, Operations Research 32, 1984). Values that are
// rare, as those beyond p99, resemble their neighbours less than the values do.
double effective_size_below(std::span<const double> values, double limit);

}  // namespace cotenant
