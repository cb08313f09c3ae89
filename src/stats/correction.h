#pragma once

#include <span>
#include <vector>

// Corrections of p values for the number of tests, in the order of the input; at most 1. A NaN stays NaN and does not
// count as a test.
namespace cotenant {

// Holm's step-down method (Scandinavian Journal of Statistics 6, 1979): as safe as Bonferroni's and never weaker.
std::vector<double> holm(std::span<const double> p);

}  // namespace cotenant
