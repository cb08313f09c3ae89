#pragma once

#include <cstddef>
#include <span>

// How large a difference between two samples is, whatever its p value.
namespace cotenant {

// Difference of the means over sqrt((var_a + var_b) / 2), variances with n. NaN when both are constant.
double cohens_d(std::span<const double> a, std::span<const double> b);

// 1 - 2 U_a / (n_a n_b): -1 when every a is above every b, 1 when below.
double rank_biserial(double u_a, size_t n_a, size_t n_b);

// P(a > b) - P(a < b): the opposite sign. Cliff, Psychological Bulletin 114, 1993.
double cliffs_delta(double u_a, size_t n_a, size_t n_b);

// The median of all differences a_i - b_j, exact, in O((n_a + n_b) x 64) by bisection over the values that doubles can
// have. Hodges and Lehmann, Annals of Mathematical Statistics 34, 1963. Each sample ascending, not empty.
double hodges_lehmann(std::span<const double> sorted_a, std::span<const double> sorted_b);

}  // namespace cotenant
