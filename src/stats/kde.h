#pragma once

#include <cstddef>
#include <span>
#include <vector>

// Gaussian kernel density estimation with Scott's bandwidth, n^(-1/5) standard deviations (D. W. Scott, Multivariate
// Density Estimation, 1992); scipy.stats.gaussian_kde's default.
namespace cotenant {

// 0 when all values are equal, or there is one: then there is no density.
double scott_bandwidth(std::span<const double> values);

// The density at each point of `grid`; all zeros when the bandwidth is 0. Exact up to 20,000 values; more are first
// binned linearly onto 4,096 points between the least and the greatest, which changes a smooth density by less than
// 1e-4 of its peak.
std::vector<double> kde(std::span<const double> values, std::span<const double> grid);

}  // namespace cotenant
